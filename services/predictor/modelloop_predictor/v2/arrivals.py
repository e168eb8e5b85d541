"""Calls by gRPC whose message is on its way: so many at most and for so long, and none of them keeps others out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from modelloop_predictor.accounts import Exchange
from modelloop_predictor.problems import MALFORMED, OVERLOADED, TOO_SLOW, ProblemError, retry_later

Context = Any
Refuse = Callable[[Context, Exchange, ProblemError], Awaitable[None]]


class Arrivals:
    """Receives messages, `most` at once and each within `seconds`; `refuse` ends a call with a problem."""

    def __init__(self, most: int, seconds: float, refuse: Refuse) -> None:
        self._most = most
        self._seconds = seconds
        self._refuse = refuse
        self._every = min(1.0, seconds / 4)
        # In the order in which they came.
        self._arriving: dict[Exchange, Context] = {}
        self._round: asyncio.TimerHandle | None = None
        self._refusals: set[asyncio.Task[None]] = set()

    async def message(self, context: Context, exchange: Exchange) -> bytes:
        """The message of a call.

        Raises grpc's AbortError when it came too slowly, of which its caller has been told, and CancelledError when
        the call is over without one.
        """
        if len(self._arriving) >= self._most:
            # A message that has been sent is read in a moment: of a thousand calls at once, two are on their way.
            eldest = next(iter(self._arriving))
            self._end(eldest, retry_later(OVERLOADED, "the message came slowly and had to make room for others"))
        self._arriving[exchange] = context
        if self._round is None:
            self._round = asyncio.get_running_loop().call_later(self._every, self._look)
        try:
            message: bytes = await context.read()
        finally:
            self._arriving.pop(exchange, None)
        if message is grpc.aio.EOF:
            # Its caller has gone, or grpc has refused it as too large; only one that just sent none hears of this.
            await self._refuse(context, exchange, ProblemError(MALFORMED, "the call ended before its message"))
            raise asyncio.CancelledError
        return message

    def _look(self) -> None:
        # Set first, as an error at one call must not end the rounds for all.
        loop = asyncio.get_running_loop()
        self._round = loop.call_later(self._every, self._look) if self._arriving else None
        before = time.perf_counter() - self._seconds
        for exchange in [exchange for exchange in self._arriving if exchange.started < before]:
            self._end(exchange, ProblemError(TOO_SLOW, f"the message did not arrive within {self._seconds:g} s"))

    def _end(self, exchange: Exchange, problem: ProblemError) -> None:
        context = self._arriving.pop(exchange)
        exchange.refuse(problem)
        # Not the reading is cancelled, as grpc would go on to write where it was to: the call ends, and with it that.
        refusal = asyncio.ensure_future(self._refuse(context, exchange, problem))
        self._refusals.add(refusal)
        refusal.add_done_callback(self._refusals.discard)
