"""What of a version's live traffic is counted and logged, for people: in the log once, and on `/model`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TelemetryState:
    """Whether rows are counted, and predictions or features logged; `message` gives a reason for what is not."""

    counting: bool = False
    predictions: bool = False
    features: bool = False
    message: str = ""


NOT_WANTED = TelemetryState(message="no monitor (MODELLOOP_MONITOR_URL) and no capture (MODELLOOP_CAPTURE) is set")
