"""A monitor that keeps what it is sent and answers as a test wants: well, badly, slowly or not at all."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from modelloop_core.wire.profiles import PROFILES_PATH, ProfilePost

Manner = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request; `say` answers it."""

    server: _Server
    body: bytes

    def do_POST(self) -> None:
        """Keep a post, and answer in the manner of the moment."""
        self.body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == PROFILES_PATH, self.path
        stub = self.server.stub
        stub.tries.append(self.body)
        stub.authorizations.append(self.headers.get("authorization"))
        stub.manner(self)

    def do_PUT(self) -> None:
        """Keep a reference."""
        self.server.stub.references[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self.say(200, {})

    def say(self, status: int, document: Any) -> None:
        """Answer with JSON, or with bytes as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stub: MonitorStub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A predictor that went away is no news."""


class MonitorStub:
    """Listens within its block; `applied` are the posts that it took, by (source, epoch, sequence)."""

    def __init__(self, manner: Manner | None = None) -> None:
        self.manner: Manner = manner or self.well
        self.tries: list[bytes] = []
        self.authorizations: list[str | None] = []
        self.references: dict[str, bytes] = {}
        self.applied: dict[tuple[str, str, int], ProfilePost] = {}
        self.released = threading.Event()

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), Exchange)
        self._server.stub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def posts(self) -> list[ProfilePost]:
        """What was applied, in order."""
        return list(self.applied.values())

    def total(self, name: str, *, output: bool = False) -> int:
        """All rows counted for a feature or an output."""
        columns = [(post.outputs if output else post.features).get(name) for post in self.posts]
        return sum(
            sum(column.counts) + column.null + column.positive_infinite + column.negative_infinite
            for column in columns
            if column is not None
        )

    def requests(self) -> int:
        """All live requests."""
        return sum(post.traffic.requests for post in self.posts)

    def well(self, exchange: Exchange) -> None:
        """Apply a post once."""
        post = ProfilePost.model_validate_json(exchange.body)
        key = (post.source, post.epoch, post.sequence)
        known = key in self.applied
        self.applied.setdefault(key, post)
        exchange.say(200, {"applied": not known})

    def asking_for_the_reference(self, exchange: Exchange) -> None:
        """As the monitor does with a version that it does not know."""
        if self.references:
            self.well(exchange)
        else:
            exchange.say(428, {"detail": "the reference is not known"})

    def applying_in_silence(self, exchange: Exchange) -> None:
        """Apply, and die before the answer."""
        post = ProfilePost.model_validate_json(exchange.body)
        self.applied.setdefault((post.source, post.epoch, post.sequence), post)
        reset(exchange)

    def hanging(self, exchange: Exchange) -> None:
        """Take the post and say nothing until the end."""
        self.released.wait(60)

    def trickling(self, exchange: Exchange) -> None:
        """Answer with a byte now and then, until the end."""
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while not self.released.wait(0.05):
            try:
                exchange.wfile.write(b"x")
            except OSError:
                return


def garbage(exchange: Exchange) -> None:
    """Answer 200 with what is no receipt."""
    exchange.say(200, b"<html>proxy</html>")


def failing(exchange: Exchange) -> None:
    """Answer 503."""
    exchange.say(503, {"detail": "no"})


def refusing(exchange: Exchange) -> None:
    """Say that the post is bad."""
    exchange.say(422, {"detail": "no"})


def reset(exchange: Exchange) -> None:
    """Close with a reset."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()
