"""Answers `POST /predict` below ASGI: the usual request never meets the web framework.

uvicorn keeps parsing, keep-alive, TLS and shutdown, and gets every request that is not plainly one of these: other
pages, other methods, unusual bodies (chunked, too large, not declared as JSON), what was pipelined, and everything
while there is no version to answer with. Both ways give the same answers; the contract tests ask both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from types import MappingProxyType
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from modelloop_core.inference import Float64s
from modelloop_core.wire.predictions import PROBLEM_TYPE, REQUEST_ID_HEADER, TRACE_HEADER, VERSION_HEADER
from modelloop_predictor.accounts import CLIENT_GONE, Exchange, identity, new_request_id
from modelloop_predictor.connections import GuardedProtocol, Patrol
from modelloop_predictor.edge import PREDICT_PATH
from modelloop_predictor.heads import Head, head_of
from modelloop_predictor.parsing import check_content_type, parse
from modelloop_predictor.problems import TOO_SLOW, ProblemError
from modelloop_predictor.scoring import Values
from modelloop_predictor.serving import Serving
from modelloop_predictor.translation import problem_of
from modelloop_predictor.version import LoadedVersion

_PATH = PREDICT_PATH.encode()
_FIRST_LINE = b"POST %b HTTP/1.1\r\n" % _PATH
_MISSES_BEFORE_GIVING_UP = 8
_NONE: Mapping[str, str] = MappingProxyType({})


class _Anyone:
    """Stands where uvicorn wakes a coroutine that waits for a body; here nobody does."""

    def set(self) -> None: ...


class HotCall(Exchange):
    """One request answered below ASGI: a question to the model, and to uvicorn the connection's current cycle."""

    __slots__ = (
        "body",
        "cells",
        "deadline",
        "disconnected",
        "keep_alive",
        "many",
        "more_body",
        "protocol",
        "response_complete",
        "settled",
        "version",
    )
    message_event: ClassVar[_Anyone] = _Anyone()

    def __init__(
        self, protocol: PredictProtocol, version: LoadedVersion, request_id: str | None, trace: bytes | None
    ) -> None:
        # Not through Exchange's own: this is made for each request of the quickest way.
        self.request_id = request_id or new_request_id()
        self.trace = trace
        self.method, self.path = "POST", PREDICT_PATH
        self.started = perf_counter()
        self.status = self.count = 0
        self.reason = None
        self.protocol = protocol
        self.version = version
        self.body = b""
        self.cells: list[Any] | None = None
        self.many = False
        self.deadline = 0.0
        self.settled = self.response_complete = self.disconnected = False
        self.more_body = self.keep_alive = True

    def read(self, body: bytes) -> None:
        """Take the body apart; raises ProblemError."""
        self.more_body = False
        self.body = body
        quick = self.version.fast.decode(body)
        if quick is None:
            self.rows()
            return
        self.cells, self.many, self.count = quick.cells, quick.many, len(quick.cells)
        if quick.request_id is not None:
            self.request_id = quick.request_id

    def rows(self) -> Float64s:
        """Read the body with an eye on each value, to have its rows or to name the field at fault."""
        envelope = parse(self.body, self.protocol.serving.settings.entity_key)
        self.request_id = envelope.request_id or self.request_id
        self.many = envelope.many
        rows = self.version.rows.read(envelope)
        self.cells, self.count = None, len(rows)
        return rows

    def answer(self, values: Values) -> None:
        """Write the predictions."""
        self.settled, self.status = True, 200
        body = self.version.answers.write(values, many=self.many, request_id=self.request_id)
        self.protocol.finish(self, b"application/json", body)

    def fail(self, error: Exception) -> None:
        """Write what went wrong."""
        problem = problem_of(error, self.request_id)
        self.settled, self.status, self.reason = True, problem.kind.status, problem.kind.reason
        body = orjson.dumps(problem.body(self.request_id))
        self.protocol.finish(self, PROBLEM_TYPE.encode(), body, problem.headers)


