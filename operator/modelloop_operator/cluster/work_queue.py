"""Keys that need a pass: a set, so that many events make one pass, with back-off and delayed re-adds."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
_FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 120.0


class WorkQueue(Generic[K]):
    """Hands each dirty key to one worker at a time; a key that gets dirty meanwhile comes again afterwards.

    `clock` gives monotonic seconds. In the manner of client-go's workqueue.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._dirty: dict[K, None] = {}
        self._working: set[K] = set()
        self._due: list[tuple[float, int, K]] = []
        self._due_at: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._added_at: dict[K, float] = {}
        self._taken_after: dict[K, float] = {}
        self._changed = asyncio.Event()
        self._counter = 0

    def __len__(self) -> int:
        """Keys that are ready now."""
        return len(self._dirty)

    def add(self, key: K) -> None:
        """Mark a key dirty now."""
        self._due_at.pop(key, None)
        self._dirty.setdefault(key)
        self._added_at.setdefault(key, self._clock())
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Mark a key dirty in `seconds`; the earliest of several wishes counts."""
        at = self._clock() + seconds
        if key in self._dirty or self._due_at.get(key, at + 1) <= at:
            return
        self._due_at[key] = at
        self._counter += 1
        heapq.heappush(self._due, (at, self._counter, key))
        self._changed.set()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Mark a key dirty after its back-off (doubling from 0.2 s to 2 min); returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = max(at_least, min(_FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 20), _LONGEST_BACKOFF_SECONDS))
        self.add_after(key, seconds)
        return seconds

    def succeeded(self, key: K) -> None:
        """Reset the key's back-off."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """Drop back-off and delayed wishes of a key that is gone; an event that came meanwhile still counts."""
        self._failures.pop(key, None)
        self._due_at.pop(key, None)

    def waited(self, key: K) -> float:
        """Seconds that a key now with a worker was dirty before it was taken."""
        return self._taken_after[key]

    async def take(self) -> K:
        """The next key; it is not handed out again before `done`."""
        while True:
            self._promote_due()
            for key in self._dirty:
                if key not in self._working:
                    del self._dirty[key]
                    self._working.add(key)
                    self._taken_after[key] = self._clock() - self._added_at.pop(key)
                    return key
            await self._wait()

    def done(self, key: K) -> None:
        """The worker has finished with this key."""
        self._working.discard(key)
        self._taken_after.pop(key, None)
        self._changed.set()

    def _promote_due(self) -> None:
        while self._due and self._due[0][0] <= self._clock():
            at, _, key = heapq.heappop(self._due)
            if self._due_at.get(key) == at:
                self.add(key)

    async def _wait(self) -> None:
        self._changed.clear()
        timeout = max(0.0, self._due[0][0] - self._clock()) if self._due else None
        # Not wait_for: before Python 3.12 it drops a cancellation that meets a change, and the worker would go on.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
