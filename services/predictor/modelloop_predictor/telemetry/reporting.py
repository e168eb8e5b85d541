"""The thread that takes over from the event loop what live requests leave behind: no caller waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.predictions import Chooser, Logged

_LONGEST_PAUSE_SECONDS = 1.0
_LAST_SECONDS = 15.0


class Job(Protocol):
    """What is done with live traffic; `now` is in seconds of one clock. Every call belongs to one thread."""

    def begin(self) -> None:
        """Start what works beside."""
        ...

    def add(self, chosen: Sequence[Logged], now: float) -> None:
        """Take requests that were chosen to be logged."""
        ...

    def step(self, now: float) -> None:
        """Do what is due."""
        ...

    def finish(self, now: float) -> None:
        """Do what is left, for a bounded time."""
        ...


class Reporter:
    """Does `jobs` whenever `due` is set, and every `seconds` but at least once a second."""

    def __init__(
        self,
        jobs: Sequence[Job],
        chooser: Chooser | None,
        due: threading.Event,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = tuple(jobs)
        self._chooser = chooser
        self._due = due
        self._seconds = min(seconds, _LONGEST_PAUSE_SECONDS)
        self._clock = clock
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Do what is left, for a bounded time."""
        self._closed = True
        self._due.set()
        self._thread.join(_LAST_SECONDS)

    def _run(self) -> None:
        self._each(lambda job: job.begin())
        while not self._closed:
            self._due.wait(self._seconds)
            self._due.clear()
            self._step(lambda job, now: job.step(now))
        self._step(lambda job, now: job.finish(now))

    def _step(self, last: Callable[[Job, float], None]) -> None:
        chosen = [] if self._chooser is None else self._chooser.take()
        now = self._clock()
        self._each(lambda job: job.add(chosen, now))
        self._each(lambda job: last(job, now))

    def _each(self, do: Callable[[Job], None]) -> None:
        for job in self._jobs:
            try:
                do(job)
            except Exception as error:  # noqa: BLE001 a loop's top: what fails once must not end all telemetry
                event("telemetry-failed", logging.ERROR, error, reason="Unexpected", message=str(error)[:1000])
