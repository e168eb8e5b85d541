"""The monitor's own work, round after round: each kind in a thread of its own, none of which ends with an error."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.store.errors import StoreError


@dataclass(frozen=True)
class Work:
    """A name, what is done, and how long to wait between two rounds."""

    name: str
    once: Callable[[], object]
    seconds: float


class Rounds:
    """Does all work until stopped."""

    def __init__(self, work: tuple[Work, ...], metrics: Metrics) -> None:
        self._metrics = metrics
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(item,), name=item.name, daemon=True) for item in work]

    def start(self) -> None:
        """Begin all."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the rounds that run end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, work: Work) -> None:
        while not self._stopping.wait(work.seconds):
            started = time.perf_counter()
            try:
                work.once()
            except StoreError as error:
                self._metrics.failed(work.name)
                event("round-failed", logging.ERROR, work=work.name, reason=type(error).__name__, message=str(error))
            except Exception as error:  # noqa: BLE001 the loop's top: the next round may go well
                self._metrics.failed(work.name)
                event("round-failed", logging.ERROR, error=error, work=work.name, reason="InternalError")
            self._metrics.worked(work.name, time.perf_counter() - started)
