"""The one thread that runs the model, with a bounded queue before it, so that a hung model never blocks the probes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from modelloop_core.inference import Float64s
from modelloop_predictor.problems import DEADLINE, QUEUE_FULL, ProblemError, retry_later

Score = Callable[[Float64s], Float64s]


@dataclass
class _Job:
    score: Score
    rows: Float64s | None
    answer: asyncio.Future[Float64s]


class ModelWorker:
    """Runs one call at a time; at most `max_queue` requests wait or run."""

    def __init__(self, max_queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_queue = max_queue
        self._clock = clock
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._waiting = 0
        self._busy_since: float | None = None

    def start(self) -> None:
        """Start the thread; it is a daemon, so that a hung model cannot keep the process from ending."""
        threading.Thread(target=self._run, name="model", daemon=True).start()

    @property
    def busy_seconds(self) -> float:
        """How long the call that runs now has been running; 0 when none runs."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    async def predict(self, score: Score, rows: Float64s, timeout_seconds: float) -> Float64s:
        """`score(rows)`, run in the thread; raises what it raises, 503 when the queue is full, 504 at the deadline."""
        if self._waiting >= self._max_queue:
            raise retry_later(QUEUE_FULL, f"{self._waiting} requests wait for the model already")
        job = _Job(score, rows, asyncio.get_running_loop().create_future())
        self._waiting += 1
        self._jobs.put(job)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await job.answer
        except TimeoutError:
            raise ProblemError(DEADLINE, f"the model did not answer within {timeout_seconds:g} s") from None
        finally:
            self._waiting -= 1
            # A job that nobody waits for stays in the queue until the thread gets there; its rows need not.
            job.rows = None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            rows = job.rows
            if rows is None:
                continue
            self._busy_since = self._clock()
            try:
                scores = job.score(rows)
            except Exception as error:  # noqa: BLE001 whatever the model raises belongs to the request that waits
                _deliver(job.answer, None, error)
            else:
                _deliver(job.answer, scores, None)
            finally:
                self._busy_since = None


def _deliver(answer: asyncio.Future[Float64s], scores: Float64s | None, error: Exception | None) -> None:
    def settle() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif scores is not None:
            answer.set_result(scores)

    loop = answer.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
