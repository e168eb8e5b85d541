from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest

from modelloop_core.feature_schema import Output
from modelloop_core.inference import BadOutput, NotAModel, OutOfMemory
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Encode, Preprocessing
from modelloop_core.registry_errors import ChecksumMismatch, CorruptManifest, VersionNotFound
from modelloop_core.storage.port import AccessDenied, InvalidKey, NotFound, StoreError, Unavailable
from modelloop_core.versions import Version
from modelloop_predictor.failures import Failure
from modelloop_predictor.fetching import FetchFailed
from modelloop_predictor.loader import Loader, judge
from modelloop_predictor.version import UnusableVersion
from support import model_files
from support.predictor_inside import Predictor, settings_for
from support.published import A_VALUE, PEOPLE, PERSON, THREE_CLASSES, pair, publish

TORCHSCRIPT = ModelFormat.TORCHSCRIPT.value


@pytest.mark.parametrize(
    ("error", "reason", "permanent"),
    [
        pytest.param(Unavailable("no answer"), "Unavailable", False, id="store silent"),
        pytest.param(AccessDenied("wrong key"), "AccessDenied", False, id="credentials may get corrected"),
        pytest.param(NotFound("no bucket"), "NotFound", True, id="no bucket or file"),
        pytest.param(InvalidKey("ftp://"), "InvalidKey", True, id="no address"),
        pytest.param(StoreError("no CA"), "StoreError", True, id="store refuses for good"),
        pytest.param(VersionNotFound("none"), "VersionNotFound", True, id="no version"),
        pytest.param(CorruptManifest("bad"), "CorruptManifest", True, id="manifest damaged"),
        pytest.param(ChecksumMismatch("v", file="f", expected="a", found="b"), "ChecksumMismatch", True, id="checksum"),
        pytest.param(NotAModel("weights"), "NotAModel", True, id="weights"),
        pytest.param(BadOutput("nan"), "BadOutput", True, id="bad answer to the example"),
        pytest.param(OutOfMemory("full"), "OutOfMemory", False, id="memory may come back"),
        pytest.param(UnusableVersion("TaskMismatch", "other"), "TaskMismatch", True, id="another task"),
        pytest.param(PermissionError(errno.EACCES, "denied"), "CacheUnwritable", True, id="cache not writable"),
        pytest.param(OSError(errno.EROFS, "read-only"), "CacheUnwritable", True, id="cache read-only"),
        pytest.param(OSError(errno.ENOSPC, "full"), "DiskFailed", False, id="disk full"),
        pytest.param(RuntimeError("a bug"), "Unexpected", False, id="a bug"),
        pytest.param(
            FetchFailed(Failure("Unavailable", "no", permanent=False)), "Unavailable", False, id="told to try"
        ),
        pytest.param(FetchFailed(Failure("NotFound", "no", permanent=True)), "NotFound", True, id="told: never"),
    ],
)
def test_an_error_is_judged(error: Exception, reason: str, permanent: bool) -> None:
    failure = judge(error)
    assert (failure.reason, failure.permanent) == (reason, permanent)
    assert failure.message
    assert "\n" not in failure.message


class Source:
    """A registry that fails a few times before its folder is there."""

    def __init__(self, folder: Path, failures: list[Exception]) -> None:
        self.folder = folder
        self.failures = failures

    def download(self, version: Version, folder: Path) -> Path:
        if self.failures:
            raise self.failures.pop(0)
        return self.folder


def _never(found: object) -> Never:
    raise AssertionError(f"this must not happen: {found}")


def test_what_may_pass_is_tried_again_with_growing_pauses_and_told(tmp_path: Path) -> None:
    with Predictor(settings_for(tmp_path)) as predictor:
        source = Source(tmp_path, [Unavailable("silent"), AccessDenied("wrong key")] * 4)
        pauses, told = [], []

        def wait(seconds: float) -> bool:
            pauses.append(seconds)
            told.append(predictor.ask("GET", "/readyz").json()["detail"])
            return len(pauses) == 7

        Loader(predictor.serving, lambda: source, wait=wait, on_failure=_never).run()
        assert pauses == [1, 2, 4, 8, 16, 30, 30]
        assert told[:2] == ["Unavailable: silent; trying again in 1 s", "AccessDenied: wrong key; trying again in 2 s"]
        assert predictor.metric("load_failures_total", reason="Unavailable") == 4


