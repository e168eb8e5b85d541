"""What uvicorn leaves open on a connection: slow or endless headers, and requests that cross a shutdown."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HEADER_BYTES = 64 << 10
_CROSSING_SECONDS = 0.5
_LINGER_SECONDS = 20.0
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def guarded_protocol(read_seconds: float) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol whose connections have `read_seconds` for the headers of a request."""

    class Guarded(_GuardedProtocol):
        seconds = read_seconds

    return Guarded


class _GuardedProtocol(HttpToolsProtocol):
    seconds: float
    _deadline: asyncio.TimerHandle | None = None
    _linger: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._wait_for_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES:
                self._refuse(_TOO_LARGE)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            # Answered before the body was read: let the client finish sending, or it would see a reset and not
            # the answer; what arrives is thrown away, for a while.
            self._linger = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        # A request may be on its way on a connection that looks idle; it is answered before the connection closes.
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_CROSSING_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _wait_for_headers(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.seconds, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        for timer in (self._deadline, self._linger):
            if timer is not None:
                timer.cancel()
        self._deadline = self._linger = None

    def _refuse(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer if self._header_bytes else b"")
            self.transport.close()
