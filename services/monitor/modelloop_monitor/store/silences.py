"""Until when a model's notifications are withheld; one that has expired needs nobody to end it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from modelloop_core.wire.watching import Silence
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import SILENCES


def add(connection: Connection, model: Model, silence: Silence) -> None:
    """Withhold from now on."""
    row = {
        "id": silence.id,
        "namespace": model[0],
        "name": model[1],
        "until": silence.until.timestamp(),
        "created": silence.created.timestamp(),
        "reason": silence.reason,
    }
    connection.execute(insert(SILENCES), [row])


def remove(connection: Connection, model: Model, id_: str) -> bool:
    """End one early; whether there was such a one."""
    return connection.execute(delete(SILENCES).where(*_of(model), SILENCES.c.id == id_)).rowcount == 1


def current(connection: Connection, model: Model, now: float) -> tuple[Silence, ...]:
    """Those that have not expired, that which lasts longest first."""
    query = select(SILENCES).where(*_of(model), SILENCES.c.until > now).order_by(SILENCES.c.until.desc())
    return tuple(
        Silence(id=row.id, until=_time(row.until), created=_time(row.created), reason=row.reason)
        for row in connection.execute(query)
    )


def until(connection: Connection, model: Model, now: float) -> float | None:
    """Until when the model is silenced, if it is."""
    query = select(func.max(SILENCES.c.until)).where(*_of(model), SILENCES.c.until > now)
    found: float | None = connection.execute(query).scalar()
    return found


def _of(model: Model) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SILENCES.c.namespace == model[0], SILENCES.c.name == model[1]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
