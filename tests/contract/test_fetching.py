"""A version of a bucket comes by a process of its own, which ends; what goes wrong there is told here."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.open import open_store
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.failures import Failure
from modelloop_predictor.fetching import Fetcher, FetchFailed
from support import model_files
from support.predictor_process import eventually
from support.published import pair, publish
from support.s3_server import ACCESS_KEY, SECRET_KEY, run_s3_server

ONE, TWO = Version(1, 0, 0), Version(2, 0, 0)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a store whose bucket holds versions 1.0.0 and 2.0.0."""
    folder = tmp_path_factory.mktemp("bucket")
    model = model_files.onnx_logistic(folder / "model.onnx", 2)
    with run_s3_server(folder / "s3") as server:
        server.bucket("models")
        store = open_store("s3://models/churn", endpoint=server.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        for version in (ONE, TWO):
            manifest = publish(folder / "registry", model, pair(), number=str(version))
            source = Registry(DirectoryStore(folder / "registry"))
            Registry(store).publish(manifest, {name: source.read(version, name) for name in manifest.files})
        yield server.endpoint


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


def _environment(endpoint: str, folder: Path) -> PredictorEnvironment:
    return PredictorEnvironment(
        registry_uri="s3://models/churn", registry_endpoint=endpoint, model_version="1.0.0", cache_dir=str(folder)
    )


def _children() -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "modelloop_predictor.fetching" in line]


@pytest.mark.parametrize("begun", [True, False], ids=["begun before", "begun when asked"])
def test_a_version_is_fetched_and_the_next_one_too(bucket: str, tmp_path: Path, begun: bool) -> None:
    fetcher = Fetcher(_environment(bucket, tmp_path))
    if begun:
        fetcher.begin()
        assert len(_children()) == 1
    folder = fetcher.download(ONE, tmp_path)
    assert folder.name.startswith("1.0.0-")
    assert (folder / "model.onnx").is_file()
    assert fetcher.download(TWO, tmp_path).name.startswith("2.0.0-")
    assert _children() == []


def test_what_was_begun_is_left_for_what_is_asked(bucket: str, tmp_path: Path) -> None:
    fetcher = Fetcher(_environment(bucket, tmp_path))
    fetcher.begin()
    assert fetcher.download(TWO, tmp_path / "elsewhere").parent == tmp_path / "elsewhere"


def test_the_store_s_client_is_never_loaded_here(bucket: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from modelloop_core.versions import Version; "
        "from modelloop_core.wire.environment import PredictorEnvironment; "
        "from modelloop_predictor.fetching import Fetcher; "
        "fetcher = Fetcher(PredictorEnvironment.model_validate_json(sys.argv[1])); fetcher.begin(); "
        "fetcher.download(Version(1, 0, 0), Path(sys.argv[2])); print('botocore' in sys.modules)"
    )
    command = [sys.executable, "-c", program, _environment(bucket, tmp_path).model_dump_json(), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_other_process_s_verdict_is_told(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed) as caught:
        Fetcher(_environment(bucket, tmp_path)).download(Version(9, 0, 0), tmp_path)
    assert caught.value.failure == Failure(
        "VersionNotFound", "there is no version 9.0.0; the newest is 2.0.0", permanent=True
    )


@pytest.mark.parametrize("end", ["killed", "closed"])
def test_a_fetch_that_is_ended_is_told_and_may_be_tried_again(tmp_path: Path, end: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fetcher = Fetcher(_environment(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path))
        failures: list[Failure] = []

        def download() -> None:
            with pytest.raises(FetchFailed) as caught:
                fetcher.download(ONE, tmp_path)
            failures.append(caught.value.failure)

        waiting = threading.Thread(target=download)
        waiting.start()
        eventually(_children, "the process", lambda: "no child yet")
        if end == "closed":
            fetcher.close()
        else:
            os.kill(_children()[0], signal.SIGKILL)
        waiting.join(10)
    assert [(failure.reason, failure.permanent) for failure in failures] == [("FetchDied", False)]
    assert "ended with -9" in failures[0].message


def test_a_fetch_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from modelloop_core.wire.environment import PredictorEnvironment; "
        "from modelloop_predictor.fetching import Fetcher; "
        "fetcher = Fetcher(PredictorEnvironment.model_validate_json(sys.argv[1])); fetcher.begin(); "
        "print(fetcher._begun[1].pid, flush=True); time.sleep(60)"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", program, _environment(endpoint, tmp_path).model_dump_json()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            fetch = psutil.Process(int(server.stdout.readline()))
            silent.accept()
            server.kill()
        # Sooner than the store's own time limit, which would end it as well.
        eventually(lambda: _is_over(fetch), "its end", lambda: str(fetch), seconds=5)


def _is_over(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
