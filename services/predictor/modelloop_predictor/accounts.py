"""Closes the account of each prediction request: its metrics, and its line in the access log if there is room."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from modelloop_core.wire.predictions import FORCED_HEADER, REQUEST_ID_HEADER, TRACE_HEADER, Fault
from modelloop_core.wire.problems import ProblemError
from modelloop_predictor.logs import event
from modelloop_predictor.metrics import RequestTally
from modelloop_predictor.parsing import is_request_id, shown

CLIENT_GONE = 499
# W3C Trace Context, 3.2.2: no version ff, no id of zeros, and more than the flags only from later versions.
_TRACE = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!\A00.{53})-[\x21-\x7e]{0,128})?"
)
# Ids need to be distinct, not secret; seeded from the system, so that no two processes share a sequence.
_random_bits = random.Random(int.from_bytes(random.SystemRandom().randbytes(32))).getrandbits  # noqa: S311


class Exchange:
    """One request on its way: who asks, about whom (`entity`), since when, and what came of it.

    It is `live` unless it was forced upon this version or is a copy of another one (`mirrored`). `answered_by` names
    the version that answered where that was not the served one; `reserved` is memory set aside for a large body.
    """

    __slots__ = (
        "answered_by",
        "count",
        "entity",
        "fallback",
        "faults",
        "live",
        "method",
        "mirrored",
        "path",
        "reason",
        "request_id",
        "reserved",
        "started",
        "status",
        "trace",
    )

    def __init__(
        self,
        request_id: str,
        trace: bytes | None,
        path: str,
        method: str = "POST",
        *,
        live: bool = True,
        mirrored: bool = False,
    ) -> None:
        self.request_id = request_id
        self.live, self.mirrored = live, mirrored
        self.trace = trace
        self.path = path
        self.method = method
        self.started = time.perf_counter()
        self.status = 0
        self.reason: str | None = None
        self.faults: Iterable[Fault] = ()
        self.fallback: str | None = None
        self.answered_by: str | None = None
        self.count = 0
        self.entity: str | None = None
        self.reserved = 0

    def refuse(self, problem: ProblemError) -> None:
        """Note that the answer is this problem."""
        self.status, self.reason, self.faults = problem.kind.status, problem.kind.reason, problem.faults

    def fall_back(self, why: str, answered_by: str | None) -> None:
        """Note that the answer is the declared fallback's and not the model's, perhaps another version's."""
        self.reason, self.fallback, self.answered_by = "FellBack", why, answered_by


class Tracer(Protocol):
    """Hears of each prediction request that is over."""

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Make a span of a request that ended now, `seconds` after it began."""
        ...

    def close(self) -> None:
        """Send what has not been sent, for a bounded time."""
        ...


class Accounts:
    """Counts every prediction request; logs at most `lines_a_second` of each kind, the model's answers and others."""

    def __init__(self, tally: RequestTally, lines_a_second: int, tracer: Tracer | None = None) -> None:
        self._tally = tally
        self._tracer = tracer
        self._lines = lines_a_second
        self._second = 0
        self._left = {True: lines_a_second, False: lines_a_second}
        self._unlogged = 0

    def close(self, exchange: Exchange) -> None:
        """Count a request that is over."""
        now = time.perf_counter()
        seconds, reason = now - exchange.started, exchange.reason
        outcomes = self._tally.of(live=exchange.live, mirrored=exchange.mirrored)
        outcomes.requests[exchange.status] += 1
        if reason is None:
            outcomes.rows += exchange.count
            outcomes.answered.observe(seconds)
        elif exchange.fallback is not None:
            outcomes.fallbacks[exchange.fallback] += 1
            outcomes.answered.observe(seconds)
        else:
            outcomes.errors[reason] += 1
            outcomes.faults.update(exchange.faults)
            outcomes.refused.observe(seconds)
        if self._tracer is not None:
            self._tracer.record(exchange, seconds)
        if int(now) != self._second:
            self._second = int(now)
            self._left = {True: self._lines, False: self._lines}
        if self._left[reason is None] <= 0:
            self._unlogged += 1
            return
        self._left[reason is None] -= 1
        self._log(exchange, seconds)

    def _log(self, exchange: Exchange, seconds: float) -> None:
        unlogged, self._unlogged = self._unlogged, 0
        more: dict[str, Any] = {} if exchange.fallback is None else {"fallback": exchange.fallback}
        if exchange.answered_by is not None:
            more["answered_by"] = exchange.answered_by
        event(
            "request",
            request_id=exchange.request_id,
            method=exchange.method,
            path=shown(exchange.path),
            status=exchange.status,
            rows=exchange.count,
            milliseconds=round(seconds * 1000, 3),
            reason=exchange.reason or "Answered",
            unlogged=unlogged,
            **more,
        )


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_random_bits(128):032x}"


class Identity(NamedTuple):
    """The request id and trace context that a request's headers give, if they can be used, and whether it is forced."""

    request_id: str | None
    trace: bytes | None
    forced: bool


def identity(headers: list[tuple[bytes, bytes]]) -> Identity:
    """What a request's headers say about it."""
    request_id, trace, forced = None, None, False
    for name, value in headers:
        if name == _ID_HEADER:
            text = value.decode("latin-1")
            # An id that no header or log could hold is replaced, not refused: the caller may not have chosen it.
            request_id = text if is_request_id(text) else None
        elif name == _TRACE_HEADER and _TRACE.fullmatch(value):
            trace = value
        elif name == _FORCED_HEADER:
            forced = True
    return Identity(request_id, trace, forced)


_ID_HEADER, _TRACE_HEADER = REQUEST_ID_HEADER.encode(), TRACE_HEADER.encode()
_FORCED_HEADER = FORCED_HEADER.encode()
