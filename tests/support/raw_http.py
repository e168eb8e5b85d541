"""HTTP as bytes on a socket, for what no polite client sends, and its answers taken apart."""

from __future__ import annotations

import socket
from dataclasses import dataclass

PREDICT_HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def lasting(self) -> tuple[int, dict[str, str], bytes]:
        """All of it but the date."""
        return self.status, {name: value for name, value in self.headers.items() if name != "date"}, self.body


class Wire:
    """A connection whose answers are read one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._read = b""

    def send(self, *parts: bytes) -> None:
        """Send the parts, each in a packet of its own as far as the kernel lets it."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            self._socket.sendall(part)

    def answer(self, method: str = "POST") -> Answer:
        """The next answer."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        lines = head.split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"{name} is there twice: {head}"
            headers[name.lower()] = value.strip()
        status = int(lines[0].split()[1])
        length = 0 if method == "HEAD" or status == 100 else int(headers["content-length"])
        return Answer(status, headers, self._take(length))

    def ends(self) -> bool:
        """Whether the other side closes, with nothing more sent."""
        return not self._read and not self._more()

    def ask(self, *parts: bytes, method: str = "POST") -> Answer:
        """Send and read one answer."""
        self.send(*parts)
        return self.answer(method)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            assert self._more(), f"closed after {self._read!r}"
        return self._take(self._read.index(mark) + len(mark))

    def _take(self, count: int) -> bytes:
        while len(self._read) < count:
            assert self._more(), f"closed after {self._read!r}, {count} bytes expected"
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    def _more(self) -> bool:
        try:
            more = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._read += more
        return bool(more)


def request(body: bytes, *headers: bytes, head: bytes = PREDICT_HEAD) -> bytes:
    """A request with its length."""
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, lines, len(body), body)


def chunked(body: bytes, *headers: bytes, head: bytes = PREDICT_HEAD) -> bytes:
    """The same request with its body in one chunk."""
    lines = b"".join(line + b"\r\n" for line in headers)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"%b%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (head, lines, chunk)
