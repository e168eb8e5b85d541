"""Joins what waited for its prediction: looked for again after 2 s, then each time after as long as it has waited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from modelloop_monitor.outcomes.taking import FIRST_WAIT_SECONDS, join_columns
from modelloop_monitor.store import outcomes, quality
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.outcome_schema import LABELS, LEDGERS, Ledger
from modelloop_monitor.store.outcomes import LoggedRow, Waiting

LONGEST_WAIT_SECONDS = 600.0
_AT_ONCE = 2_000


class Joiner:
    """Looks for predictions; several processes may try, one does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def join(self, now: float) -> int:
        """Join all that is due; returns how many were. Raises StoreError, with nothing half-done."""
        joined = 0
        with self._store.alone("join") as alone:
            for ledger in LEDGERS if alone else ():
                while (found := self._some(ledger, now)) is not None:
                    joined += found
        return joined

    def _some(self, ledger: Ledger, now: float) -> int | None:
        with self._store.reading() as connection:
            if not outcomes.due(connection, ledger, now, 1):
                return None
        with self._store.writing() as connection:
            waiting = outcomes.due(connection, ledger, now, _AT_ONCE)
            logged = _logged(connection, waiting)
            found = [(item, _prediction(ledger, item, logged)) for item in waiting]
            joined = [(item, join_columns(ledger, row)) for item, row in found if row is not None]
            outcomes.change(connection, ledger, joined)
            late = [(item, {"due": now + _pause(now - item.received)}) for item, row in found if row is None]
            outcomes.change(connection, ledger, late)
            quality.mark(connection, [{**item.key, **columns} for item, columns in joined])
        return len(joined)


def _logged(connection: Connection, waiting: list[Waiting]) -> dict[tuple[Any, str], list[LoggedRow]]:
    ids: dict[Any, set[str]] = defaultdict(set)
    for item in waiting:
        ids[item.model].add(item.key["request_id"])
    return {
        (model, request_id): rows
        for model, some in ids.items()
        for request_id, rows in outcomes.logged(connection, model, some).items()
    }


def _prediction(ledger: Ledger, item: Waiting, logged: Mapping[tuple[Any, str], list[LoggedRow]]) -> LoggedRow | None:
    rows = logged.get((item.model, item.key["request_id"]), [])
    if ledger is LABELS:
        return next((row for row in rows if row.row == item.key["row"]), None)
    return rows[0] if rows else None


def _pause(waited: float) -> float:
    return min(max(waited, FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
