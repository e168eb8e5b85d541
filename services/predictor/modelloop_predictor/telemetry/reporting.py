"""Counts a version's live traffic and posts it to the monitor, in threads of its own: no caller waits for either."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.buffer import BLOCK_ROWS, RowBuffer
from modelloop_predictor.telemetry.deltas import Deltas
from modelloop_predictor.telemetry.metrics import Readings
from modelloop_predictor.telemetry.outbox import Outbox
from modelloop_predictor.telemetry.predictions import Chooser, PredictionLog

_BACKLOG_SECONDS = 60.0
_LAST_POST_SECONDS = 3.0
_TICK_SECONDS = 1.0


class Reporter:
    """Takes what the event loop left in `buffer` and `chooser`, and puts a post into `outbox` every `seconds`.

    While the monitor does not answer, posts are cut once a minute, and none when the outbox is full.
    """

    def __init__(
        self,
        deltas: Deltas,
        outbox: Outbox,
        *,
        seconds: float,
        buffer: RowBuffer | None,
        chooser: Chooser | None,
        log: PredictionLog | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deltas = deltas
        self._outbox = outbox
        self._seconds = seconds
        self._buffer = buffer
        self._chooser = chooser
        self._log = log
        self._clock = clock
        self._last_cut = clock()
        self._wake = threading.Event() if buffer is None else buffer.due
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start counting and posting; daemons, so that a monitor that hangs cannot keep the process from ending."""
        for name, run in (("telemetry", self._run), ("monitor-posts", self._outbox.run)):
            self._threads.append(threading.Thread(target=run, name=name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """Count and post what is left, for a bounded time."""
        self._closed = True
        self._wake.set()
        end = self._clock() + _LAST_POST_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - self._clock()))
        if self._outbox.waiting:
            event("counts-lost", logging.WARNING, reason="MonitorLost", posts=self._outbox.waiting)

    def step(self) -> None:
        """Count what makes a block, and cut a post when it is time."""
        now = self._clock()
        due = now - self._last_cut >= (_BACKLOG_SECONDS if self._outbox.waiting else self._seconds)
        self._deltas.count(least=BLOCK_ROWS)
        if self._chooser is not None and self._log is not None:
            self._log.add(self._chooser.take())
        if due and not self._outbox.full:
            self._cut(now)

    def readings(self) -> Readings:
        """What became of rows and posts, for metrics."""
        dropped = 0 if self._buffer is None else self._buffer.dropped
        rows = {"counted": self._deltas.counted, "dropped": dropped, "refused": self._outbox.refused_rows}
        found = {"rows": rows, "posts": {verdict.value: count for verdict, count in self._outbox.outcomes.items()}}
        if self._chooser is not None and self._log is not None:
            found["logged"] = {"posted": self._log.posted, "dropped": self._chooser.dropped + self._log.dropped}
        return found

    def posts_waiting(self) -> int:
        """How many posts the monitor has not answered."""
        return self._outbox.waiting

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._pause())
            self._wake.clear()
            try:
                self.step()
            except Exception as error:  # noqa: BLE001 a loop's top: what fails once must not end all counting
                event("telemetry-failed", logging.ERROR, error, reason="Unexpected", message=str(error)[:1000])
        self._finish()

    def _pause(self) -> float:
        left = self._seconds - (self._clock() - self._last_cut)
        return min(max(left, 0.01), _TICK_SECONDS) if self._chooser is not None or left <= 0 else left

    def _finish(self) -> None:
        if self._chooser is not None and self._log is not None:
            self._log.add(self._chooser.take())
        self._cut(self._clock())
        self._outbox.close()

    def _cut(self, now: float) -> None:
        self._last_cut = now
        self._outbox.put(self._deltas.cut(datetime.now(UTC)))


def new_epoch() -> str:
    """A name for this start of the process that no other start has, in the order of time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
