"""Reads a request's body within bounds of size and time, without holding more of it than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from modelloop_predictor.problems import OVERLOADED, TOO_LARGE, TOO_SLOW, ProblemError, retry_later

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class BodyBudget:
    """How much memory the large bodies that are being received may take together; small ones are not counted."""

    SMALL_BYTES = 64 << 10

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken = 0

    def take(self, size: int) -> int | None:
        """What was set aside for a body of `size` bytes, to be given back; None when there is not so much left."""
        if size <= self.SMALL_BYTES:
            return 0
        if self._taken + size > self._most:
            return None
        self._taken += size
        return size

    def give_back(self, size: int) -> None:
        """A body is gone for which so much was set aside."""
        self._taken -= size


class ClientGone(Exception):
    """The client closed the connection; nobody is there to answer."""


async def read_body(
    receive: Receive, declared: str | None, budget: BodyBudget, *, max_bytes: int, seconds: float
) -> bytes:
    """The whole body; raises 413 over `max_bytes`, 408 after `seconds`, ClientGone when the client leaves.

    Raises 503 when the bodies that are being received take too much together. A `declared` length over a bound is
    refused before a byte is read; a body of unknown length counts as the largest.
    """
    size = int(declared) if declared is not None and declared.isdigit() else max_bytes
    if size > max_bytes:
        raise _too_large(max_bytes)
    taken = budget.take(size)
    if taken is None:
        raise retry_later(OVERLOADED, "the requests that are being received take all memory that they may")
    try:
        return await _received(receive, max_bytes=max_bytes, seconds=seconds)
    finally:
        budget.give_back(taken)


async def _received(receive: Receive, *, max_bytes: int, seconds: float) -> bytes:
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            size, more = 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError:
        detail = f"the body did not arrive within {seconds:g} s"
        raise ProblemError(TOO_SLOW, detail, headers={"connection": "close"}) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(TOO_LARGE, f"a body may have {max_bytes} bytes; send fewer instances at a time")
