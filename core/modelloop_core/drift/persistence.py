"""Whether drift lasted: the same column in so many disjoint windows, and gone only when well below its band."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.wire.reports import Level

CLOSES_BELOW = 0.8
"""Of the significant band: a column that hovers about it must not open and close an incident each window."""


@dataclass(frozen=True)
class Streak:
    """For how many judged windows in a row a column has drifted, and whether that was long enough to say so."""

    consecutive: int = 0
    drifting: bool = False


def advance(before: Streak, verdict: Level, severity: float | None, consecutive_windows: int) -> Streak:
    """The streak after one more window, which must not overlap the last; one that says nothing changes nothing."""
    if verdict in (Level.INSUFFICIENT, Level.NO_DATA):
        return before
    if verdict is Level.DRIFT:
        consecutive = before.consecutive + 1
        return Streak(consecutive, before.drifting or consecutive >= consecutive_windows)
    return Streak(0, before.drifting and (severity or 0.0) >= CLOSES_BELOW)
