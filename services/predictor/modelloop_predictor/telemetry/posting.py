"""Cuts what was counted into posts, every few seconds; another thread brings them to the monitor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.buffer import BLOCK_ROWS
from modelloop_predictor.telemetry.deltas import Deltas
from modelloop_predictor.telemetry.outbox import Outbox
from modelloop_predictor.telemetry.predictions import Logged, PredictionLog

_BACKLOG_SECONDS = 60.0
_LAST_POST_SECONDS = 3.0


class Posting:
    """A Job: counts blocks, and puts a post into `outbox` every `seconds`.

    While the monitor does not answer, posts are cut once a minute, and none when the outbox is full.
    """

    def __init__(self, deltas: Deltas, outbox: Outbox, log: PredictionLog | None, *, seconds: float) -> None:
        self._deltas = deltas
        self._outbox = outbox
        self._log = log
        self._seconds = seconds
        self._last_cut: float | None = None
        # A daemon, so that a monitor that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=outbox.run, name="monitor-posts", daemon=True)

    def begin(self) -> None:
        """Start the thread that posts."""
        self._thread.start()

    def add(self, chosen: Sequence[Logged], now: float) -> None:
        """Keep the predictions of what was chosen for the next post."""
        if self._log is not None:
            self._log.add(chosen)

    def step(self, now: float) -> None:
        """Count what makes a block, and cut a post when it is time."""
        self._deltas.count(least=BLOCK_ROWS)
        if self._last_cut is None:
            self._last_cut = now
        due = now - self._last_cut >= (_BACKLOG_SECONDS if self._outbox.waiting else self._seconds)
        if due and not self._outbox.full:
            self._cut(now)

    def finish(self, now: float) -> None:
        """Count and post what is left, for a bounded time."""
        self._cut(now)
        self._outbox.close()
        self._thread.join(_LAST_POST_SECONDS)
        if self._outbox.waiting:
            event("counts-lost", logging.WARNING, reason="MonitorLost", posts=self._outbox.waiting)

    def _cut(self, now: float) -> None:
        self._last_cut = now
        self._outbox.put(self._deltas.cut(datetime.now(UTC)))
