"""Incidents: when one opens, gets worse and closes, and what of that is still to be told. Values in, values out.

A model has at most one open incident of each cause. A change is told once; one that is silenced is told when the
silence ends, if it is still true then. That what was told is over is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelloop_core.wire.reports import Level
from modelloop_core.wire.watching import Cause, Change


@dataclass(frozen=True)
class Finding:
    """What is wrong with a model now: `what`, `since` when, how `sure` that is, and the `action` to take."""

    level: Level
    features: tuple[str, ...]
    version: str | None
    what: str
    since: float
    sure: str
    action: str


class IncidentState(BaseModel):
    """One incident. `stage` grows when it gets worse, `known` are all features that it ever had.

    `told` is the last stage that people were told of (0: none), `told_closed` whether they know that it is over.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    cause: Cause
    opened: float
    level: Level
    features: tuple[str, ...]
    known: tuple[str, ...]
    version: str | None
    what: str
    since: float
    sure: str
    action: str
    stage: int = 1
    closed: float | None = None
    told: int = 0
    told_closed: bool = False


def progress(
    before: IncidentState | None, cause: Cause, finding: Finding | None, *, now: float, new_id: str
) -> IncidentState | None:
    """The open incident after what was found now; None when there is none and none is needed."""
    if before is None:
        return None if finding is None else _opened(cause, finding, now, new_id)
    if finding is None:
        return before.model_copy(update={"closed": now, "features": ()})
    news = [name for name in finding.features if name not in before.known]
    if not news and finding.features == before.features:
        return before
    changed = _facts(finding) | {"known": (*before.known, *news), "stage": before.stage + bool(news)}
    return before.model_copy(update=changed)


def untold(incident: IncidentState, *, silenced: bool) -> Change | None:
    """What is to be told of it now."""
    if incident.closed is not None:
        return Change.CLOSED if incident.told and not incident.told_closed else None
    if silenced or incident.told >= incident.stage:
        return None
    return Change.WORSE if incident.told else Change.OPENED


def as_told(incident: IncidentState) -> IncidentState:
    """With all of it told."""
    if incident.closed is not None:
        return incident.model_copy(update={"told_closed": True})
    return incident.model_copy(update={"told": incident.stage})


def _opened(cause: Cause, finding: Finding, now: float, new_id: str) -> IncidentState:
    return IncidentState(id=new_id, cause=cause, opened=now, known=finding.features, **_facts(finding))


def _facts(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level,
        "features": finding.features,
        "version": finding.version,
        "what": finding.what,
        "since": finding.since,
        "sure": finding.sure,
        "action": finding.action,
    }
