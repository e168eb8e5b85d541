"""Who hears of the model's answers to live requests, as the event loop gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.telemetry.state import TelemetryState

if TYPE_CHECKING:
    from modelloop_predictor.version import LoadedVersion


class Asker(Protocol):
    """Whose rows they are: the request's id, whom it is about, and how many of the rows are its own."""

    request_id: str
    entity: str | None
    count: int


class Telemetry(Protocol):
    """What a version's live traffic is given to."""

    @property
    def copies(self) -> Audience | None:
        """Who is to hear of answers to copies of requests, once it has begun."""
        ...

    def begin(self, version: LoadedVersion) -> tuple[Audience | None, TelemetryState]:
        """Start with the version that is served from now on: who is to hear of answers, and what is done with them."""
        ...


class Audience(Protocol):
    """Takes notice in no time: every call is on the way of an answer."""

    def hear(self, askers: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        """Take the rows [n, features] of live requests, and the model's answer to each row.

        Both stay as they are: they may be kept, but not changed.
        """
        ...
