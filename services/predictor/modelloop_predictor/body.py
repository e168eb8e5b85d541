"""Reads a request's body within bounds of size and time, without holding more of it than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from modelloop_predictor.accounts import Exchange
from modelloop_predictor.problems import OVERLOADED, TOO_LARGE, TOO_SLOW, ProblemError, retry_later

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class BodyBudget:
    """How much memory the large bodies that are being received may take together; small ones are not counted."""

    SMALL_BYTES = 64 << 10

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken = 0

    def grow(self, taken: int, size: int) -> int:
        """What is set aside for a body of which `size` bytes have come, of which `taken` were; raises 503 when full."""
        if size <= max(taken, self.SMALL_BYTES):
            return taken
        wanted = -(-size // self.SMALL_BYTES) * self.SMALL_BYTES
        if self._taken + wanted - taken > self._most:
            raise retry_later(OVERLOADED, "the requests that are being received take all memory that they may")
        self._taken += wanted - taken
        return wanted

    def give_back(self, taken: int) -> None:
        """A body is gone for which so much was set aside."""
        self._taken -= taken


class ClientGone(Exception):
    """The client closed the connection; nobody is there to answer."""


async def read_body(
    receive: Receive, declared: str | None, budget: BodyBudget, exchange: Exchange, *, max_bytes: int, seconds: float
) -> bytes:
    """The whole body; raises 413 over `max_bytes`, 408 after `seconds`, ClientGone when the client leaves.

    Raises 503 when the large bodies that are there take too much together; what this one takes is noted in the exchange
    until that is over. A `declared` length over the bound is refused before a byte is read.
    """
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in _parts(receive):
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                exchange.reserved = budget.grow(exchange.reserved, size)
                parts.append(part)
    except TimeoutError:
        detail = f"the body did not arrive within {seconds:g} s"
        raise ProblemError(TOO_SLOW, detail, headers={"connection": "close"}) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(TOO_LARGE, f"a body may have {max_bytes} bytes; send fewer instances at a time")
