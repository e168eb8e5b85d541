"""Zero-wait micro-batching: what arrives in one turn of the event loop, or while the model is busy, shares one forward.

No request waits for a timer unless a `max_delay` asks for it. The queue is bounded, each request has a deadline, and a
request on which the model fails costs only itself: the others of its batch are asked again without it. What is done on
the event loop for many at once is done a little at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.model_thread import ModelThread
from modelloop_predictor.problems import DEADLINE, QUEUE_FULL, ProblemError, retry_later
from modelloop_predictor.questions import Outcomes, Question, answer, parts, read
from modelloop_predictor.telemetry.audience import Audience
from modelloop_predictor.turns import Turn


@dataclass(frozen=True)
class Limits:
    """At most `max_rows` rows share a forward, at most `max_waiting` requests wait; delay and timeout in seconds."""

    max_rows: int
    max_delay: float
    max_waiting: int
    timeout: float


class Scoring:
    """Asks the model on behalf of requests; every method belongs to the one event loop."""

    def __init__(
        self,
        thread: ModelThread,
        limits: Limits,
        forwarded: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._limits = limits
        self._forwarded = forwarded
        self._waiting: deque[Question] = deque()
        self._running: list[Question] = []
        self._running_open = 0
        self._flush_due: asyncio.Handle | None = None
        self._alarm: asyncio.Handle | None = None
        self.audience: Audience | None = None
        self.copies: Audience | None = None

    @property
    def limits(self) -> Limits:
        """The bounds that it keeps."""
        return self._limits

    @property
    def busy_seconds(self) -> float:
        """How long the model has been at the forward that runs now."""
        return self._thread.busy_seconds

    @property
    def waiting(self) -> int:
        """Requests that wait for the model or are in it."""
        return len(self._waiting) + self._running_open

    def ask(self, question: Question, loop: asyncio.AbstractEventLoop) -> None:
        """Queue a question and set its deadline; raises 503 when the queue is full."""
        waiting = len(self._waiting) + self._running_open
        if waiting >= self._limits.max_waiting:
            raise retry_later(QUEUE_FULL, f"{waiting} requests wait for the model already")
        question.deadline = loop.time() + self._limits.timeout
        self._waiting.append(question)
        if self._alarm is None:
            self._alarm = loop.call_at(question.deadline, self._expire, loop)
        if not self._running:
            self._flush_soon(loop)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._limits.max_delay:
            self._flush_due = self._flush_due or loop.call_soon(self._flush, loop)
        elif sum(question.count for question in self._waiting) >= self._limits.max_rows:
            self._flush(loop)
        else:
            self._flush_due = self._flush_due or loop.call_later(self._limits.max_delay, self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        self._forward_next(loop)
        if not self._waiting or self._running:
            return
        turn = Turn(self._clock)
        while self._waiting and not self._running:
            if turn.is_over:
                self._flush_due = loop.call_soon(self._flush, loop)
                return
            self._forward_next(loop)

    def _forward_next(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._running:
            batch, rows = read(self._next_batch())
            if batch:
                self._forward_batch(batch, rows, loop)

    def _forward_batch(self, batch: list[Question], rows: Float64s, loop: asyncio.AbstractEventLoop) -> None:
        self._forwarded(len(rows))
        if batch[0].version.quick and len(rows) <= self._limits.max_rows:
            # Handing a small forward to the thread and back would take longer than the forward.
            self._settle(batch, rows, *self._outcomes(batch, rows))
            return
        self._running, self._running_open = batch, len(batch)
        self._thread.run(lambda: self._score(batch, rows, loop), loop)

    def _next_batch(self) -> list[Question]:
        batch: list[Question] = []
        room = self._limits.max_rows
        while self._waiting:
            question = self._waiting[0]
            if not question.settled:
                if batch and question.count > room:
                    break
                batch.append(question)
                room -= question.count
            self._waiting.popleft()
        return batch

    def _score(self, batch: list[Question], rows: Float64s, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Runs in the model's thread; what it returns runs on the loop."""
        outcomes, values = self._outcomes(batch, rows)
        return lambda: self._finish(batch, rows, outcomes, values, loop)

    def _outcomes(self, batch: list[Question], rows: Float64s) -> tuple[Outcomes, Values]:
        """Of each question what the model answered, or how it failed; and where none failed, all answers together."""
        try:
            values = self._forward(batch, rows)
        except Exception as error:  # noqa: BLE001 whatever the model raises belongs to the requests that wait
            if len(batch) == 1:
                return [error], []
            singly = zip(batch, parts(batch, rows), strict=True)
            return [self._outcomes([question], part)[0][0] for question, part in singly], []
        return parts(batch, values), values

    def _forward(self, batch: list[Question], rows: Float64s) -> Values:
        scorer, block = batch[0].version.scorer, self._limits.max_rows
        if len(rows) <= block:
            values: Values = scorer.predict(rows).tolist()
            return values
        values = []
        for start in range(0, len(rows), block):
            # Its deadline is over, or the client has left: others wait for the model.
            if batch[0].settled:
                return [None] * len(rows)
            values += scorer.predict(rows[start : start + block]).tolist()
        return values

    def _finish(
        self,
        batch: list[Question],
        rows: Float64s,
        outcomes: Outcomes,
        values: Values,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._running, self._running_open = [], 0
        if self._waiting:
            # Before the answers are written: the model works meanwhile.
            self._flush(loop)
        self._settle(batch, rows, outcomes, values)

    def _settle(self, batch: list[Question], rows: Float64s, outcomes: Outcomes, values: Values) -> None:
        heard = answer(batch, outcomes)
        if self.audience is None:
            return
        if all(heard) and values:
            # Not what each request got: fewer lists to keep are less work for the collector.
            self.audience.hear(batch, rows, values)
            return
        for question, part, outcome, is_heard in zip(batch, parts(batch, rows), outcomes, heard, strict=True):
            if isinstance(outcome, Exception):
                continue
            if is_heard:
                self.audience.hear([question], part, outcome)
            elif question.mirrored and self.copies is not None:
                self.copies.hear([question], part, outcome)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer what is overdue. One alarm serves all: in steady traffic it rings once a timeout."""
        now, turn = loop.time(), Turn(self._clock)
        for question in (*self._running, *self._waiting):
            if question.deadline <= now and not question.settled:
                question.fail(ProblemError(DEADLINE, f"the model did not answer within {self._limits.timeout:g} s"))
                # A fallback that is a model answers within fail.
                if turn.is_over:
                    break
        self._waiting = deque(question for question in self._waiting if not question.settled)
        still_running = [question for question in self._running if not question.settled]
        self._running_open = len(still_running)
        due = min((question.deadline for question in (*still_running, *self._waiting)), default=None)
        if due is not None and due <= now:
            self._alarm = loop.call_soon(self._expire, loop)
        else:
            self._alarm = None if due is None else loop.call_at(due, self._expire, loop)
