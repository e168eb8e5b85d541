"""A request's head that uvicorn's parser has read once need not be read again when it comes byte for byte.

Callers that keep a connection send the same head with each prediction, but for the digits of its content-length. Equal
bytes mean the same to the parser, so what it made of them is kept: the way of answering, not a second parser.
"""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,8})[ \t]*\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
_LONGEST = 4096


class Head:
    """The bytes of a head around the digits of its content-length, and the identity that its headers give."""

    __slots__ = ("_after", "_before", "request_id", "trace")

    def __init__(self, before: bytes, after: bytes, request_id: str | None, trace: bytes | None) -> None:
        self._before = before
        self._after = after
        self.request_id = request_id
        self.trace = trace

    def body_of(self, data: bytes) -> bytes | None:
        """The whole body of the one request in `data`, if that has this head; else None."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(b"\r", start, start + 9)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        begin = end + len(self._after)
        return data[begin:] if len(data) - begin == int(digits) else None


def head_of(data: bytes, first_line: bytes, identity: tuple[str | None, bytes | None]) -> Head | None:
    """The head that `data` begins with, if it is one to remember: of `first_line`, not long, with one length."""
    end = data.find(_END, 0, _LONGEST)
    if end < 0 or not data.startswith(first_line):
        return None
    head = data[: end + len(_END)]
    found = list(_LENGTH.finditer(head, 0, end + 2))
    if len(found) != 1:
        return None
    return Head(head[: found[0].start(1)], head[found[0].end(1) :], *identity)
