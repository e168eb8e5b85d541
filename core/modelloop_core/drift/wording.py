"""A verdict in words for people."""

from __future__ import annotations

from collections.abc import Sequence

from modelloop_core.drift.findings import VALUES, Finding
from modelloop_core.drift.statistics import Statistics
from modelloop_core.wire.reports import ColumnReport, Level

CHANGED = (Level.TREND, Level.MODERATE, Level.DRIFT)
_NAMED = 5


def note_of(found: Statistics, unseen: Sequence[str], findings: Sequence[Finding], levels: Sequence[Level]) -> str:
    """Why a column's verdict is what it is: what changed, or what is missing to say so; findings with their levels."""
    changed = [one for one, level in zip(findings, levels, strict=True) if level in CHANGED]
    said = [one.text for one in changed]
    if found.distances is None:
        side = "reference" if not found.reference_n else "window"
        nulls = f", {found.current.null} nulls" if found.current.null else ""
        return "; ".join([f"the {side} holds no value{nulls}", *said])
    if Level.INSUFFICIENT in levels:
        worth = min(found.n_eff, found.seen_n_eff)
        said.append(f"{found.current_n} values, worth {worth:.0f} independent ones: too few to judge them")
    elif found.distances is not None and found.distances.moved_most and any(one.what == VALUES for one in changed):
        said.append(f"most moved: {found.distances.moved_most}")
    if unseen:
        said.append(f"new: {', '.join(unseen[:_NAMED])}")
    return "; ".join(said)


def message_of(level: Level, reports: Sequence[ColumnReport]) -> str:
    """One sentence of the model."""
    named = [report.name for report in reports if report.verdict is level and report.role != "ignore"]
    first = ", ".join(named[:_NAMED]) + (f" and {len(named) - _NAMED} more" if len(named) > _NAMED else "")
    match level:
        case Level.DRIFT:
            return f"{len(named)} of {len(reports)} columns drifted: {first}"
        case Level.MODERATE:
            return f"{len(named)} of {len(reports)} columns changed, less than the band of drift: {first}"
        case Level.TREND:
            return f"{len(named)} of {len(reports)} columns changed by little: {first}"
        case Level.STABLE:
            return f"no change found in {len(named)} of {len(reports)} columns"
        case Level.INSUFFICIENT:
            return "too few rows to judge"
        case _:
            return "no data"
