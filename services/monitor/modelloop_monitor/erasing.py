"""Ends what is kept about one entity: its logged predictions, and the labels and events that were told of them."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Table

from modelloop_core.wire.erasure import Erasure
from modelloop_monitor.folding import Folder
from modelloop_monitor.problems import BUSY, retry_later
from modelloop_monitor.store import erasures
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK
from modelloop_monitor.store.schema import PREDICTIONS


class Eraser:
    """Erases; of several at a time one does, and the others are asked to try again."""

    def __init__(self, store: Store, folder: Folder) -> None:
        self._store = store
        self._folder = folder

    def erase(self, model: Model, entity: str, now: float) -> Erasure:
        """Remove all rows about the entity, posts that were answered and wait included; says how many.

        Raises ProblemError, or StoreError with some of them gone; asked again, it goes on.
        """
        # Nothing is folded meanwhile: a post that was read before would bring its rows afterwards.
        with self._folder.emptied(now) as emptied:
            if not emptied:
                raise retry_later(BUSY, "posts are being folded, or another entity is being erased: try again")
            counts: Counter[str] = Counter()
            for table in (PREDICTIONS, FEEDBACK, EVENTS):
                while some := self._some(table, model, entity):
                    counts.update(some)
        return Erasure(predictions=counts["predictions"], feedback=counts["feedback"], events=counts["events"])

    def _some(self, table: Table, model: Model, entity: str) -> dict[str, int]:
        # Looked for in a transaction that only reads: no index leads to an entity, and writers do not wait for that.
        with self._store.reading() as connection:
            keys = erasures.about(connection, table, model, entity)
        if not keys:
            return {}
        with self._store.writing() as connection:
            return erasures.erase(connection, table, keys)
