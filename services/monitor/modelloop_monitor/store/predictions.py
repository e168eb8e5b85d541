"""The prediction log: what labels and events are joined to, and what a window's answers were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from modelloop_monitor.store.schema import PREDICTIONS


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Log predictions; of those whose request id and row are there already, count only that they came again."""
    if not rows:
        return
    kind: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = kind.insert(PREDICTIONS).values(again=0)
    keys = [column.name for column in PREDICTIONS.primary_key]
    again = {"again": PREDICTIONS.c.again + 1}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=again), rows)
