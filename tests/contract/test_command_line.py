"""The program as a person runs it: in a process of its own, on both stores, and with the predictor behind `serve`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from support.model_files import onnx_logistic
from support.s3_server import free_port

_READY_SECONDS = 60.0
_PROGRAM = (sys.executable, "-m", "modelloop_cli.main")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx_logistic(tmp_path / "m.onnx", 2)
    pd.DataFrame({"a": [0.5, -1.0], "b": [1, 2]}).to_parquet(tmp_path / "train.parquet")
    return tmp_path


def test_a_model_is_published_listed_and_shown(place: Any, folder: Path) -> None:
    published = _run(place, folder, "publish", "m.onnx", "--reference", "train.parquet", "--task", "binary")
    assert published["version"] == "1.0.0"
    assert [row["version"] for row in _run(place, folder, "versions")["versions"]] == ["1.0.0"]
    assert _run(place, folder, "card")["model_id"] == Path(place.uri).name
    assert [event["event"] for event in _run(place, folder, "history")["events"]] == ["registered"]


def test_wrong_credentials_are_told_in_a_sentence(s3_place: Any, folder: Path) -> None:
    environment = {**os.environ, **s3_place.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    done = subprocess.run(
        [*_PROGRAM, "versions", "-r", s3_place.uri], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "hint:  check the access key, the secret key and the clock"
    assert "Traceback" not in done.stderr


def test_an_address_on_which_nobody_can_listen_is_told_before_serving_is_announced(
    directory_place: Any, folder: Path
) -> None:
    _run(directory_place, folder, "publish", "m.onnx", "--reference", "train.parquet", "--task", "binary")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*_PROGRAM, "serve", "-r", directory_place.uri, "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
    assert hint.startswith("hint:  give another --port")


def test_an_environment_that_no_predictor_takes_is_told_before_anything_is_served(
    directory_place: Any, folder: Path
) -> None:
    _run(directory_place, folder, "publish", "m.onnx", "--reference", "train.parquet", "--task", "binary")
    command = [*_PROGRAM, "serve", "-r", directory_place.uri, "--port", str(free_port())]
    environment = {**os.environ, "MODELLOOP_FALLBACK": '{"rules": [{"feature": "a", "op": ">"}]}'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "MODELLOOP_FALLBACK" in done.stderr
    assert "Tuple" not in done.stderr


def test_what_the_environment_says_holds_where_no_option_says_otherwise(directory_place: Any, folder: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        publish = ("publish", "m.onnx", "--reference", "train.parquet", "--task", "binary", "--version", version)
        _run(directory_place, folder, *publish)
    port = free_port()
    said = {"MODEL_VERSION": "1.0.0", "PORT": str(port), "CACHE_DIR": str(folder / "kept")}
    environment = {**os.environ, **{f"MODELLOOP_{name}": value for name, value in said.items()}}
    command = [*_PROGRAM, "serve", "-r", directory_place.uri, "--output", "json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_ready(process, port)
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=30)
            assert json.loads(told) == {"version": "1.0.0", "url": f"http://127.0.0.1:{port}"}
        finally:
            process.kill()


def test_what_was_published_is_served(place: Any, folder: Path) -> None:
    _run(place, folder, "publish", "m.onnx", "--reference", "train.parquet", "--task", "binary")
    port = free_port()
    command = [*_PROGRAM, "serve", "-r", place.uri, "--port", str(port), "--output", "json"]
    more = {"XDG_CACHE_HOME": str(folder / "cache"), "MODELLOOP_MODEL_NAME": "churn"}
    environment = {**os.environ, **place.environment, **more}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_ready(process, port)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", b'{"features": [0, 0]}', {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.load(answer)["model_version"] == "v1.0.0"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/churn", timeout=10) as answer:
                assert json.load(answer)["name"] == "churn", "what the environment says is what a pod would do"
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=30)
            assert process.returncode == 0
            assert json.loads(told) == {"version": "1.0.0", "url": f"http://127.0.0.1:{port}"}
        finally:
            process.kill()


def _run(place: Any, folder: Path, *arguments: str) -> Any:
    command = [*_PROGRAM, *arguments, "--registry", place.uri, "--output", "json"]
    environment = {**os.environ, **place.environment}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the predictor was not ready in {_READY_SECONDS} s; exit code {process.poll()}")
