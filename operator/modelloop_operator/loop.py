"""The workers between the queue and the reconciler, and the periodic LIST that repairs what watches lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.kinds import MLMODEL, Kind
from modelloop_operator.cluster.port import Cluster, ClusterError, Conflict
from modelloop_operator.cluster.work_queue import WorkQueue
from modelloop_operator.metrics import Metrics
from modelloop_operator.naming import MANAGED_BY_LABEL, MANAGER
from modelloop_operator.reconcile import Reconciler

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loop:
    """Runs passes for dirty keys; an error of one MLModel never stops the others."""

    queue: WorkQueue[Key]
    reconciler: Reconciler
    metrics: Metrics
    clock: Callable[[], float]

    async def work(self) -> None:
        """Take keys and reconcile them, for ever."""
        while True:
            key = await self.queue.take()
            self.metrics.queue.set(len(self.queue))
            self.metrics.waited.observe(self.queue.waited(key))
            try:
                await self.run_pass(key)
            finally:
                self.queue.done(key)

    async def run_pass(self, key: Key) -> None:
        """One pass and what follows from it: look again later, at once, or after a back-off."""
        started = self.clock()
        outcome = "done"
        try:
            seconds = await self.reconciler.reconcile(key)
            self._again(key, seconds)
        except Conflict:
            outcome = "conflict"
            self.queue.retry(key)
        except ClusterError as error:
            outcome = type(error).__name__.lower()
            delay = self.queue.retry(key, error.retry_after or 0.0)
            log.warning("pass failed", extra={"model": "/".join(key), "error": str(error), "retry_in": delay})
        except Exception:
            outcome = "error"
            self.queue.retry(key)
            log.exception("pass failed", extra={"model": "/".join(key)})
        self.metrics.passes.labels(outcome).inc()
        self.metrics.pass_seconds.observe(self.clock() - started)

    def _again(self, key: Key, seconds: float | None) -> None:
        self.queue.succeeded(key)
        if seconds is None:
            self.queue.forget(key)
        elif seconds <= 0:
            self.queue.add(key)
        else:
            self.queue.add_after(key, seconds)


async def resync(
    cluster: Cluster, cache: Cache, kinds: Iterable[Kind], namespaces: Sequence[str], dirty: Callable[[Key], None]
) -> None:
    """One authoritative LIST per kind; marks every MLModel dirty whose objects differed. Raises ClusterError."""
    for kind in kinds:
        mark = cache.mark()
        selector = "" if kind == MLMODEL else f"{MANAGED_BY_LABEL}={MANAGER}"
        listed = [item for namespace in namespaces or (None,) for item in await cluster.list(kind, namespace, selector)]
        changed = cache.resync_models(listed, mark) if kind == MLMODEL else cache.resync_children(kind, listed, mark)
        for key in changed:
            dirty(key)


async def resync_forever(
    cluster: Cluster,
    cache: Cache,
    kinds: Sequence[Kind],
    *,
    namespaces: Sequence[str],
    dirty: Callable[[Key], None],
    seconds: float,
) -> None:
    """Repair the cache every `seconds`."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await resync(cluster, cache, kinds, namespaces, dirty)
            cache.forget_deletions()
        except ClusterError as error:
            log.warning("resync failed", extra={"error": str(error)})
