"""What uvicorn leaves open on a connection: slow or endless headers, unread answers, requests that cross a shutdown."""

from __future__ import annotations

import asyncio

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelloop_predictor.patrol import Patrol
from modelloop_predictor.problems import HEADERS_TOO_LARGE, NOT_HTTP, TOO_SLOW, ProblemError

# Longer than the idle time of common load balancers: the side that keeps a connection longer must be the server.
KEEP_ALIVE_SECONDS = 620.0
_MOST_HEADER_BYTES = 64 << 10
_CROSSING_SECONDS = 0.5
_LINGER_SECONDS = 20.0


class _Flow(FlowControl):
    """Reads on only when nothing that was read already waits for its turn."""

    def __init__(self, transport: asyncio.Transport, connection: GuardedProtocol) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        # uvicorn resumes at each answer; a client that pipelines without reading would fill the memory.
        if not self._connection.pipeline:
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits of time and size on the headers, and on what is pipelined."""

    patrol: Patrol
    _headers_since: float | None = None
    _idle_since: float | None = None
    _linger: asyncio.TimerHandle | None = None
    _unread_since: float | None = None
    # Of headers, and of what comes around a body's chunks: their extensions, and trailers.
    _header_bytes = 0
    _others_came = False
    wishes = False
    """Whether what is read now is the head of a request that would rather speak another protocol."""

    def refuse(self, problem: ProblemError) -> None:
        """Answer what is no whole request, and close."""
        raise NotImplementedError

    def dismiss(self) -> None:
        """Close it, idle as it is, to make room for another."""
        self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self)
        self._headers_since, self._header_bytes = self.loop.time(), 0
        self.patrol.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.patrol.leave(self)
        self._stop_lingering()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked on it and nothing is on its way."""
        return self._idle_since is not None or (self._headers_since is not None and not self._header_bytes)

    def look(self, now: float, read_seconds: float) -> None:
        """Close what has waited too long."""
        if self._unread_since is not None and now - self._unread_since > read_seconds:
            # Not closed: that would wait until the client has read what waits for it.
            self.transport.abort()
        elif self._headers_since is not None and self.flow.read_paused:
            # What is missing may have come already; it is read when what came before it has been answered.
            self._headers_since = now
        elif self._headers_since is not None and now - self._headers_since > read_seconds:
            self._give_up(read_seconds)
        elif self._idle_since is not None and now - self._idle_since > KEEP_ALIVE_SECONDS:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._idle_since = None
        if self._headers_since is None:
            self._headers_since, self._header_bytes = self.loop.time(), 1
            self._others_came = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is nothing that anybody reads; kept with the headers they would fill the memory.
        if self._headers_since is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headers_since, self._header_bytes = None, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._others_came = True
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        self._others_came = False
        self._feed(data)
        # Where a head began in these very bytes, or a body goes on, most of the bytes may belong to something else.
        if not self._others_came:
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES:
                self._refuse(ProblemError(HEADERS_TOO_LARGE, f"headers may have {_MOST_HEADER_BYTES} bytes"))

    def is_wish(self) -> bool:
        """Whether the head that has just been read asks for another protocol; it is then read again without that.

        A server may ignore the wish (RFC 9110, 7.8), which Java's own client has in every request. The parser would
        take no body with it.
        """
        self.wishes = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        return self.wishes

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as met:
                    if not self.wishes:
                        return
                    rest = rest[met.args[0] :]
                    self.parser.feed_data(self._head_without_wish())
        except httptools.HttpParserError:
            self._refuse(ProblemError(NOT_HTTP, "the bytes are no HTTP/1.1 request"))

    def _head_without_wish(self) -> bytes:
        lines = b"".join(b"%b: %b\r\n" % line for line in self.headers if line[0] != b"upgrade")
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, lines)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    def on_message_complete(self) -> None:
        self._stop_lingering()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.cycle.more_body:
            # Answered before the body was read: let the client finish sending, or it would see a reset and not
            # the answer; what arrives is thrown away, for a while.
            self._linger = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        # A request may be on its way on a connection that looks idle; it is answered before the connection closes.
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_CROSSING_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _give_up(self, read_seconds: float) -> None:
        if self._header_bytes:
            self._refuse(ProblemError(TOO_SLOW, f"the headers did not arrive within {read_seconds:g} s"))
        else:
            # It never said anything; nobody waits for an answer.
            self.transport.close()

    def _refuse(self, problem: ProblemError) -> None:
        if self.transport.is_closing():
            return
        if self._owes_an_answer():
            # It goes out first, in its turn, as the last one; what follows it cannot be read.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
        else:
            self.refuse(problem)

    def _owes_an_answer(self) -> bool:
        """Whether a request that has arrived as a whole is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
