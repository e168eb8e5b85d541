"""Work that outlives the pass that began it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from modelloop_operator.cluster.port import ClusterError

_T = TypeVar("_T")
log = logging.getLogger(__name__)


class Background:
    """Tasks that nobody needs to await: held until they end, and a failure is logged at the latest then."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        """Begin `work`, known as `name` in the log."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def stop(self) -> None:
        """Cancel whatever still runs."""
        for task in tuple(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ClusterError):
            log.warning("background work failed", extra={"work": task.get_name(), "error": str(error)})
        elif error is not None:
            log.error("background work failed", exc_info=error, extra={"work": task.get_name()})
