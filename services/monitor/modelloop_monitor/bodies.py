"""Reads a request's body within bounds of size and time, and unpacks gzip without trusting what it claims."""

from __future__ import annotations

import asyncio
import re
import zlib
from typing import NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect

from modelloop_monitor.problems import MALFORMED, TOO_LARGE, TOO_SLOW, WRONG_TYPE, ProblemError

_GZIP = 16 + zlib.MAX_WBITS
_EITHER = 32 + zlib.MAX_WBITS
# A backslash that is escaped itself begins no escape: "\\u0000" in JSON is six plain characters.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Body(NamedTuple):
    """A body as it is read, and as it came: packed by gzip, or None."""

    plain: bytes
    packed: bytes | None

    def to_keep(self) -> bytes:
        """Small, for `kept` to read: as it came, since to pack it anew takes longer than to read it."""
        if self.packed is not None and len(self.packed) < len(self.plain):
            return self.packed
        return zlib.compress(self.plain, 1)


def kept(small: bytes) -> bytes:
    """The plain bytes of what `Body.to_keep` gave."""
    return zlib.decompress(small, _EITHER)


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> Body:
    """The whole body; raises 413 over `max_bytes` on either side of the unpacking, 408 after `seconds`."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise ProblemError(WRONG_TYPE, f"bodies may be packed by gzip, not by {encoding!r}")
    body = await _receive(request, max_bytes, seconds)
    return Body(unpack(body, max_bytes), body) if encoding == "gzip" else Body(body, None)


def has_nul(body: bytes) -> bool:
    """Whether a text in the JSON has a NUL character, which no database keeps."""
    return b"\\u0000" in body and _NUL.search(body) is not None


def unpack(body: bytes, max_bytes: int) -> bytes:
    """What a single gzip member holds; raises 413 as soon as that is more than `max_bytes`."""
    inflating = zlib.decompressobj(_GZIP)
    try:
        plain = inflating.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ProblemError(MALFORMED, f"the body is not gzip as it says: {error}") from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not inflating.eof or inflating.unused_data:
        raise ProblemError(MALFORMED, "the body is not one whole gzip member")
    return plain


async def _receive(request: Request, max_bytes: int, seconds: float) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
    except TimeoutError:
        detail = f"the body did not arrive within {seconds:g} s"
        raise ProblemError(TOO_SLOW, detail, headers={"connection": "close"}) from None
    except ClientDisconnect:
        raise ProblemError(MALFORMED, "the caller left before the body was whole") from None
    return b"".join(parts)


def _too_large(max_bytes: int) -> ProblemError:
    # The connection ends: what is still on its way would be taken for the next request.
    return ProblemError(TOO_LARGE, f"a body may have {max_bytes} bytes", headers={"connection": "close"})
