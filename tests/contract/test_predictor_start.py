from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from modelloop_core.manifest import ModelFormat
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.open import open_store
from modelloop_core.versions import Version
from modelloop_core.wire.environment import EXIT_PERMANENT
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import PERSON, pair, publish, publish_people
from support.s3_server import ACCESS_KEY, SECRET_KEY, free_port, run_s3_server

VERSION = Version.parse("1.2.3")


def _model(folder: Path) -> Path:
    return folder / "registry" / "versions" / "1.2.3" / ModelFormat.TORCHSCRIPT.value


def _corrupt(folder: Path) -> None:
    publish_people(folder / "registry", folder)
    body = bytearray(_model(folder).read_bytes())
    body[len(body) // 2] ^= 0xFF
    _model(folder).write_bytes(body)


def _lose(folder: Path) -> None:
    publish_people(folder / "registry", folder)
    _model(folder).unlink()


def _weights(folder: Path) -> None:
    publish(folder / "registry", model_files.state_dict(folder / "model.pt2"), pair())


def _nan(folder: Path) -> None:
    publish(folder / "registry", model_files.onnx_constant_nan(folder / "model.onnx", 2), pair())


def _empty(folder: Path) -> None:
    (folder / "registry").mkdir()


@pytest.mark.parametrize(
    ("prepare", "settings", "reason", "message"),
    [
        pytest.param(_corrupt, {}, "ChecksumMismatch", "model.ts.pt", id="a damaged file"),
        pytest.param(_lose, {}, "NotFound", "model.ts.pt", id="a missing file"),
        pytest.param(_weights, {}, "NotAModel", "torch.export.save", id="weights alone"),
        pytest.param(_nan, {}, "BadOutput", "not finite", id="NaN on the example"),
        pytest.param(_empty, {}, "VersionNotFound", "the registry holds no version", id="an empty registry"),
        pytest.param(lambda _: None, {}, "NotFound", "registry", id="no registry"),
        pytest.param(lambda _: None, {"registry_uri": "ftp://x/y"}, "InvalidKey", "s3://", id="no address"),
    ],
)
def test_what_can_never_be_served_ends_the_process_and_says_why(
    tmp_path: Path, prepare: Any, settings: dict[str, object], reason: str, message: str
) -> None:
    prepare(tmp_path)
    with PredictorProcess(tmp_path, settings) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        (line,) = predictor.termination_log.read_text().splitlines()
        told = json.loads(line)
        assert set(told) == {"reason", "message"}
        assert told["reason"] == reason
        assert message in told["message"]
        assert predictor.named("load-failed")[0]["reason"] == reason
        assert not predictor.named("not-json")


def test_settings_that_no_predictor_takes_are_told_to_the_kubelet_too(tmp_path: Path) -> None:
    with PredictorProcess(tmp_path, {"timeout_seconds": "soon"}) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        told = json.loads(predictor.termination_log.read_text())
        assert told["reason"] == predictor.named("bad-settings")[0]["reason"] == "BadSettings"
        assert "MODELLOOP_TIMEOUT_SECONDS='soon'" in told["message"]


def test_where_there_is_no_termination_log_none_is_made(tmp_path: Path) -> None:
    _empty(tmp_path)
    with PredictorProcess(tmp_path, {"termination_log": tmp_path / "none"}) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        assert not (tmp_path / "none").exists()


def test_a_bad_setting_ends_the_process_and_is_named(tmp_path: Path) -> None:
    with PredictorProcess(tmp_path, {"timeout_seconds": "soon"}) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        assert "MODELLOOP_TIMEOUT_SECONDS='soon'" in predictor.named("bad-settings")[0]["message"]


@pytest.mark.parametrize("fallback", [{}, {"fallback": '{"version": "1.0.0"}'}], ids=["alone", "with a fallback"])
def test_a_version_from_an_object_store_is_served(tmp_path: Path, fallback: dict[str, str]) -> None:
    publish_people(tmp_path / "registry", tmp_path)
    publish_people(tmp_path / "registry", tmp_path, number="1.0.0")
    with run_s3_server(tmp_path / "s3") as server:
        server.bucket("models")
        store = open_store("s3://models/churn", endpoint=server.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        source = Registry(DirectoryStore(tmp_path / "registry"))
        for version in (VERSION, Version.parse("1.0.0")):
            manifest = source.manifest(version)
            Registry(store).publish(manifest, {name: source.read(version, name) for name in manifest.files})
        settings = {"registry_uri": "s3://models/churn", "registry_endpoint": server.endpoint, **fallback}
        credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        with PredictorProcess(tmp_path, settings, credentials) as predictor:
            answer = predictor.until_ready().predict({"features": list(PERSON)})
            assert (answer.status_code, answer.json()["model_version"]) == (200, "v1.2.3")


def test_wrong_credentials_are_told_and_tried_again(tmp_path: Path) -> None:
    with run_s3_server(tmp_path / "s3") as server:
        server.bucket("models")
        settings = {"registry_uri": "s3://models/churn", "registry_endpoint": server.endpoint}
        credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": "wrong"}
        with PredictorProcess(tmp_path, settings, credentials) as predictor:
            assert "secret key" in predictor.until_unready("AccessDenied")
            assert predictor.get("/healthz").status_code == 200
            eventually(lambda: len(predictor.named("load-failed")) >= 2, "a second try", predictor.describe)
            predictor.terminate()
            assert predictor.exit_code(10) == 0


def test_a_store_that_cannot_be_reached_is_told_and_tried_again(tmp_path: Path) -> None:
    settings = {"registry_uri": "s3://models/churn", "registry_endpoint": f"http://127.0.0.1:{free_port()}"}
    credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with PredictorProcess(tmp_path, settings, credentials) as predictor:
        assert "trying again" in predictor.until_unready("Unavailable")
        assert predictor.process.poll() is None


def test_a_store_that_stalls_blocks_neither_probes_nor_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "registry_uri": "s3://models/churn",
            "registry_endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        with PredictorProcess(tmp_path, settings, credentials) as predictor:
            predictor.until_unready("Downloading")
            assert predictor.get("/healthz").status_code == 200
            assert predictor.predict({"features": [1]}).headers["retry-after"]
            predictor.terminate()
            assert predictor.exit_code(10) == 0


def test_an_onnx_version_is_served_without_torch(tmp_path: Path) -> None:
    publish(tmp_path / "registry", model_files.onnx_logistic(tmp_path / "model.onnx", 2), pair(), example=(1.0, 2.0))
    # A module named torch that cannot be imported: whoever tries, fails.
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    with PredictorProcess(tmp_path, {}, {"PYTHONPATH": str(tmp_path)}) as predictor:
        assert predictor.until_ready().predict({"features": [0, 0]}).json()["prediction"] == 0.5


def test_a_second_start_uses_the_files_that_are_there(tmp_path: Path) -> None:
    publish_people(tmp_path / "registry", tmp_path)
    with PredictorProcess(tmp_path, {}) as predictor:
        predictor.until_ready()
    manifest = tmp_path / "registry" / "versions" / "1.2.3" / "manifest.json"
    for path in manifest.parent.iterdir():
        if path != manifest:
            path.unlink()
    with PredictorProcess(tmp_path, {}) as predictor:
        assert predictor.until_ready().predict({"features": list(PERSON)}).status_code == 200
