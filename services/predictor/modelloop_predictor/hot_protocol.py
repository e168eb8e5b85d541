"""Answers predictions below ASGI: the usual request never meets the web framework.

uvicorn keeps parsing, keep-alive, TLS and shutdown, and gets every request that is not plainly one of these: other
pages, other methods, unusual bodies (chunked, too large, not declared as JSON), what was pipelined, and everything
while there is no version to answer with. Both ways give the same answers; the contract tests ask both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from modelloop_core.wire.predictions import PROBLEM_TYPE
from modelloop_predictor.accounts import identity, new_request_id
from modelloop_predictor.answer_heads import JSON_LINE, AnswerHeads, first_lines, further_lines
from modelloop_predictor.connections import GuardedProtocol
from modelloop_predictor.heads import Head, KnownHead, has_plain_body, known_head
from modelloop_predictor.hot_calls import ANSWERED, NO_HEADERS, Headers, HotCall, calls_of
from modelloop_predictor.patrol import Patrol, room_for
from modelloop_predictor.problems import TOO_SLOW, ProblemError
from modelloop_predictor.serving import Serving

_MISSES_BEFORE_GIVING_UP = 8


class PredictProtocol(GuardedProtocol):
    """uvicorn's protocol with a short way for predictions."""

    serving: Serving
    heads: AnswerHeads
    entity_key: str
    calls: Mapping[bytes, type[HotCall]]
    cycle: Any
    _known: KnownHead | None = None
    _misses = 0
    _begun = 0
    _within_message = False
    _call: HotCall | None = None
    _arrived: bytearray

    def data_received(self, data: bytes) -> None:
        if self._within_message:
            super().data_received(data)
            return
        known = self._known
        if known is not None and self._is_free() and not self.serving.stuck:
            body = known.body_of(data)
            if body is not None and len(body) <= self.serving.settings.max_body_bytes:
                self._answer_known(known, body)
                return
        self._begun = 0
        super().data_received(data)
        call = self._call
        # Of one message alone: of several, the bytes are the first one's and the call may be another's.
        if call is not None and self._begun == 1 and self._misses < _MISSES_BEFORE_GIVING_UP:
            self._misses += 1
            self._known = known_head(data, call.head, type(call))

    def connection_lost(self, exc: Exception | None) -> None:
        call, self._call = self._call, None
        super().connection_lost(exc)
        # The flow and the call lead back here: what has arrived would stay until the next full garbage collection.
        self._arrived = bytearray()
        if call is not None and not call.settled:
            call.leave()
            self._close_account(call)

    def look(self, now: float, read_seconds: float) -> None:
        call = self._call
        if call is not None and call.more_body and not call.settled and call.deadline < now:
            call.keep_alive = False
            call.fail(ProblemError(TOO_SLOW, f"the body did not arrive within {read_seconds:g} s"))
        super().look(now, read_seconds)

    def on_message_begin(self) -> None:
        self._within_message = True
        # A head that is read again is one message all the same.
        if not self.wishes:
            self._begun += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.is_wish():
            return
        call = self._hot_call()
        if call is None:
            super().on_headers_complete()
            return
        self._headers_since, self._header_bytes = None, 0
        self.cycle = self._call = call
        self._arrived = bytearray()
        call.keep_alive = self.parser.should_keep_alive()
        call.deadline = self.loop.time() + self.patrol.read_seconds
        self.serving.metrics.tally.in_flight += 1

    def on_body(self, body: bytes) -> None:
        call = self._call
        if call is None or call is not self.cycle:
            super().on_body(body)
            return
        self._others_came = True
        if not call.settled:
            # An array, as it takes on small parts without being copied for each.
            self._arrived += body
            self._reserve(call)

    def _reserve(self, call: HotCall) -> None:
        try:
            call.reserved = self.serving.bodies.grow(call.reserved, len(self._arrived))
        except ProblemError as full:
            # Answered at once; what is still to come is read and thrown away.
            self._arrived = bytearray()
            call.fail(full)

    def on_message_complete(self) -> None:
        if self.wishes:
            return
        self._within_message = False
        call = self._call
        if call is None or call is not self.cycle or call.settled:
            super().on_message_complete()
            return
        call.body, self._arrived = bytes(self._arrived), bytearray()
        self._ask(call)

    def finish(self, call: HotCall, body: bytes, headers: Headers) -> None:
        """Send an answer, count it, and let the connection go on."""
        self._close_account(call)
        self._call = None
        call.response_complete = True
        if call.disconnected:
            return
        closes = self.serving.readiness.draining or not call.keep_alive
        defaults = self.server_state.default_headers
        unusual = closes or call.trace is not None or headers is not NO_HEADERS
        self.transport.write(
            b"%b%b%b\r\n%bcontent-length: %d\r\n\r\n%b"
            % (
                STATUS_LINE[call.status],
                self.heads.always(defaults) if call.answered_by is None else first_lines(defaults, call.answered_by),
                call.request_id.encode(),
                further_lines(call, headers, closes) if unusual else JSON_LINE,
                len(body),
                body,
            )
        )
        if closes:
            self.transport.close()
        if self.cycle is call:
            self.cycle = ANSWERED
        self.on_response_complete()

    def refuse(self, problem: ProblemError) -> None:
        """Answer what is no whole request, and close; counted among the errors alone, as nobody knows what it asked."""
        self.serving.metrics.tally.aside.errors[problem.kind.reason] += 1
        request_id = new_request_id()
        body = orjson.dumps(problem.body(request_id))
        self.transport.write(
            b"%b%b%b\r\n%bcontent-type: %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (
                STATUS_LINE[problem.kind.status],
                self.heads.always(self.server_state.default_headers),
                request_id.encode(),
                b"".join(f"{name}: {value}\r\n".encode() for name, value in problem.headers.items()),
                PROBLEM_TYPE.encode(),
                len(body),
                body,
            )
        )
        self.transport.close()

    def _is_free(self) -> bool:
        """Whether the next request on this connection may be answered at once."""
        return (self.cycle is None or self.cycle.response_complete) and not (
            self.flow.write_paused or self.transport.is_closing()
        )

    def _hot_call(self) -> HotCall | None:
        """The call for the request whose headers have just been read, or None to leave it to ASGI."""
        kind = self.calls.get(self.url)
        if kind is None or self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        serving = self.serving
        if not self._is_free() or self.expect_100_continue or serving.version is None or serving.stuck:
            return None
        fields = dict(self.headers)
        if len(fields) != len(self.headers) or not has_plain_body(fields, serving.settings.max_body_bytes):
            return None
        json_length = kind.takes(fields)
        if json_length is None:
            return None
        asker = identity(self.headers)
        mirrored = not asker.forced and self._takes_copies()
        live = not asker.forced and not mirrored
        head = Head(self.url.decode(), asker.request_id, asker.trace, json_length, live, mirrored)
        return kind(self, serving.version, head)

    def _answer_known(self, known: KnownHead, body: bytes) -> None:
        version = self.serving.version
        assert version is not None  # noqa: S101 a head is remembered only once a version has answered
        self._misses = 0
        self._idle_since = None
        self.cycle = self._call = call = known.kind(self, version, known.head)
        call.body = body
        self.serving.metrics.tally.in_flight += 1
        self._ask(call)

    def _ask(self, call: HotCall) -> None:
        call.more_body = False
        try:
            if call.live:
                call.read()
            else:
                with call.version.unseen.heard(live=False):
                    call.read()
            self.serving.questions.ask(call, self.loop)
        except Exception as error:  # noqa: BLE001 the top of every request: the client gets a problem, the log the traceback
            call.fail(error)

    def _takes_copies(self) -> bool:
        return self.server is not None and self.server[1] == self.serving.mirror_port

    def _close_account(self, call: HotCall) -> None:
        self.serving.metrics.tally.in_flight -= 1
        if call.reserved:
            self.serving.bodies.give_back(call.reserved)
            self._arrived, call.body = bytearray(), b""
        self.serving.accounts.close(call)


def predict_protocol(serving: Serving) -> type[asyncio.Protocol]:
    """The protocol class of one server."""

    class Protocol(PredictProtocol):
        pass

    Protocol.serving = serving
    Protocol.heads = AnswerHeads(serving.served_name)
    Protocol.entity_key = serving.settings.entity_key
    Protocol.calls = calls_of(serving.settings.served_model)
    Protocol.patrol = Patrol(serving.settings.read_seconds, room_for(serving.settings.max_connections))
    serving.metrics.tally.connections = Protocol.patrol.__len__
    return Protocol
