"""The answers that one process has given of late: the least recently used make room, and none outlives its time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from modelloop_predictor.answers import Values


class RecentAnswers:
    """Answers by key, of at most `most_rows` rows together; `clock` gives seconds."""

    def __init__(self, most_rows: int, clock: Callable[[], float]) -> None:
        self._most_rows = most_rows
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[float, Values]] = OrderedDict()
        self._rows = 0

    def get(self, key: bytes) -> Values | None:
        """The answer of a key, unless its time is over."""
        found = self._answers.get(key)
        if found is None:
            return None
        until, values = found
        if until <= self._clock():
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return values

    def put(self, key: bytes, values: Values, seconds: float) -> None:
        """Keep an answer for so long, in the place of what the key had; one larger than all room is not kept."""
        if key in self._answers:
            self._drop(key)
        if len(values) > self._most_rows:
            return
        self._answers[key] = (self._clock() + seconds, values)
        self._rows += len(values)
        while self._rows > self._most_rows:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: bytes) -> None:
        _, values = self._answers.pop(key)
        self._rows -= len(values)
