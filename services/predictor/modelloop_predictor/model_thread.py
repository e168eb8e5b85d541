"""The one thread that runs the model: a model that hangs there blocks neither the probes nor the answers of others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

Call = Callable[[], Callable[[], None]]
"""Work for the thread; what it returns is run on the event loop that handed it over."""


class ModelThread:
    """Runs one call at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: SimpleQueue[tuple[Call, asyncio.AbstractEventLoop]] = SimpleQueue()
        self._busy_since: float | None = None

    def start(self) -> None:
        """Start the thread; it is a daemon, so that a hung model cannot keep the process from ending."""
        threading.Thread(target=self._run, name="model", daemon=True).start()

    @property
    def busy_seconds(self) -> float:
        """How long the call that runs now has been running; 0 when none runs."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    def run(self, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        """Run `call` in the thread, after those before it; it must not raise."""
        self._calls.put((call, loop))

    def _run(self) -> None:
        while True:
            call, loop = self._calls.get()
            self._busy_since = self._clock()
            finish = call()
            self._busy_since = None
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish)
