"""Answers of the report pages, from what is kept. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from modelloop_core.wire.minutes import Minute, Minutes
from modelloop_core.wire.reports import DriftReport, Incident, Level, RecentTraffic, Window
from modelloop_core.wire.watching import (
    Cause,
    ColumnPoint,
    DriftHistory,
    HistoryWindow,
    ModelList,
    ModelSummary,
)
from modelloop_monitor.access import Caller
from modelloop_monitor.incidents import IncidentState
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.store import incidents, models, reports, silences, traffic
from modelloop_monitor.store.models import Model

_RECENT_SECONDS = 300
_MOST_INCIDENTS = 100
_STALE_WINDOWS = 2


def list_models(connection: Connection, caller: Caller, now: float) -> ModelList:
    """All models of the caller's namespaces."""
    known = [one for one in models.all_of(connection) if caller.may(one.model[0])]
    verdicts, open_ = reports.verdicts(connection), incidents.counts(connection)
    found = [
        ModelSummary(
            namespace=one.model[0],
            name=one.model[1],
            last_post=None if one.last_post is None else _time(one.last_post),
            verdict=verdicts.get(one.model, Level.NO_DATA),
            incidents=open_.get(one.model, 0),
        )
        for one in known
    ]
    return ModelList(models=tuple(found), generated=_time(now))


def drift_report(connection: Connection, model: Model, *, grace: float, now: float) -> DriftReport:
    """What the last judged window says of the version that serves most, or that there was none of late."""
    width = models.window_seconds(connection, [model])[model]
    judged = reports.leading(connection, model)
    if judged is None or now > judged.until + _STALE_WINDOWS * width + grace:
        return _without_window(connection, model, judged, width=width, grace=grace, now=now)
    return DriftReport(
        namespace=model[0],
        name=model[1],
        version=judged.version,
        reference=judged.reference,
        window=Window(since=_time(judged.since), until=_time(judged.until)),
        verdict=judged.verdict,
        rows=judged.rows,
        columns=judged.columns,
        incident=_drift_incident(connection, model, now),
        recent=_recent(connection, model, now),
        message=judged.message,
        generated=_time(now),
    )


def history(connection: Connection, model: Model, *, since: float, until: float, most: int, now: float) -> DriftHistory:
    """The last `most` judged windows between these times, and the last incidents."""
    judged = reports.between(connection, model, since, until, most)
    states = incidents.latest(connection, model, _MOST_INCIDENTS)
    silenced = silences.until(connection, model, now)
    return DriftHistory(
        namespace=model[0],
        name=model[1],
        windows=tuple(_point(one) for one in judged),
        incidents=tuple(as_incident(state, silenced) for state in states),
        generated=_time(now),
    )


def minutes(connection: Connection, model: Model, version: str, since: float, until: float, now: float) -> Minutes:
    """The minutes of one version between these times."""
    rows = traffic.between(connection, *model, since=since, until=until, version=version)
    return Minutes(
        namespace=model[0],
        name=model[1],
        version=version,
        since=_time(since),
        until=_time(until),
        minutes=tuple(Minute(at=_time(key.minute), counts=counts) for key, counts in rows),
        generated=_time(now),
    )


def as_incident(state: IncidentState, silenced_until: float | None) -> Incident:
    """An incident as it is told."""
    return Incident(
        id=state.id,
        opened=_time(state.opened),
        level=state.level,
        features=state.features or state.known,
        closed=None if state.closed is None else _time(state.closed),
        silenced_until=None if silenced_until is None else _time(silenced_until),
        message=f"{state.what}. How sure: {state.sure}. What to do: {state.action}.",
    )


def _without_window(
    connection: Connection, model: Model, judged: JudgedWindow | None, *, width: int, grace: float, now: float
) -> DriftReport:
    if judged is None:
        due = (now // width + 1) * width + grace
        message = (
            f"no window was judged yet: windows are {width} s long, and the next is judged at {_time(due):%H:%M} UTC"
        )
    else:
        message = f"no counts since the window that ended at {_time(judged.until).isoformat()}: nothing can be said"
    return DriftReport(
        namespace=model[0],
        name=model[1],
        version=None if judged is None else judged.version,
        reference=None if judged is None else judged.reference,
        window=None,
        verdict=Level.NO_DATA,
        incident=_drift_incident(connection, model, now),
        recent=_recent(connection, model, now),
        message=message,
        generated=_time(now),
    )


def _drift_incident(connection: Connection, model: Model, now: float) -> Incident | None:
    state = incidents.current(connection, model, Cause.DRIFT)
    return None if state is None else as_incident(state, silences.until(connection, model, now))


def _recent(connection: Connection, model: Model, now: float) -> RecentTraffic:
    until = int(now // 60) * 60
    since = until - _RECENT_SECONDS
    minutes = [counts for _, counts in traffic.between(connection, *model, since=since, until=until)]
    return RecentTraffic(
        since=_time(since),
        until=_time(until),
        requests=sum(counts.requests for counts in minutes),
        errors=sum(sum(counts.errors.values()) for counts in minutes),
        fallbacks=sum(counts.fallbacks for counts in minutes),
    )


def _point(judged: JudgedWindow) -> HistoryWindow:
    return HistoryWindow(
        since=_time(judged.since),
        until=_time(judged.until),
        version=judged.version,
        reference=judged.reference,
        verdict=judged.verdict,
        rows=judged.rows,
        columns={
            column.name: ColumnPoint(part=column.part, verdict=column.verdict, psi=column.psi, severity=column.severity)
            for column in judged.columns
        },
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
