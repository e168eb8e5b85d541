"""The bench's load at a constant rate against real sockets: what a stall costs is not left out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench.gateway.paced import drive

REQUEST = b"POST /predict HTTP/1.1\r\nhost: bench\r\ncontent-length: 2\r\n\r\n{}"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


@contextmanager
def server(answers: Iterator[tuple[float, bytes]]) -> Iterator[tuple[str, int]]:
    """Answers one connection after the other by `answers`, each after its pause; an empty answer cuts it."""

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                while connection.recv(65536):
                    pause, answer = next(answers)
                    time.sleep(pause)
                    if not answer:
                        break
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[:2]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def answers(first: tuple[float, bytes], then: tuple[float, bytes] = (0.0, ANSWER)) -> Iterator[tuple[float, bytes]]:
    """One that differs, then always the same."""
    yield first
    while True:
        yield then


def test_one_stall_makes_all_late_that_were_due_during_it() -> None:
    with server(answers((0.5, ANSWER))) as address:
        found = drive(address, [REQUEST], rate=100, seconds=1, connections=1)

    assert (len(found.waits), found.failures) == (100, [])
    # Of the hundred about fifty were due while the server stood still.
    assert sum(wait > 0.1 for wait in found.waits) >= 35
    assert found.wait_ms(100) == pytest.approx(500, abs=200)


def test_requests_leave_at_the_rate_that_was_asked_for() -> None:
    with server(answers((0.0, ANSWER))) as address:
        found = drive(address, [REQUEST], rate=200, seconds=1, connections=1)

    assert len(found.waits) == 200
    assert found.seconds >= 0.99


@pytest.mark.parametrize(
    ("first", "told"),
    [pytest.param(REFUSAL, "503 b'busy'", id="a refusal"), pytest.param(b"", "IncompleteReadError", id="a cut")],
)
def test_what_brings_no_prediction_is_a_failure_and_the_rest_goes_on(first: bytes, told: str) -> None:
    with server(answers((0.0, first))) as address:
        found = drive(address, [REQUEST], rate=200, seconds=0.5, connections=1)

    assert len(found.failures) == 1
    assert told in found.failures[0]
    assert len(found.waits) == 99