def test_a_failure_that_lasts_ends_the_tries(tmp_path: Path) -> None:
    with Predictor(settings_for(tmp_path)) as predictor:
        failures: list[Failure] = []
        source = Source(tmp_path, [VersionNotFound("there is no version 1.2.3")])
        Loader(predictor.serving, lambda: source, wait=_never, on_failure=failures.append).run()
        assert failures == [Failure("VersionNotFound", "there is no version 1.2.3", permanent=True)]
        assert predictor.ask("GET", "/readyz").json()["detail"] == "VersionNotFound: there is no version 1.2.3"


def _failure(folder: Path, **settings: object) -> Failure:
    with Predictor(settings_for(folder, **settings)) as predictor:
        failure = predictor.load(folder / "registry")
        assert failure is not None
        assert failure.permanent
        assert predictor.ask("GET", "/readyz").status_code == 503
        return failure


def _logistic(folder: Path) -> Path:
    return model_files.torchscript(model_files.Logistic(), folder / TORCHSCRIPT)


@pytest.mark.parametrize(
    ("model", "output", "message"),
    [
        pytest.param(model_files.NaNAboveHundred, None, "not finite", id="NaN on the example"),
        pytest.param(model_files.Mean, None, "sigmoid", id="no probability"),
        pytest.param(model_files.Logistic, THREE_CLASSES, "3 classes", id="one value for three classes"),
        pytest.param(model_files.ThreeClasses, A_VALUE, "one value a row", id="classes for a value"),
    ],
)
def test_a_model_that_contradicts_its_signature_is_never_served(
    tmp_path: Path, model: Callable[[], object], output: Output | None, message: str
) -> None:
    path = model_files.torchscript(model(), tmp_path / TORCHSCRIPT)  # type: ignore[arg-type]
    publish(tmp_path / "registry", path, pair(output), example=(101.0, 500.0))
    failure = _failure(tmp_path)
    assert failure.reason == "BadOutput"
    assert message in failure.message


def test_a_model_that_raises_on_the_example_is_never_served(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.RaisesAboveHundred(), tmp_path / TORCHSCRIPT)
    publish(tmp_path / "registry", path, pair(), example=(101.0, 0.0))
    assert _failure(tmp_path).reason == "ModelFailed"


@pytest.mark.parametrize(
    ("example", "message"),
    [((1.0,), "1 values for 2 features"), (("one", 2.0), "expected a number"), ((None, 2.0), "found null")],
)
def test_an_example_outside_the_signature_is_refused(
    tmp_path: Path, example: tuple[float | str | None, ...], message: str
) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair(), example=example)
    failure = _failure(tmp_path)
    assert failure.reason == "ExampleInvalid"
    assert message in failure.message


def test_another_task_than_the_resource_names_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair())
    failure = _failure(tmp_path, task="regression")
    assert (failure.reason, failure.message) == (
        "TaskMismatch",
        "version 1.2.3 answers binary, but the task is regression",
    )


def test_weights_alone_are_refused_with_what_to_do(tmp_path: Path) -> None:
    publish(tmp_path / "registry", model_files.state_dict(tmp_path / "model.pt2"), pair())
    failure = _failure(tmp_path)
    assert failure.reason == "NotAModel"
    assert "torch.export.save" in failure.message


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'{"features": {"age": [{"step": "hash"}]}}', id="unknown step"),
        pytest.param(Preprocessing(features={"zip": ()}).model_dump_json().encode(), id="unknown feature"),
        pytest.param(
            Preprocessing(features={"age": (Encode(method="one-hot"),)}).model_dump_json().encode(), id="misfit step"
        ),
    ],
)
def test_preprocessing_that_cannot_work_is_refused(tmp_path: Path, document: bytes) -> None:
    files = {"preprocessing.json": document}
    publish(tmp_path / "registry", _logistic(tmp_path), PEOPLE, example=PERSON, more_files=files)
    assert _failure(tmp_path).reason == "PreprocessingInvalid"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair())
    path = tmp_path / "registry" / "versions" / "1.2.3" / TORCHSCRIPT
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert _failure(tmp_path).reason == "ChecksumMismatch"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair())
    (tmp_path / "registry" / "versions" / "1.2.3" / TORCHSCRIPT).unlink()
    assert _failure(tmp_path).reason == "NotFound"


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair())
    path = tmp_path / "registry" / "versions" / "1.2.3" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "1.2.4"}))
    assert _failure(tmp_path).reason == "CorruptManifest"


def test_a_cache_that_is_a_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "registry", _logistic(tmp_path), pair())
    (tmp_path / "cache").write_text("in the way")
    failure = _failure(tmp_path)
    assert failure.reason == "CacheUnwritable"
    assert "MODELLOOP_CACHE_DIR" in failure.message
