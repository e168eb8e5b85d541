"""The header lines of answers that are written below ASGI."""

from __future__ import annotations

from modelloop_core.wire.predictions import REQUEST_ID_HEADER, TRACE_HEADER, VERSION_HEADER
from modelloop_predictor.hot_calls import Headers, HotCall
from modelloop_predictor.v2.rest import JSON_TYPE

JSON_LINE = b"content-type: %b\r\n" % JSON_TYPE.encode()
Lines = list[tuple[bytes, bytes]]


class AnswerHeads:
    """The lines of every answer of one server, up to the request's id."""

    def __init__(self, served_name: str) -> None:
        self._served_name = served_name
        self._made_of: Lines | None = None
        self._made = b""

    def always(self, defaults: Lines) -> bytes:
        """Those under the served version's name, made anew when uvicorn's own `defaults` (the date) change."""
        if self._made_of is not defaults:
            self._made = first_lines(defaults, self._served_name)
            self._made_of = defaults
        return self._made


def first_lines(defaults: Lines, version: str) -> bytes:
    """Those under another version's name."""
    lines = [*defaults, (VERSION_HEADER.encode(), version.encode())]
    return b"".join(b"%b: %b\r\n" % line for line in lines) + REQUEST_ID_HEADER.encode() + b": "


def further_lines(call: HotCall, headers: Headers, closes: bool) -> bytes:
    """Those that not every answer has."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items() if name != "connection"]
    if "content-type" not in headers:
        lines.append((b"content-type", JSON_TYPE.encode()))
    if call.trace is not None:
        lines.append((TRACE_HEADER.encode(), call.trace))
    if closes:
        lines.append((b"connection", b"close"))
    return b"".join(b"%b: %b\r\n" % line for line in lines)
