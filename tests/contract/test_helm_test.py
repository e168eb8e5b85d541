"""The program that `helm test` runs, against a real predictor and against what it must not take for one."""

from __future__ import annotations

import http.server
import importlib.util
import json
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from contract.helm import CHART
from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess
from support.published import pair, publish


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("helm_test", CHART / "files/helm_test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def pretender(predict_header: str, answer: dict[str, object]) -> Iterator[str]:
    """A server whose /model has an example and whose /predict answers this; yields its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send("", {"example": {"first": 1}})

        def do_POST(self) -> None:
            self._send(predict_header, answer)

        def _send(self, version: str, body: dict[str, object]) -> None:
            self.send_response(200)
            self.send_header("x-model-version", version)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_real_predictor_passes(program: ModuleType, tmp_path: Path) -> None:
    model = model_files.onnx_logistic(tmp_path / ModelFormat.ONNX.value, 2)
    publish(tmp_path / "registry", model, pair(), example=(1.0, 2.0))
    with PredictorProcess(tmp_path, {}) as predictor:
        told = program.model_answers(predictor.until_ready().url)
    assert told.endswith("by v1.2.3")


def test_header_and_body_must_name_one_version(program: ModuleType) -> None:
    with (
        pretender("v1.0.0", {"prediction": 1.0, "model_version": "v2.0.0"}) as url,
        pytest.raises(program.Failed, match=r"is 'v1\.0\.0', model_version is 'v2\.0\.0'"),
    ):
        program.model_answers(url)


@pytest.mark.parametrize("prediction", [None, [], float("nan")], ids=["none", "a list", "not a number"])
def test_an_answer_must_hold_a_prediction(program: ModuleType, prediction: object) -> None:
    with (
        pretender("v1.0.0", {"prediction": prediction, "model_version": "v1.0.0"}) as url,
        pytest.raises(program.Failed, match="holds no prediction"),
    ):
        program.model_answers(url)


def test_what_does_not_answer_is_named(program: ModuleType) -> None:
    with pytest.raises(program.Failed, match=r"http://127.0.0.1:1/model does not answer"):
        program.model_answers("http://127.0.0.1:1")


@contextmanager
def raw(answer: bytes) -> Iterator[str]:
    """A server that writes these bytes to whoever connects, and hangs up; yields its address."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


OK = b"HTTP/1.0 200 OK\r\n\r\n"
STRANGERS = {
    "a web page": (OK + b"<html>", "answered no JSON object but '<html>'"),
    "a list": (OK + b"[1]", "answered no JSON object"),
    "bytes that are no text": (OK + b"\xff\xfe", "answered no JSON object"),
    "JSON of another kind": (OK + b'{"a": 1}', "names no example, only ['a']"),
    "not HTTP": (b"SSH-2.0\r\n", "gave no proper answer"),
    "an end at once": (b"", "does not answer"),
    "half an answer": (b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{", "gave no proper answer"),
    "a refusal of two lines": (b"HTTP/1.0 503 No\r\n\r\nnot\nready", "/model answered 503: not ready"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_whatever_answers_is_told_in_one_line_with_what_to_do(
    program: ModuleType, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    answer, told = STRANGERS[kind]
    with raw(answer) as url:
        assert program.run(named("model", program.checks("", url)), patience=0) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"FAILED {url}/model")
    assert told in line
    assert line.endswith("(tried for 0 s); look at the MLModel with `kubectl mlmodel doctor`")


def test_a_missing_identity_is_told(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(named("resource", program.checks("", "")), patience=0) == 1
    assert capsys.readouterr().out.startswith("FAILED the test's own identity cannot be read from")


def test_an_address_that_is_none_is_told(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(named("operator", program.checks("operator:8081", "")), patience=0) == 1
    assert capsys.readouterr().out.startswith("FAILED operator:8081/readyz")


def named(name: str, checks: Iterable[Any]) -> list[Any]:
    """The one of this name."""
    return [check for check in checks if check[0] == name]
