"""Posts that were answered and wait to be folded: appended at once, so that an answer costs one small write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from modelloop_monitor.store.errors import StoreBusy
from modelloop_monitor.store.schema import INBOX


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows of `at`, `received` and `body`."""
    if rows:
        connection.execute(insert(INBOX), rows)


def oldest(connection: Connection, most: int) -> list[tuple[int, float, float, bytes]]:
    """The first `most` of them: id, at, received, body."""
    query = select(INBOX.c.id, INBOX.c.at, INBOX.c.received, INBOX.c.body).order_by(INBOX.c.id).limit(most)
    return [(row.id, row.at, row.received, row.body) for row in connection.execute(query)]


def remove(connection: Connection, ids: Collection[int]) -> None:
    """Take them out; raises StoreBusy when another process has taken any of them, which undoes the transaction."""
    removed = connection.execute(delete(INBOX).where(INBOX.c.id.in_(ids))).rowcount
    if removed != len(ids):
        raise StoreBusy(f"of {len(ids)} posts {len(ids) - removed} were folded by another process")


def length(connection: Connection) -> int:
    """How many wait."""
    return connection.execute(select(func.count()).select_from(INBOX)).scalar_one()
