"""Answers to copies of requests that wait for the live version's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import MIRRORED

Key = tuple[object, ...]
_KEY = tuple(MIRRORED.primary_key)


@dataclass(frozen=True)
class Copied:
    """One answer of `version`; `prediction` is JSON."""

    model: Model
    request_id: str
    row: int
    version: str
    reference: str | None
    at: float
    received: float
    prediction: str

    @property
    def key(self) -> Key:
        """That of its table."""
        return (*self.model, self.request_id, self.row, self.version)


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep answers; the first to a request counts."""
    if not rows:
        return
    kind: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(kind.insert(MIRRORED).on_conflict_do_nothing(), rows)


def due(connection: Connection, now: float, most: int) -> list[Copied]:
    """Those for which it is time to look for the live version's answer."""
    table = MIRRORED.c
    columns = (table.request_id, table.row, table.version, table.reference, table.at, table.received, table.prediction)
    query = select(table.namespace, table.name, *columns).where(table.due <= now).order_by(table.due).limit(most)
    return [Copied((row.namespace, row.name), *row[2:]) for row in connection.execute(query)]


def remove(connection: Connection, keys: Collection[Key]) -> None:
    """Forget them."""
    if keys:
        connection.execute(delete(MIRRORED).where(tuple_(*_KEY).in_(keys)))


def put_off(connection: Connection, keys: Collection[Key], until: float) -> None:
    """Look again then."""
    if keys:
        connection.execute(update(MIRRORED).where(tuple_(*_KEY).in_(keys)).values(due=until))
