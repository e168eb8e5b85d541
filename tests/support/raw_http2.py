"""HTTP/2 as frames on a socket, as far as a caller needs it who begins a call by gRPC and does not end it."""

from __future__ import annotations

import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW_SIZE = 4


class Http2:
    """A connection that says what it is told to; `window` is how many bytes of an answer it takes."""

    def __init__(self, connection: socket.socket, window: int = 65535) -> None:
        self._socket = connection
        self._read = b""
        self._streams = 0
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)))

    def begin(self, path: str) -> int:
        """Begin a call, which is then known by the number that is returned."""
        stream = 2 * self._streams + 1
        self._streams += 1
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
        fields |= {"content-type": "application/grpc", "te": "trailers"}
        block = b"".join(_field(name.encode(), value.encode()) for name, value in fields.items())
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, block))
        return stream

    def send(self, stream: int, message: bytes, *, announced: int | None = None, ends: bool = False) -> None:
        """Send a message, or what there is of one that is `announced` to be longer."""
        length = len(message) if announced is None else announced
        data = struct.pack(">BI", 0, length) + message
        self._socket.sendall(_frame(_DATA, _END_STREAM if ends else 0, stream, data))

    def end(self, stream: int) -> None:
        """Send nothing more."""
        self._socket.sendall(_frame(_DATA, _END_STREAM, stream, b""))

    def until_ended(self, stream: int) -> None:
        """Read until the other side has ended the call."""
        while True:
            kind, flags, of_stream, _ = self._frame()
            if of_stream == stream and (kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM)):
                return

    def until_closed(self) -> None:
        """Read until the other side closes the connection."""
        try:
            while True:
                self._frame()
        except EOFError:
            return

    def _frame(self) -> tuple[int, int, int, bytes]:
        length = int.from_bytes(self._take(3))
        kind, flags, stream = struct.unpack(">BBI", self._take(6))
        payload = self._take(length)
        if kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        if kind == _SETTINGS and not flags & _ACK:
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        return kind, flags, stream, payload

    def _take(self, count: int) -> bytes:
        while len(self._read) < count:
            more = self._socket.recv(1 << 16)
            if not more:
                raise EOFError
            self._read += more
        taken, self._read = self._read[:count], self._read[count:]
        return taken


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _field(name: bytes, value: bytes) -> bytes:
    """A header that no table has, as it is (RFC 7541, 6.2.2); of less than 127 bytes each."""
    return b"\0%c%b%c%b" % (len(name), name, len(value), value)
