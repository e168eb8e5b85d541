"""Takes posts exactly once: one thread writes what has come since its last commit, and only then are they answered."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import ValidationError

from modelloop_core.wire.profiles import ProfilePost
from modelloop_monitor.bodies import Body, has_nul
from modelloop_monitor.checking import Clock, References, check_names, check_shape
from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.problems import BUSY, INVALID, ProblemError, invalid, retry_later
from modelloop_monitor.sequences import Sequences
from modelloop_monitor.store import inbox, sources
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.errors import StoreError

_MOST_TOGETHER = 200
_IDLE_SECONDS = 0.2


@dataclass(frozen=True)
class Checked:
    """A post that can be counted, and the bytes by which it is kept."""

    source: str
    epoch: str
    sequence: int
    namespace: str
    name: str
    at: float
    clock_ahead: float
    received: float
    body: bytes

    @property
    def key(self) -> sources.Key:
        """The process that it comes from."""
        return self.source, self.epoch


@dataclass(frozen=True)
class _Item:
    post: Checked
    applied: Future[bool] = field(default_factory=Future)


def check(body: Body, references: References, clock: Clock, now: float) -> Checked:
    """Read a post; raises ProblemError for one that cannot be counted, StoreError."""
    if has_nul(body.plain):
        raise ProblemError(INVALID, "the body has a NUL character, which no database keeps")
    try:
        post = ProfilePost.model_validate_json(body.plain)
    except ValidationError as error:
        raise invalid(error) from error
    check_names(post)
    at, ahead = clock.place(post, now)
    check_shape(post, references, now)
    return Checked(
        source=post.source,
        epoch=post.epoch,
        sequence=post.sequence,
        namespace=post.namespace,
        name=post.name,
        at=at,
        clock_ahead=ahead,
        received=now,
        body=body.to_keep(),
    )


class Ingest(threading.Thread):
    """The thread that writes; `submit` from any other."""

    def __init__(self, store: Store, metrics: Metrics, *, max_queue: int) -> None:
        super().__init__(name="ingest", daemon=True)
        self._store = store
        self._metrics = metrics
        self._waiting: queue.Queue[_Item] = queue.Queue(max_queue)
        self._stopping = threading.Event()

    def submit(self, post: Checked) -> Future[bool]:
        """Whether it was applied (else the monitor had it), once that is committed; raises ProblemError when full."""
        item = _Item(post)
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            raise retry_later(BUSY, "too many posts wait to be written") from None
        return item.applied

    def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping.set()
        self.join(30)

    def run(self) -> None:
        """Write posts as they come, until stopped and empty."""
        while not (self._stopping.is_set() and self._waiting.empty()):
            if items := self._next():
                self._answer(items)

    def _next(self) -> list[_Item]:
        items: list[_Item] = []
        with suppress(queue.Empty):
            items.append(self._waiting.get(timeout=_IDLE_SECONDS))
            while len(items) < _MOST_TOGETHER:
                items.append(self._waiting.get_nowait())
        return items

    def _answer(self, items: Sequence[_Item]) -> None:
        try:
            outcomes = self._write([item.post for item in items])
        except StoreError as error:
            _refuse(items, error)
            event("posts-refused", logging.ERROR, reason=type(error).__name__, message=str(error), posts=len(items))
        except Exception as error:  # noqa: BLE001 the loop's top: without this thread nothing is taken any more
            _refuse(items, error)
            self._metrics.failed("ingest")
            event("ingest-failed", logging.ERROR, error=error, reason="InternalError")
        else:
            for item, applied in zip(items, outcomes, strict=True):
                item.applied.set_result(applied)

    def _write(self, posts: Sequence[Checked]) -> list[bool]:
        with self._store.writing() as connection:
            about = {post.key: _about(post) for post in posts}
            known = sources.load(connection, about)
            states, outcomes = admit(posts, known)
            fresh = [post for post, new in zip(posts, outcomes, strict=True) if new]
            inbox.add(connection, [{"at": p.at, "received": p.received, "body": p.body} for p in fresh])
            sources.save(connection, states, about)
        return outcomes


def admit(
    posts: Sequence[Checked], known: dict[sources.Key, Sequences]
) -> tuple[dict[sources.Key, Sequences], list[bool]]:
    """What is known of each source afterwards, and which of the posts are new."""
    states = dict(known)
    outcomes = []
    for post in posts:
        state = states.get(post.key, Sequences())
        outcomes.append(not state.has(post.sequence))
        states[post.key] = state.with_number(post.sequence) if outcomes[-1] else state
    return states, outcomes


def _about(post: Checked) -> dict[str, object]:
    return {
        "namespace": post.namespace,
        "name": post.name,
        "clock_ahead": post.clock_ahead,
        "last_seen": post.received,
    }


def _refuse(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        item.applied.set_exception(error)
