from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import torch

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually, receive_all
from support.published import pair, publish

ROW = {"features": [1, 2]}
MEGABYTE = 1 << 20


def _serve(folder: Path, model: torch.nn.Module, **settings: object) -> PredictorProcess:
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), example=(1.0, 2.0))
    return PredictorProcess(folder, {"timeout_seconds": 10, **settings})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("running")
    with _serve(folder, model_files.Logistic(), read_seconds=0.5) as predictor:
        yield predictor.until_ready()


class Caller(threading.Thread):
    """Asks without a pause until it is told to stop; keeps what came of each request."""

    def __init__(self, url: str, stop: threading.Event, *, keep_alive: bool) -> None:
        super().__init__(daemon=True)
        self._url = f"{url}/predict"
        self._enough = stop
        self._limits = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
        self.answered = 0
        self.closed = 0
        self.failures: list[str] = []

    def run(self) -> None:
        with httpx.Client(limits=self._limits, timeout=20) as client:
            while not self._enough.is_set():
                try:
                    answer = client.post(self._url, json=ROW)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                self.answered += answer.status_code == 200
                self.closed += answer.headers.get("connection") == "close"
                if answer.status_code != 200:
                    self.failures.append(answer.text)


def test_asked_to_stop_under_load_it_fails_no_request(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.Logistic(), prestop_seconds=1.5) as predictor:
        url, stop = predictor.until_ready().url, threading.Event()
        callers = [Caller(url, stop, keep_alive=number % 2 == 0) for number in range(8)]
        for caller in callers:
            caller.start()
        eventually(lambda: all(caller.answered > 20 for caller in callers), "load", predictor.describe)
        predictor.terminate()
        predictor.until_unready("Draining")
        # Still answering, as long as callers have not noticed; a gateway notices by the readiness probe.
        before = sum(caller.answered for caller in callers)
        eventually(lambda: sum(caller.answered for caller in callers) > before + 50, "answers", predictor.describe)
        stop.set()
        for caller in callers:
            caller.join(20)
        assert [failure for caller in callers for failure in caller.failures] == []
        assert all(caller.closed for caller in callers)
        assert predictor.exit_code() == 0
        assert predictor.named("stopped")[0]["reason"] == "Asked"


def test_a_request_in_flight_is_answered_after_the_port_has_closed(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.Logistic(), prestop_seconds=0.1) as predictor:
        predictor.until_ready()
        with predictor.connect() as connection:
            connection.sendall(_head(len(_BODY)) + _BODY[:5])
            eventually(lambda: _in_flight(predictor) == 1, "the request to be in flight", predictor.describe)
            predictor.terminate()
            eventually(lambda: _refuses(predictor), "the port to close", predictor.describe)
            connection.sendall(_BODY[5:])
            answer = receive_all(connection)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
        assert b"connection: close" in answer
        assert predictor.exit_code() == 0


def test_a_request_that_never_ends_cannot_hold_up_the_end(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.Logistic(), prestop_seconds=0, drain_seconds=1, read_seconds=60) as predictor:
        predictor.until_ready()
        with predictor.connect() as connection:
            connection.sendall(_head(len(_BODY)))
            eventually(lambda: _in_flight(predictor) == 1, "the request to be in flight", predictor.describe)
            predictor.terminate()
            assert predictor.exit_code(10) == 0


def test_an_idle_connection_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.Logistic(), prestop_seconds=0) as predictor:
        predictor.until_ready()
        with httpx.Client() as client:
            assert client.post(f"{predictor.url}/predict", json=ROW).status_code == 200
            predictor.terminate()
            assert predictor.exit_code(10) == 0


def test_a_hung_model_is_answered_for_then_gives_up_its_liveness(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.SlowAboveHundred(), timeout_seconds=0.4) as predictor:
        predictor.until_ready()
        hung = predictor.predict({"features": [101, 0]})
        assert (hung.status_code, hung.json()["reason"]) == (504, "DeadlineExceeded")
        assert predictor.get("/healthz").status_code == 200
        assert predictor.predict(ROW).status_code == 504
        predictor.until_unready("ModelStuck")
        assert predictor.get("/healthz").status_code == 503
        assert predictor.predict(ROW).status_code == 503
        predictor.terminate()
        assert predictor.exit_code(15) == 0


