"""Another version as the fallback: which one may be it, what it answers, and under which name."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from modelloop_core.fallback import Fallback
from modelloop_core.feature_schema import NumericFeature, Signature
from modelloop_core.inference import BadOutput, Float64s, ModelFailed
from modelloop_core.manifest import ModelFormat
from modelloop_core.storage.port import Unavailable
from modelloop_core.versions import Version
from modelloop_predictor.accounts import Exchange
from modelloop_predictor.answers import Values
from modelloop_predictor.failures import Failure
from modelloop_predictor.loader import Loader
from modelloop_predictor.older_version import OlderVersion
from modelloop_predictor.predicting import _Awaited
from modelloop_predictor.problems import DEADLINE, ProblemError
from support import model_files
from support.open_inference import infer, tensor
from support.predictor_inside import Predictor, settings_for
from support.published import A_VALUE, THREE_CLASSES, pair, publish
from support.replaced_model import Scores, hanging, replace_model

OLDER = {"version": "1.0.0"}
ROW = {"features": [1, 2]}
OLDERS_ANSWER = pytest.approx(1 / (1 + np.exp(-1.5)))
NO_MODEL_COULD_SAY = 0.25


def put(
    folder: Path,
    number: str,
    model: torch.nn.Module,
    signature: Signature | None = None,
    example: tuple[float, ...] = (1.0, 2.0),
) -> None:
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, signature or pair(), number=number, example=example)


def started(folder: Path, **changes: object) -> Predictor:
    put(folder, "1.0.0", model_files.Logistic())
    put(folder, "1.2.3", model_files.Logistic())
    predictor = Predictor(settings_for(folder, fallback=OLDER, **changes))
    assert predictor.load(folder / "registry") is None
    return predictor


def fails(predictor: Predictor, error: Exception) -> None:
    """Let the served model raise from now on."""

    def fail(rows: Float64s) -> Float64s:
        raise error

    replace_model(predictor, fail)


def replace_older(predictor: Predictor, call: Callable[[Float64s], Float64s]) -> None:
    """Let `call` answer in the place of the fallback's model."""
    served = predictor.serving.version
    assert served is not None
    assert isinstance(served.fallback, OlderVersion)
    older = OlderVersion(dataclasses.replace(served.fallback.version, scorer=Scores(call)), most_rows=64)
    predictor.serving.install(dataclasses.replace(served, fallback=older))


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        pytest.param({**OLDER, "constant": 0.5}, "give it alone", id="a constant beside it"),
        pytest.param(
            {**OLDER, "rules": [{"feature": "a", "op": "eq", "value": 1, "prediction": 1}]},
            "give it alone",
            id="rules beside it",
        ),
        pytest.param({}, "or a version alone", id="nothing at all"),
        pytest.param({"version": "1.x"}, "should match pattern", id="a range"),
        pytest.param({"version": "v1.0.0"}, "should match pattern", id="a letter before it"),
        pytest.param({"version": "1.0.0-01"}, "should match pattern", id="no pre-release"),
    ],
)
def test_a_declaration_that_is_none_is_refused(declared: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Fallback.model_validate(declared)


@pytest.mark.parametrize(("error", "reason"), [(ModelFailed("raised"), "ModelFailed"), (BadOutput("NaN"), "BadOutput")])
def test_it_answers_under_its_own_name_and_says_why(tmp_path: Path, error: Exception, reason: str) -> None:
    with started(tmp_path) as predictor:
        fails(predictor, error)
        answer = predictor.predict({**ROW, "request_id": "mine"})
        assert answer.json() == {"prediction": OLDERS_ANSWER, "model_version": "v1.0.0", "request_id": "mine"}
        assert (answer.headers["x-model-version"], answer.headers["x-model-fallback"]) == ("v1.0.0", reason)
        tensors = infer(predictor, [tensor("features", "FP32", [1, 2], [1, 2])])
        assert (tensors.json()["model_version"], tensors.headers["x-model-version"]) == ("v1.0.0", "v1.0.0")
        assert tensors.json()["outputs"][0]["data"] == [OLDERS_ANSWER]
        assert predictor.metric("fallbacks_total", reason=reason) == 2
        assert predictor.metric("predictions_total") == predictor.metric("errors_total", reason=reason) == 0


def test_without_a_fault_the_served_version_answers(tmp_path: Path) -> None:
    with started(tmp_path) as predictor:
        replace_older(predictor, lambda rows: np.full(len(rows), NO_MODEL_COULD_SAY))
        answer = predictor.predict(ROW)
        assert (answer.json()["prediction"], answer.headers["x-model-version"]) == (OLDERS_ANSWER, "v1.2.3")
        assert "x-model-fallback" not in answer.headers


def test_it_answers_for_lateness_and_a_full_queue(tmp_path: Path) -> None:
    with started(tmp_path, max_queue=2, timeout_seconds=0.2) as predictor:
        with hanging(predictor):
            found = predictor.ask_all([("POST", "/predict", {"json": ROW})] * 5)
        told = sorted((answer.headers["x-model-fallback"], answer.json()["model_version"]) for answer in found)
        assert told == [("DeadlineExceeded", "v1.0.0")] * 2 + [("QueueFull", "v1.0.0")] * 3


@pytest.mark.parametrize(
    ("rows", "code", "version"),
    [
        pytest.param(4, 200, "v1.0.0", id="a batch"),
        pytest.param(5, 500, "v1.2.3", id="one more"),
    ],
)
def test_more_rows_than_a_batch_get_the_error_as_it_was(tmp_path: Path, rows: int, code: int, version: str) -> None:
    with started(tmp_path, batch_max_size=4) as predictor:
        fails(predictor, ModelFailed("raised"))
        answer = predictor.predict({"instances": [[1, 2]] * rows})
        assert (answer.status_code, answer.headers["x-model-version"]) == (code, version)
        assert answer.json().get("reason") == (None if code == 200 else "ModelFailed")


def test_where_it_fails_as_well_the_error_is_the_served_models(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with started(tmp_path) as predictor:
        fails(predictor, BadOutput("not finite"))

        def fail(rows: Float64s) -> Float64s:
            raise ModelFailed("the older one")

        replace_older(predictor, fail)
        answer = predictor.predict(ROW)
        assert (answer.status_code, answer.json()["reason"]) == (500, "BadOutput")
        assert answer.headers["x-model-version"] == "v1.2.3"
        assert "fallback-failed" in [record.message for record in caplog.records]


def test_whoever_fails_a_request_has_its_fallback_answer_at_once(tmp_path: Path) -> None:
    """So that who has many to fail can let others get their turn between."""
    with started(tmp_path) as predictor:
        version = predictor.serving.version
        assert version is not None

        async def story() -> None:
            outcome: asyncio.Future[Values] = asyncio.get_running_loop().create_future()
            exchange = Exchange("late", None, "/predict")
            _Awaited(version, np.array([[1.0, 2.0]]), exchange, outcome).fail(ProblemError(DEADLINE, "late"))
            assert outcome.done()
            assert outcome.result() == [OLDERS_ANSWER]
            assert (exchange.fallback, exchange.answered_by) == ("DeadlineExceeded", "v1.0.0")

        asyncio.run(story())


def test_an_invalid_request_is_refused_whatever_the_model_does(tmp_path: Path) -> None:
    with started(tmp_path) as predictor:
        fails(predictor, ModelFailed("raised"))
        assert predictor.predict({"features": [1, 1e39]}).status_code == 422


class Slow(torch.nn.Module):
    """sigmoid(mean) after many products for each row."""

    def __init__(self) -> None:
        super().__init__()
        self.square = torch.nn.Parameter(torch.zeros(2500, 2500))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.mean(dim=1, keepdim=True).expand(-1, 2500)
        return torch.sigmoid((wide + wide @ self.square @ self.square @ self.square).mean(dim=1))


FIRST, OUTPUT = NumericFeature(name="first"), pair().output
BOUNDED = Signature(inputs=(FIRST, NumericFeature(name="second", minimum=0)), output=OUTPUT)
OTHERS = Signature(inputs=(FIRST, NumericFeature(name="third")), output=OUTPUT)


@pytest.mark.parametrize(
    ("model", "signature", "told"),
    [
        pytest.param(model_files.Logistic, OTHERS, "takes the features first, third, and the served", id="features"),
        pytest.param(model_files.Logistic, BOUNDED, '"minimum":0.0', id="a bound"),
        pytest.param(model_files.ThreeClasses, pair(THREE_CLASSES), "its output is", id="another task"),
        pytest.param(model_files.Mean, pair(A_VALUE), "its output is", id="another output"),
        pytest.param(Slow, pair(), " ms is the most for a model that answers between", id="slow"),
        pytest.param(model_files.SlowAboveHundred, pair(), "loops or sizes that depend on values", id="open-ended"),
    ],
)
def test_a_version_that_cannot_stand_in_ends_the_start(
    tmp_path: Path, model: Callable[[], torch.nn.Module], signature: Signature, told: str
) -> None:
    put(tmp_path, "1.0.0", model(), signature)
    put(tmp_path, "1.2.3", model_files.Logistic())
    failure = failed(tmp_path, OLDER)
    assert failure.message.startswith("serving.fallback.version 1.0.0 does not fit version 1.2.3: ")
    assert told in failure.message
    assert "give constant or rules" in failure.message


def failed(folder: Path, declared: dict[str, str]) -> Failure:
    with Predictor(settings_for(folder, fallback=declared)) as predictor:
        failure = predictor.load(folder / "registry")
        assert failure is not None
        assert (failure.reason, failure.permanent) == ("FallbackInvalid", True)
        assert predictor.ask("GET", "/readyz").status_code == 503
        return failure


def test_the_served_version_is_no_fallback_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, "1.2.3", model_files.Logistic())
    assert "it is the version that is served" in failed(tmp_path, {"version": "1.2.3"}).message


def test_a_version_that_is_not_there_is_told_as_the_fallbacks(tmp_path: Path) -> None:
    put(tmp_path, "1.2.3", model_files.Logistic())
    message = failed(tmp_path, OLDER).message
    assert message.startswith("serving.fallback.version 1.0.0: ")
    assert message.endswith("(VersionNotFound); name a version that is published and works, or give constant or rules")


def test_a_version_that_cannot_answer_is_told_as_the_fallbacks(tmp_path: Path) -> None:
    put(tmp_path, "1.0.0", model_files.NaNAboveHundred(), example=(101.0, 0.0))
    put(tmp_path, "1.2.3", model_files.Logistic())
    assert "(BadOutput)" in failed(tmp_path, OLDER).message


def test_a_store_that_is_away_for_the_fallback_alone_is_asked_again(tmp_path: Path) -> None:
    class Source:
        def download(self, version: Version, folder: Path) -> Path:
            if str(version) == "1.0.0":
                raise Unavailable("silent")
            return folder

    told: list[str] = []

    with Predictor(settings_for(tmp_path, fallback=OLDER)) as predictor:

        def wait(seconds: float) -> bool:
            told.append(predictor.ask("GET", "/readyz").json()["detail"])
            return len(told) == 2

        Loader(predictor.serving, Source, wait=wait, on_failure=lambda failure: pytest.fail(failure.message)).run()
    assert told[0] == "Unavailable: serving.fallback.version 1.0.0: silent; trying again in 1 s"
