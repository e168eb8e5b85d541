"""What this installation of ModelLoop gives to every predictor."""

from __future__ import annotations

from dataclasses import dataclass

PROGRESS_DEADLINE_SECONDS = 600


@dataclass(frozen=True)
class Installation:
    """What every predictor of this installation shares."""

    image: str
    pull_policy: str = "IfNotPresent"
    drain_seconds: int = 25
    progress_deadline_seconds: int = PROGRESS_DEADLINE_SECONDS
    monitor_url: str | None = None
    monitor_secret: str | None = None