@pytest.mark.parametrize("declared", [True, False], ids=["declared length", "chunked"])
def test_a_hundred_megabytes_are_refused_without_being_held(running: PredictorProcess, declared: bool) -> None:
    process = psutil.Process(running.process.pid)
    before = process.memory_info().rss
    with running.connect() as connection:
        connection.sendall(_head(100 * MEGABYTE if declared else None))
        highest = _send(connection, 100, declared, process)
        # The bytes that follow are thrown away, so that a client that sends first and reads later gets its answer.
        status, _, rest = connection.recv(65536).partition(b"\r\n")
    assert status == b"HTTP/1.1 413 Request Entity Too Large"
    assert b"BodyTooLarge" in rest
    assert (highest - before) / MEGABYTE < 24


def test_after_a_refused_body_the_connection_still_works(running: PredictorProcess) -> None:
    with httpx.Client(timeout=20) as client:
        refused = client.post(f"{running.url}/predict", content=b" " * 9 * MEGABYTE, headers=_JSON)
        assert refused.status_code == 413
        assert client.post(f"{running.url}/predict", json=ROW).status_code == 200


def test_a_body_that_stalls_is_timed_out(running: PredictorProcess) -> None:
    with running.connect() as connection:
        connection.sendall(_head(len(_BODY)) + _BODY[:5])
        answer = receive_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"POST /pre", id="in the first line"),
        pytest.param(b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ", id="in a header"),
    ],
)
def test_headers_that_stall_are_timed_out(running: PredictorProcess, begun: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(begun)
        assert receive_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_says_nothing_is_closed(running: PredictorProcess) -> None:
    with running.connect() as connection:
        assert receive_all(connection) == b""


def test_a_second_request_that_stalls_in_its_headers_is_timed_out(running: PredictorProcess) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        connection.sendall(b"GET /healthz HT")
        answers = receive_all(connection)
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 Request Timeout\r\n" in answers


def test_headers_without_end_are_refused(running: PredictorProcess) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
        try:
            for number in range(100_000):
                connection.sendall(b"x-header-%d: %s\r\n" % (number, b"y" * 1000))
        except OSError:
            pass
        else:
            pytest.fail("100 MB of headers were taken")
    assert running.get("/healthz").status_code == 200


def test_pipelined_requests_are_answered_in_order(running: PredictorProcess) -> None:
    requests = []
    for number in range(3):
        body = json.dumps({**ROW, "request_id": f"r{number}"}).encode()
        requests.append(_head(len(body)) + body)
    with running.connect() as connection:
        connection.sendall(b"".join(requests))
        received = b""
        while received.count(b'"request_id"') < 3:
            received += connection.recv(65536)
    assert [received.index(b'"r%d"' % number) for number in range(3)] == sorted(
        received.index(b'"r%d"' % number) for number in range(3)
    )


def test_every_log_line_is_an_event_with_the_version(running: PredictorProcess) -> None:
    running.predict(ROW)
    eventually(lambda: running.named("request"), "a request to be logged", running.describe)
    assert not running.named("not-json")
    assert all({"time", "level", "event", "version"} <= set(event) for event in running.events)


_BODY = json.dumps(ROW).encode()
_JSON = {"content-type": "application/json"}


def _head(length: int | None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode()


def _send(connection: socket.socket, megabytes: int, declared: bool, process: psutil.Process) -> int:
    highest = 0
    for _ in range(megabytes):
        block = b" " * MEGABYTE
        connection.sendall(block if declared else b"%x\r\n%s\r\n" % (len(block), block))
        highest = max(highest, process.memory_info().rss)
    return highest


def _in_flight(predictor: PredictorProcess) -> float:
    for line in predictor.get("/metrics").text.splitlines():
        if line.startswith("modelloop_predictor_requests_in_flight "):
            return float(line.split()[1])
    return -1


def _refuses(predictor: PredictorProcess) -> bool:
    try:
        predictor.connect().close()
    except OSError:
        return True
    return False
