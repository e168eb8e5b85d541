"""Live rows and their answers on the way from the event loop to the thread that counts them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import chain

import numpy as np

from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.telemetry.audience import Asker

BLOCK_ROWS = 4096
"""So many rows wake the thread that counts: a smaller number costs a busy server more switches between threads."""

_MOST_ROWS = 1 << 16
_MOST_VALUES = 1 << 21

Block = tuple[Float64s, Float64s]
"""Rows [n, features] and their answers [n] or [n, values]."""


class RowBuffer:
    """Holds batches by reference, at most 65,536 rows and 16 MB of them; one side adds, one thread takes.

    `due` is set when there is a block to take.
    """

    def __init__(self, width: int) -> None:
        self._batches: deque[tuple[Float64s, Values]] = deque()
        self._most = max(1, min(_MOST_ROWS, _MOST_VALUES // width))
        self._block = min(BLOCK_ROWS, self._most)
        # Each is written by one side alone: a sum that both change would lose what they do at the same time.
        self._added = self._taken = 0
        self.due = threading.Event()
        self.dropped = 0

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._added - self._taken

    def hear(self, _: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        """As an Audience: keep rows and answers; what finds no room is dropped and counted."""
        waiting = self._added - self._taken
        # One request alone may be larger: its body is bounded, and large ones must not always be missing.
        if waiting and waiting + len(rows) > self._most:
            self.dropped += len(rows)
            return
        self._batches.append((rows, answers))
        self._added += len(rows)
        if waiting + len(rows) >= self._block and not self.due.is_set():
            self.due.set()

    def take(self, least: int = 1) -> Block | None:
        """About a block of what waits, or None where there are fewer than `least` rows."""
        if self.rows < max(min(least, self._block), 1):
            return None
        rows: list[Float64s] = []
        answers: list[Values] = []
        count = 0
        while self._batches and count < self._block:
            batch, given = self._batches.popleft()
            rows.append(batch)
            answers.append(given)
            count += len(batch)
        self._taken += count
        return np.concatenate(rows), np.array([*chain.from_iterable(answers)], dtype=np.float64)