class PredictProtocol(GuardedProtocol):
    """uvicorn's protocol with a short way for predictions."""

    serving: Serving
    cycle: Any
    _head: Head | None = None
    _misses = 0
    _within_message = False
    _call: HotCall | None = None

    def data_received(self, data: bytes) -> None:
        between = not self._within_message
        if between and self._head is not None and self._is_free():
            body = self._head.body_of(data)
            if body is not None:
                self._answer_known(self._head, body)
                return
        super().data_received(data)
        if between and self._call is not None and self._misses < _MISSES_BEFORE_GIVING_UP:
            self._misses += 1
            self._head = head_of(data, _FIRST_LINE, identity(self.headers)) if self.headers else None

    def connection_lost(self, exc: Exception | None) -> None:
        call, self._call = self._call, None
        super().connection_lost(exc)
        if call is not None and not call.settled:
            call.settled, call.status, call.reason = True, CLIENT_GONE, "ClientGone"
            self._close_account(call)

    def look(self, now: float, read_seconds: float) -> None:
        call = self._call
        if call is not None and call.more_body and not call.settled and call.deadline < now:
            call.keep_alive = False
            call.fail(ProblemError(TOO_SLOW, f"the body did not arrive within {read_seconds:g} s"))
        super().look(now, read_seconds)

    def on_message_begin(self) -> None:
        self._within_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        version = self._is_hot()
        if version is None:
            super().on_headers_complete()
            return
        self._headers_since = None
        self.cycle = self._call = HotCall(self, version, *identity(self.headers))
        self._call.keep_alive = self.parser.should_keep_alive()
        self._call.deadline = self.loop.time() + self.patrol.read_seconds
        self.serving.metrics.tally.in_flight += 1

    def on_body(self, body: bytes) -> None:
        call = self._call
        if call is None or call is not self.cycle:
            super().on_body(body)
        elif not call.settled:
            call.body += body

    def on_message_complete(self) -> None:
        self._within_message = False
        call = self._call
        if call is None or call is not self.cycle or call.settled:
            super().on_message_complete()
            return
        self._ask(call, call.body)

    def finish(self, call: HotCall, kind: bytes, body: bytes, headers: Mapping[str, str] = _NONE) -> None:
        """Send an answer, count it, and let the connection go on."""
        self._close_account(call)
        self._call = None
        call.response_complete = True
        if call.disconnected:
            return
        closes = self.serving.readiness.draining or not call.keep_alive
        self.transport.write(
            b"%b%b%b%b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (
                STATUS_LINE[call.status],
                _lines(call, headers, closes) if closes or headers or call.trace else b"",
                self._always(),
                call.request_id.encode(),
                kind,
                len(body),
                body,
            )
        )
        if closes and not call.more_body:
            self.transport.close()
        self.on_response_complete()

    def _is_free(self) -> bool:
        """Whether the next request on this connection may be answered at once."""
        return (self.cycle is None or self.cycle.response_complete) and not (
            self.flow.write_paused or self.transport.is_closing()
        )

    def _is_hot(self) -> LoadedVersion | None:
        """The version to answer the request with whose headers have just been read, or None to leave it to ASGI."""
        serving = self.serving
        if self.url != _PATH or self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        if not self._is_free() or self.expect_100_continue or serving.version is None or serving.stuck:
            return None
        return serving.version if _is_plain(self.headers, serving.settings.max_body_bytes) else None

    def _answer_known(self, head: Head, body: bytes) -> None:
        version = self.serving.version
        assert version is not None  # noqa: S101 a head is remembered only once a version has answered
        self._misses = 0
        self._idle_since = None
        self.cycle = self._call = call = HotCall(self, version, head.request_id, head.trace)
        self.serving.metrics.tally.in_flight += 1
        self._ask(call, body)

    def _ask(self, call: HotCall, body: bytes) -> None:
        try:
            call.read(body)
            self.serving.scoring.ask(call, self.loop)
        except ProblemError as problem:
            call.fail(problem)

    def _close_account(self, call: HotCall) -> None:
        self.serving.metrics.tally.in_flight -= 1
        self.serving.accounts.close(call)

    def _always(self) -> bytes:
        """The headers of every answer, up to the request's id, made anew when uvicorn's own (the date) change."""
        defaults = self.server_state.default_headers
        made_of, made = self.serving_headers
        if made_of is not defaults:
            lines = [*defaults, (VERSION_HEADER.encode(), self.serving.served_name.encode())]
            made = b"".join(b"%b: %b\r\n" % line for line in lines) + REQUEST_ID_HEADER.encode() + b": "
            type(self).serving_headers = (defaults, made)
        return made

    serving_headers: ClassVar[tuple[list[tuple[bytes, bytes]] | None, bytes]] = (None, b"")


def predict_protocol(serving: Serving) -> type[asyncio.Protocol]:
    """The protocol class of one server."""

    class Protocol(PredictProtocol):
        pass

    Protocol.serving = serving
    Protocol.patrol = Patrol(serving.settings.read_seconds)
    return Protocol


def _lines(call: HotCall, headers: Mapping[str, str], closes: bool) -> bytes:
    """The headers that only some answers have."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items() if name != "connection"]
    if call.trace is not None:
        lines.append((TRACE_HEADER.encode(), call.trace))
    if closes:
        lines.append((b"connection", b"close"))
    return b"".join(b"%b: %b\r\n" % line for line in lines)


def _is_plain(headers: list[tuple[bytes, bytes]], max_bytes: int) -> bool:
    """Whether the headers declare one body of JSON, of a length within the bound, and nothing out of the ordinary."""
    fields = dict(headers)
    length = fields.get(b"content-length", b"")
    if len(fields) != len(headers) or not length.isdigit() or len(length) > 8 or int(length) > max_bytes:
        return False
    if b"transfer-encoding" in fields or b"upgrade" in fields:
        return False
    try:
        check_content_type(_text(fields.get(b"content-type")), _text(fields.get(b"content-encoding")))
    except ProblemError:
        return False
    return True


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
