"""An event loop and a model's thread that do nothing until a test says so: time passes when told to."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any


class Handle:
    """One callback that is due, unless it was cancelled."""

    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self._callback = callback
        self._arguments = arguments
        self._cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self._cancelled = True

    def run(self) -> None:
        """Call it."""
        if not self._cancelled:
            self._callback(*self._arguments)


class HeldLoop:
    """The part of an event loop that schedules, with a clock of its own."""

    def __init__(self) -> None:
        self._now = 100.0
        self._due: list[tuple[float, int, Handle]] = []
        self._order = itertools.count()

    def time(self) -> float:
        """Seconds on its clock."""
        return self._now

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> Handle:
        """Run it at the next turn."""
        return self.call_at(self._now, callback, *arguments)

    def call_later(self, seconds: float, callback: Callable[..., object], *arguments: Any) -> Handle:
        """Run it in so many seconds."""
        return self.call_at(self._now + seconds, callback, *arguments)

    def call_at(self, when: float, callback: Callable[..., object], *arguments: Any) -> Handle:
        """Run it at a time."""
        handle = Handle(callback, arguments)
        heapq.heappush(self._due, (when, next(self._order), handle))
        return handle

    @property
    def scheduled(self) -> int:
        """How many callbacks it holds."""
        return len(self._due)

    def turn(self) -> None:
        """Run what is due now."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let time pass, running what falls due in its order."""
        end = self._now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, handle = heapq.heappop(self._due)
            self._now = max(self._now, when)
            handle.run()
        self._now = end


class HeldThread:
    """A model's thread that works only when told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], Callable[[], None]]] = []

    busy_seconds = 0.0

    def run(self, call: Callable[[], Callable[[], None]], loop: object) -> None:
        """Keep the call."""
        self.calls.append(call)

    def work(self) -> None:
        """Do the oldest call to its end, its finish on the loop too."""
        self.calls.pop(0)()()
