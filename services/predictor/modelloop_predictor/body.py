"""Reads a request's body within bounds of size and time, without holding more of it than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from modelloop_predictor.problems import TOO_LARGE, TOO_SLOW, ProblemError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class ClientGone(Exception):
    """The client closed the connection; nobody is there to answer."""


async def read_body(receive: Receive, declared: str | None, *, max_bytes: int, seconds: float) -> bytes:
    """The whole body; raises 413 over `max_bytes`, 408 after `seconds`, ClientGone when the client leaves.

    A `declared` length over the bound is refused before a byte is read.
    """
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
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
