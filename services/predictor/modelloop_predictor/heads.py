"""A request's head that uvicorn's parser has read once need not be read again when it comes byte for byte.

Callers that keep a connection send the same head with each prediction, but for the digits of its content-length. Equal
bytes mean the same to the parser, so what it made of them is kept: it is a comparison, not a second parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,8})(?=\r\n)", re.IGNORECASE)
_END = b"\r\n\r\n"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says: the path, the identity in its headers, and how much of the body is JSON (-1: all of it).

    A request is `live` unless it was forced upon this version or is a copy of another one (`mirrored`).
    """

    path: str
    request_id: str | None
    trace: bytes | None
    json_length: int
    live: bool = True
    mirrored: bool = False


class KnownHead:
    """The bytes of a head around the digits of its content-length, and what it says."""

    __slots__ = ("_after", "_before", "head", "kind")

    def __init__(self, before: bytes, after: bytes, head: Head, kind: type) -> None:
        self._before = before
        self._after = after
        self.head = head
        self.kind = kind

    def body_of(self, data: bytes) -> bytes | None:
        """The whole body of the one request in `data`, if that has this head; else None."""
        before = self._before
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + 9)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        begin = end + len(self._after)
        return data[begin:] if len(data) - begin == int(digits) else None


def known_head(data: bytes, head: Head, kind: type) -> KnownHead | None:
    """The head that `data` begins with, if it is one to remember: not long, with one length, with nothing before it."""
    end = data.find(_END, 0, _LONGEST)
    if end < 0 or not data.startswith(b"POST %b HTTP/1.1\r\n" % head.path.encode()):
        return None
    text = data[: end + len(_END)]
    found = list(_LENGTH.finditer(text, 0, end + 2))
    if len(found) != 1:
        return None
    return KnownHead(text[: found[0].start(1)], text[found[0].end(1) :], head, kind)


def has_plain_body(fields: Mapping[bytes, bytes], max_bytes: int) -> bool:
    """Whether the headers declare one body of a length within the bound, and nothing out of the ordinary."""
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 8 or int(length) > max_bytes:
        return False
    return b"transfer-encoding" not in fields
