"""Notifications on their way: one row for each change and target, made in the transaction that makes the change."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update

from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import OUTBOX
from modelloop_monitor.store.upsert import insert_missing


class Letter(NamedTuple):
    """One notification for one target; `attempts` so far."""

    id: str
    model: Model
    incident: str
    target: str
    created: float
    payload: str
    attempts: int


def add(connection: Connection, letter: Letter) -> None:
    """Have it sent, never a second time."""
    row = {
        "id": letter.id,
        "namespace": letter.model[0],
        "name": letter.model[1],
        "incident": letter.incident,
        "target": letter.target,
        "created": letter.created,
        "payload": letter.payload,
        "attempts": 0,
        "due": letter.created,
        "ended": None,
        "outcome": "",
    }
    insert_missing(connection, OUTBOX, [row])


def due(connection: Connection, now: float, most: int) -> list[Letter]:
    """What is to be sent now, oldest first: of an incident and a target only the first, so that none overtakes."""
    query = select(OUTBOX).where(OUTBOX.c.ended.is_(None)).order_by(OUTBOX.c.created, OUTBOX.c.id).limit(most)
    first: dict[tuple[str, str], Any] = {}
    for row in connection.execute(query):
        first.setdefault((row.incident, row.target), row)
    return [
        Letter(row.id, (row.namespace, row.name), row.incident, row.target, row.created, row.payload, row.attempts)
        for row in first.values()
        if row.due <= now
    ]


def pending(connection: Connection) -> int:
    """How many are on their way."""
    return connection.execute(select(func.count()).where(OUTBOX.c.ended.is_(None))).scalar_one()


def later(connection: Connection, letter: Letter, due: float, outcome: str) -> None:
    """Try again then."""
    values = {"attempts": letter.attempts + 1, "due": due, "outcome": outcome}
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == letter.id).values(values))


def end(connection: Connection, letter: Letter, now: float, outcome: str) -> None:
    """Never send it again."""
    values = {"attempts": letter.attempts + 1, "ended": now, "outcome": outcome}
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == letter.id).values(values))
