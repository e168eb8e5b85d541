"""Rows about one entity: which they are, and their end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Table, and_, delete, select, text, tuple_

from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK
from modelloop_monitor.store.schema import PREDICTIONS

Key = tuple[object, ...]
MOST = 500
"""So many at once: both databases bound the number of a statement's values."""


def about(connection: Connection, table: Table, model: Model, entity: str) -> list[Key]:
    """The keys of some rows of a table, at most MOST."""
    key: list[Column[object]] = list(table.primary_key)
    mine = and_(table.c.namespace == model[0], table.c.name == model[1], table.c.entity == entity)
    return [tuple(row) for row in connection.execute(select(*key).where(mine).limit(MOST))]


def erase(connection: Connection, table: Table, keys: Sequence[Key]) -> dict[str, int]:
    """Remove rows by key, and with predictions what was told of their requests; how many, by table.

    What they said is overwritten in SQLite's file, which otherwise only marks its place as free.
    """
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete = ON"))
    # Predictions first: who is joining a label to one holds it, and what is joined then is found below.
    counts = {table.name: connection.execute(delete(table).where(tuple_(*table.primary_key).in_(keys))).rowcount}
    for ledger in (FEEDBACK, EVENTS) if table is PREDICTIONS else ():
        request = tuple_(ledger.c.namespace, ledger.c.name, ledger.c.request_id)
        counts[ledger.name] = connection.execute(delete(ledger).where(request.in_({key[:3] for key in keys}))).rowcount
    return counts
