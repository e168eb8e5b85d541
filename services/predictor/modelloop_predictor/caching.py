"""Answers from what was answered of late, before the model is asked; those who ask the same at once share one forward.

An answer is found by the request's rows, as numbers, and the version that gave it. Errors and fallbacks are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.fast_rows import Cells
from modelloop_predictor.metrics import RequestTally
from modelloop_predictor.problems import DEADLINE, QUEUE_FULL, ProblemError, retry_later
from modelloop_predictor.questions import Question, checked_rows
from modelloop_predictor.recent import RecentAnswers
from modelloop_predictor.scoring import Scoring
from modelloop_predictor.shared_answers import Entry, SharedAnswers
from modelloop_predictor.turns import Turn

_MOST_STORES = 1000


class Questions(Protocol):
    """Where questions are asked: at the model, or first at a cache."""

    def ask(self, question: Question, loop: asyncio.AbstractEventLoop) -> None:
        """Take a question; raises ProblemError when it is not taken."""
        ...


class CachedScoring:
    """Asks the model only what it has not answered within the last `seconds`; belongs to the one event loop."""

    def __init__(
        self,
        scoring: Scoring,
        tally: RequestTally,
        *,
        most_rows: int,
        seconds: float,
        shared: SharedAnswers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._scoring = scoring
        self._tally = tally
        self._seconds = seconds
        self._most_rows = most_rows
        self._recent = RecentAnswers(most_rows, clock)
        # Weak: who waits for an answer is kept by the model's queue, and forgotten with it.
        self._flights: WeakValueDictionary[bytes, _Flight] = WeakValueDictionary()
        self._shared = shared
        self._lookups: list[_Flight] = []
        self._stores: list[Entry] = []
        self._errand: asyncio.Task[None] | None = None

    def ask(self, question: Question, loop: asyncio.AbstractEventLoop) -> None:
        """Answer a question at once, let it wait for one that is the same, or ask the model; raises ProblemError."""
        rows = checked_rows(question)
        if len(rows) > self._most_rows:
            self._tally.cache_misses += 1
            self._scoring.ask(question, loop)
            return
        key = hashlib.blake2b(rows.tobytes(), digest_size=16, key=question.version.fingerprint).digest()
        values = self._recent.get(key)
        if values is not None:
            self._tally.cache_hits += 1
            question.answer(values)
            self.tell(question, rows, values)
            return
        question.deadline = loop.time() + self._scoring.limits.timeout
        flight = self._flights.get(key)
        if flight is not None and not flight.settled:
            flight.join(question, self._scoring.limits.max_waiting)
            self._tally.cache_hits += 1
            return
        flight = self._flights[key] = _Flight(key, question, rows, loop, self)
        if self._shared is None or len(self._lookups) >= self._scoring.limits.max_waiting:
            self._ask_model(flight, loop)
        else:
            self._lookups.append(flight)
            self._send_errand(self._shared, loop)

    def _ask_model(self, flight: _Flight, loop: asyncio.AbstractEventLoop) -> None:
        self._tally.cache_misses += 1
        try:
            self._scoring.ask(flight, loop)
        except ProblemError:
            # Nobody may wait for a flight that never began.
            self._flights.pop(flight.key, None)
            raise

    def tell(self, question: Question, rows: Float64s, values: Values) -> None:
        """Let whoever hears of the model's answers hear of this one: what is answered from here counts as well."""
        told = self._scoring.audience if question.live else self._scoring.copies if question.mirrored else None
        if told is not None:
            told.hear([question], rows, values)

    def keep(self, flight: _Flight, values: Values, loop: asyncio.AbstractEventLoop) -> None:
        self._recent.put(flight.key, values, self._seconds)
        if self._shared is not None and len(self._stores) < _MOST_STORES:
            self._stores.append(Entry(flight.key, values, self._seconds))
            self._send_errand(self._shared, loop)

    def _send_errand(self, shared: SharedAnswers, loop: asyncio.AbstractEventLoop) -> None:
        if self._errand is None:
            self._errand = loop.create_task(self._run_errands(shared, loop))

    async def _run_errands(self, shared: SharedAnswers, loop: asyncio.AbstractEventLoop) -> None:
        """Bring to the shared cache what is new, and look up there what is asked: all of one moment at a time."""
        while self._lookups or self._stores:
            flights, self._lookups = self._lookups, []
            entries, self._stores = self._stores, []
            found = await shared.exchange([flight.key for flight in flights], entries)
            for flight, entry in zip(flights, found, strict=True):
                self._land(flight, entry, loop)
        self._errand = None

    def _land(self, flight: _Flight, entry: Entry | None, loop: asyncio.AbstractEventLoop) -> None:
        try:
            if entry is None or len(entry.values) != flight.count:
                self._ask_model(flight, loop)
                return
            # For as long as it would have lived there: two caches do not make an answer last twice as long.
            self._recent.put(flight.key, entry.values, entry.seconds)
            self._tally.cache_hits += 1
            flight.give(entry.values)
        except Exception as error:  # noqa: BLE001 one request's trouble must not end the errand of the others
            flight.fail(error)


class _Flight:
    """One question to the model in the place of all that ask the same at the same time."""

    cells: Cells | None = None
    request_id = ""
    entity: str | None = None
    # To the model's queue: those who wait for it are told of one by one.
    live = mirrored = False

    def __init__(
        self,
        key: bytes,
        first: Question,
        rows: Float64s,
        loop: asyncio.AbstractEventLoop,
        cache: CachedScoring,
    ) -> None:
        self.key = key
        self.version = first.version
        self.count = len(rows)
        self._rows = rows
        self._loop = loop
        self._cache = cache
        self._members = [first]

    @property
    def deadline(self) -> float:
        """When the first of those who still wait has waited for too long."""
        return min((member.deadline for member in self._members if not member.settled), default=0.0)

    @deadline.setter
    def deadline(self, _: float) -> None:
        # Each has its own since it asked; the model's queue would count from when it was asked.
        pass

    @property
    def settled(self) -> bool:
        return all(member.settled for member in self._members)

    def join(self, question: Question, most: int) -> None:
        """Let one more wait; raises 503 when too many do."""
        if len(self._members) >= most:
            raise retry_later(QUEUE_FULL, f"{len(self._members)} requests wait for the same answer already")
        self._members.append(question)

    def rows(self) -> Float64s:
        return self._rows

    def answer(self, values: Values) -> None:
        self._cache.keep(self, values, self._loop)
        self.give(values)

    def give(self, values: Values) -> None:
        """Answer all who wait."""
        for member in self._members:
            if not member.settled:
                member.answer(values)
                self._cache.tell(member, self._rows, values)

    def fail(self, error: Exception) -> None:
        # A deadline is over for those alone whose own it is: who came later waits on.
        late = isinstance(error, ProblemError) and error.kind is DEADLINE
        now, turn = self._loop.time(), Turn(self._cache.clock)
        for member in self._members:
            if not member.settled and (not late or member.deadline <= now):
                member.fail(error)
                if turn.is_over:
                    break
        else:
            return
        if not late:
            # Of those who are late it is the model's queue that calls again.
            self._loop.call_soon(self.fail, error)
