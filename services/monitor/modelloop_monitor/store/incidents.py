"""Incidents of models, open and closed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from modelloop_core.wire.watching import Cause
from modelloop_monitor.incidents import IncidentState
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import INCIDENTS
from modelloop_monitor.store.upsert import upsert


def current(connection: Connection, model: Model, cause: Cause) -> IncidentState | None:
    """The open incident of this cause, if there is one."""
    query = select(INCIDENTS.c.document).where(*_of(model), INCIDENTS.c.cause == cause, INCIDENTS.c.closed.is_(None))
    found = connection.execute(query).scalar()
    return None if found is None else IncidentState.model_validate_json(found)


def save(connection: Connection, model: Model, incident: IncidentState) -> None:
    """Keep it as it is now."""
    row = {
        "id": incident.id,
        "namespace": model[0],
        "name": model[1],
        "cause": incident.cause,
        "opened": incident.opened,
        "closed": incident.closed,
        "level": incident.level,
        "document": incident.model_dump_json(),
    }
    upsert(connection, INCIDENTS, [row])


def latest(connection: Connection, model: Model, most: int) -> list[IncidentState]:
    """The last `most` of a model, oldest first."""
    query = select(INCIDENTS.c.document).where(*_of(model)).order_by(INCIDENTS.c.opened.desc()).limit(most)
    return [IncidentState.model_validate_json(row.document) for row in connection.execute(query)][::-1]


def open_ones(connection: Connection) -> list[tuple[Model, IncidentState]]:
    """All that are open, of all models."""
    query = select(INCIDENTS.c.namespace, INCIDENTS.c.name, INCIDENTS.c.document).where(INCIDENTS.c.closed.is_(None))
    return [
        ((row.namespace, row.name), IncidentState.model_validate_json(row.document))
        for row in connection.execute(query)
    ]


def counts(connection: Connection) -> dict[Model, int]:
    """How many are open, by model."""
    query = select(INCIDENTS.c.namespace, INCIDENTS.c.name, func.count().label("open"))
    query = query.where(INCIDENTS.c.closed.is_(None)).group_by(INCIDENTS.c.namespace, INCIDENTS.c.name)
    return {(row.namespace, row.name): row.open for row in connection.execute(query)}


def _of(model: Model) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return INCIDENTS.c.namespace == model[0], INCIDENTS.c.name == model[1]
