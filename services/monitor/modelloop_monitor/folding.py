"""Folds posts from the inbox into windows, minutes and the prediction log: many posts, few writes.

A post leaves the inbox in the transaction that adds it to its window, so that stopping anywhere loses and repeats
nothing.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_core.wire.profiles import LoggedPrediction, ProfilePost
from modelloop_monitor.bodies import kept
from modelloop_monitor.counts import Counted
from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.store import cards, inbox, mirrored, models, predictions, traffic, windows
from modelloop_monitor.store.cards import CardKey
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.errors import StoreError, StoreUnfit
from modelloop_monitor.store.traffic import MinuteKey
from modelloop_monitor.store.windows import WindowKey

_MOST_POSTS = 200
_DAY = 86_400.0

Model = tuple[str, str]
Row = tuple[int, float, float, bytes]
"""Of the inbox: id, at, received, body."""


@dataclass(frozen=True)
class Waiting:
    """A post from the inbox: it counts for the moment `at`."""

    id: int
    at: float
    received: float
    post: ProfilePost

    @property
    def model(self) -> Model:
        """Namespace and name."""
        return self.post.namespace, self.post.name


@dataclass
class Folded:
    """Posts added up, ready to be written."""

    windows: dict[WindowKey, Counted] = field(default_factory=dict)
    minutes: dict[MinuteKey, MinuteCounts] = field(default_factory=dict)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    mirrored: list[dict[str, Any]] = field(default_factory=list)
    heard: dict[Model, float] = field(default_factory=dict)
    cards: dict[CardKey, str] = field(default_factory=dict)


class Folder:
    """Empties the inbox; several processes may try, one does."""

    def __init__(self, store: Store, metrics: Metrics, traffic_seconds: int) -> None:
        self._store = store
        self._metrics = metrics
        self._traffic_seconds = traffic_seconds

    def fold(self, now: float) -> int:
        """Fold all posts that wait; returns how many these were. Raises StoreError, with nothing half-done."""
        with self._store.alone("fold") as alone:
            return self._all(now) if alone else 0

    @contextmanager
    def emptied(self, now: float) -> Iterator[bool]:
        """Fold all posts that wait, and let nobody fold while the block runs; False where somebody else folds."""
        with self._store.alone("fold") as alone:
            if alone:
                self._all(now)
            yield alone

    def _all(self, now: float) -> int:
        total = 0
        while count := self._some(now):
            total += count
        return total

    def _some(self, now: float) -> int:
        with self._store.reading() as connection:
            rows = inbox.oldest(connection, _MOST_POSTS)
        if not rows:
            return 0
        try:
            self._together(rows, now)
        except Exception as error:
            if _passes(error):
                raise
            # Some post among these: the others are not to wait for it for ever.
            for row in rows:
                self._by_itself(row, now)
        return len(rows)

    def _by_itself(self, row: Row, now: float) -> None:
        try:
            self._together([row], now)
        except Exception as error:
            if _passes(error):
                raise
            with self._store.writing() as connection:
                inbox.remove(connection, [row[0]])
            self._metrics.left_out.inc()
            event("post-left-out", logging.ERROR, error=error, post=row[0], reason=type(error).__name__, **_whose(row))

    def _together(self, rows: Sequence[Row], now: float) -> None:
        waiting = [_parsed(*row) for row in rows]
        with self._store.reading() as connection:
            widths = models.window_seconds(connection, {item.model for item in waiting})
        folded = fold_posts(waiting, widths, self._traffic_seconds)
        with self._store.writing() as connection:
            # First: another process may have been faster.
            inbox.remove(connection, [item.id for item in waiting])
            _write(connection, folded, now)


def _passes(error: Exception) -> bool:
    """Whether it says nothing about the posts, which then wait: the database is away, or memory is short."""
    return isinstance(error, (StoreError, MemoryError)) and not isinstance(error, StoreUnfit)


def _whose(row: Row) -> dict[str, object]:
    """What can still be told of a post that could not be folded."""
    try:
        post = json.loads(kept(row[3]))
        own = {key: post.get(key) for key in ("version", "source", "epoch", "sequence")}
        return {"model": f"{post.get('namespace')}/{post.get('name')}", **own}
    except (ValueError, zlib.error, AttributeError) as error:
        return {"message": f"its body cannot be read: {error}"}


def fold_posts(waiting: Iterable[Waiting], widths: Mapping[Model, int], traffic_seconds: int) -> Folded:
    """Add posts up by window and interval of traffic; `widths` are the windows' lengths by model."""
    folded = Folded()
    for item in waiting:
        post, width = item.post, widths[item.model]
        own = (post.namespace, post.name, post.version)
        folded.heard[item.model] = max(item.received, folded.heard.get(item.model, 0.0))
        if post.reference is not None and (post.features or post.outputs):
            window = WindowKey(*own, post.reference, width, _floor(item.at, width))
            _add(folded.windows, window, Counted.of(post))
        outputs = {name: delta.counts for name, delta in post.outputs.items()}
        counts = MinuteCounts.of(post.traffic, outputs, post.mirrored)
        _add(folded.minutes, MinuteKey(*own, _floor(item.at, traffic_seconds)), counts)
        folded.predictions += _logged(item)
        folded.mirrored += _copied(item)
        if post.card is not None:
            folded.cards[CardKey(*own)] = post.card
    return folded


def _write(connection: Connection, folded: Folded, now: float) -> None:
    windows.add(connection, folded.windows, now)
    traffic.add(connection, folded.minutes)
    predictions.add(connection, folded.predictions)
    mirrored.add(connection, folded.mirrored)
    models.heard(connection, folded.heard)
    cards.save(connection, folded.cards, now)


def _parsed(id_: int, at: float, received: float, body: bytes) -> Waiting:
    return Waiting(id_, at, received, ProfilePost.model_validate_json(kept(body)))


def _logged(item: Waiting) -> list[dict[str, Any]]:
    return [{**_answer(item, logged), "entity": logged.entity} for logged in item.post.predictions]


def _copied(item: Waiting) -> list[dict[str, Any]]:
    waits = {"received": item.received, "due": item.received}
    return [{**_answer(item, logged), **waits} for logged in item.post.mirrored_predictions]


def _answer(item: Waiting, logged: LoggedPrediction) -> dict[str, Any]:
    post = item.post
    return {
        "namespace": post.namespace,
        "name": post.name,
        "version": post.version,
        "reference": post.reference,
        "request_id": logged.request_id,
        "row": logged.row,
        "at": _placed(item, logged.at),
        "prediction": json.dumps(logged.prediction),
    }


def _placed(item: Waiting, at: float) -> float:
    """When a logged prediction was made by this monitor's clock: corrected as its post is, and of the day before it.

    A time that makes no sense would else name a window that no database and no calendar has.
    """
    ahead = (item.post.since.timestamp() + item.post.until.timestamp()) / 2 - item.at
    return min(max(at - ahead, item.at - _DAY), max(item.at, item.received))


def _add(totals: dict[Any, Any], key: object, new: Counted | MinuteCounts) -> None:
    totals[key] = totals[key] + new if key in totals else new


def _floor(at: float, width: int) -> int:
    return int(at // width) * width
