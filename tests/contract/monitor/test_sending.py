"""Notifications reach a real server; what it does not take is said, and a redirect is not followed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelloop_monitor.notices import Delivery
from modelloop_monitor.sending import NotTaken, send
from support.s3_server import free_port


class _Target(BaseHTTPRequestHandler):
    got: list[tuple[str, bytes, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.path, body, self.headers["x-modelloop-delivery"] or ""))
        self.send_response(int(self.path[1:]))
        if self.path == "/302":
            self.send_header("location", "/200")
        self.end_headers()
        self.wfile.write(b"words " * 1000 if self.path == "/500" else b"")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def target() -> Iterator[tuple[str, list[tuple[str, bytes, str]]]]:
    got: list[tuple[str, bytes, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Target", (_Target,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", got
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_delivery_arrives_as_it_is(target: tuple[str, list[tuple[str, bytes, str]]]) -> None:
    url, got = target
    send(Delivery(f"{url}/200", b'{"a": 1}', {"x-modelloop-delivery": "i1:opened:1"}))
    assert got == [("/200", b'{"a": 1}', "i1:opened:1")]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_said(target: tuple[str, list[tuple[str, bytes, str]]], status: int) -> None:
    url, got = target
    with pytest.raises(NotTaken, match=f"answered {status}") as refused:
        send(Delivery(f"{url}/{status}", b"{}"))
    assert len(got) == 1
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://no-such-host.invalid/", "http://[/"])
def test_nobody_there_is_said(url: str) -> None:
    with pytest.raises(NotTaken):
        send(Delivery(url.format(port=free_port()), b"{}"))
