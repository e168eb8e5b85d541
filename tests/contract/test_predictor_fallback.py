"""A real predictor whose model raises, answers NaN, hangs or is overrun: callers get the declared fallback, marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import torch
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from modelloop_core.manifest import ModelFormat
from modelloop_core.wire.environment import EXIT_PERMANENT
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import PEOPLE, pair, publish

RULES = {
    "rules": [{"feature": "second", "op": "gt", "value": 50, "prediction": 0.9}],
    "constant": 0.1,
}


@contextmanager
def serving(folder: Path, model: torch.nn.Module, **settings: object) -> Iterator[PredictorProcess]:
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), example=(1.0, 2.0))
    given = {"timeout_seconds": 10, "fallback": json.dumps(RULES), **settings}
    with PredictorProcess(folder, given) as predictor:
        yield predictor.until_ready()


def infer_body(*rows: list[float]) -> dict[str, Any]:
    data = [cell for row in rows for cell in row]
    return {"inputs": [{"name": "features", "datatype": "FP64", "shape": [len(rows), 2], "data": data}]}


def metric(predictor: PredictorProcess, name: str) -> float:
    for line in predictor.get("/metrics").text.splitlines():
        if line.startswith(f"modelloop_predictor_{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param(model_files.RaisesAboveHundred, "ModelFailed", id="it raises"),
        pytest.param(model_files.NaNAboveHundred, "BadOutput", id="it answers NaN"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["below ASGI", "through ASGI"])
def test_a_models_fault_is_answered_for(
    tmp_path: Path, model: type[torch.nn.Module], reason: str, *, chunked: bool
) -> None:
    with serving(tmp_path, model()) as predictor, httpx.Client(base_url=predictor.url) as client:

        def ask(path: str, body: dict[str, Any]) -> httpx.Response:
            content = json.dumps(body).encode()
            headers = {"content-type": "application/json"}
            return client.post(path, content=iter([content]) if chunked else content, headers=headers)

        for _ in range(3):  # the head of the later ones is known
            answer = ask("/predict", {"features": [101, 0]})
            assert (answer.status_code, answer.headers["x-model-fallback"]) == (200, reason)
            assert (answer.json()["prediction"], answer.headers["x-model-version"]) == (0.1, "v1.2.3")
        many = ask("/predict", {"instances": [[101, 51], [101, 50]]})
        assert (many.json()["predictions"], many.headers["x-model-fallback"]) == ([0.9, 0.1], reason)
        tensors = ask("/v2/models/model/infer", infer_body([101, 51], [101, 50]))
        assert (tensors.json()["outputs"][0]["data"], tensors.headers["x-model-fallback"]) == ([0.9, 0.1], reason)
        good, bad = ask("/predict", {"features": [1, 2]}), ask("/predict", {"features": [101]})
        assert (good.status_code, bad.status_code) == (200, 422)
        assert not {"x-model-fallback"} & {*good.headers, *bad.headers}
        assert metric(predictor, f'fallbacks_total{{reason="{reason}"}}') == 5
        assert metric(predictor, "predictions_total") == 1
        assert metric(predictor, 'requests_total{code="200"}') == 6
        assert f'errors_total{{reason="{reason}"}}' not in predictor.get("/metrics").text
        eventually(lambda: len(predictor.named("request")) == 7, "seven lines of the access log", predictor.describe)
        assert [line.get("fallback") for line in predictor.named("request")] == [reason] * 5 + [None] * 2


def test_grpc_has_it_in_its_metadata(tmp_path: Path) -> None:
    with (
        serving(tmp_path, model_files.RaisesAboveHundred(), grpc_port=0) as predictor,
        grpc.insecure_channel(predictor.grpc_address) as channel,
    ):
        tensor = {"name": "features", "datatype": "FP64", "shape": [1, 2], "contents": {"fp64_contents": [101, 51]}}
        request = pb.ModelInferRequest(model_name="model", inputs=[tensor])
        answer, call = GRPCInferenceServiceStub(channel).ModelInfer.with_call(request)
        assert list(answer.outputs[0].contents.fp64_contents) == [0.9]
        assert dict(call.trailing_metadata())["x-model-fallback"] == "ModelFailed"
        assert metric(predictor, 'fallbacks_total{reason="ModelFailed"}') == 1


def to_version(folder: Path, model: torch.nn.Module) -> dict[str, object]:
    """Settings for another version as the fallback, which is published here."""
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), number="1.0.0", example=(1.0, 2.0))
    return {"fallback": json.dumps({"version": "1.0.0"}), "batch_max_size": 2, "grpc_port": 0}


@pytest.mark.parametrize("chunked", [False, True], ids=["below ASGI", "through ASGI"])
def test_an_older_version_answers_under_its_own_name(tmp_path: Path, *, chunked: bool) -> None:
    settings = to_version(tmp_path, model_files.Logistic())
    with (
        serving(tmp_path, model_files.RaisesAboveHundred(), **settings) as predictor,
        httpx.Client(base_url=predictor.url) as client,
    ):

        def ask(path: str, body: dict[str, Any]) -> httpx.Response:
            content = json.dumps(body).encode()
            headers = {"content-type": "application/json"}
            return client.post(path, content=iter([content]) if chunked else content, headers=headers)

        def told(answer: httpx.Response) -> list[str | None]:
            found = [answer.headers.get(name) for name in ("x-model-version", "x-model-fallback")]
            return [answer.json().get("model_version"), *found]

        by_older, by_served = ["v1.0.0", "v1.0.0", "ModelFailed"], ["v1.2.3", "v1.2.3", None]
        for _ in range(3):  # the head of the later ones is known
            older = ask("/predict", {"features": [101, -101]})
            assert (older.json()["prediction"], told(older)) == (0.5, by_older)
            assert told(ask("/predict", {"features": [1, 2]})) == by_served
        many = ask("/predict", {"instances": [[101, -101]] * 2})
        assert (many.json()["predictions"], told(many)) == ([0.5, 0.5], by_older)
        tensors = ask("/v2/models/model/infer", infer_body([101, -101]))
        assert (tensors.json()["outputs"][0]["data"], told(tensors)) == ([0.5], by_older)
        assert told(ask("/v2/models/model/infer", infer_body([1, 2]))) == by_served
        named = infer_body([101, -101]) | {"outputs": [{"name": "prediction"}]}
        assert told(ask("/v2/models/model/infer", named)) == by_older
        too_many = ask("/predict", {"instances": [[101, -101]] * 3})
        assert (too_many.status_code, told(too_many)) == (500, [None, "v1.2.3", None])
        assert metric(predictor, 'fallbacks_total{reason="ModelFailed"}') == 6
        assert metric(predictor, "predictions_total") == 4
        eventually(lambda: len(predictor.named("request")) == 11, "eleven lines of the access log", predictor.describe)
        lines = [line.get("answered_by") for line in predictor.named("request") if line.get("fallback")]
        assert lines == ["v1.0.0"] * 6


def test_grpc_has_the_older_versions_name(tmp_path: Path) -> None:
    settings = to_version(tmp_path, model_files.Logistic())
    with (
        serving(tmp_path, model_files.RaisesAboveHundred(), **settings) as predictor,
        grpc.insecure_channel(predictor.grpc_address) as channel,
    ):
        for row, version in (([101, -101], "v1.0.0"), ([1, 2], "v1.2.3")):
            tensor = {"name": "features", "datatype": "FP64", "shape": [1, 2], "contents": {"fp64_contents": row}}
            request = pb.ModelInferRequest(model_name="model", inputs=[tensor])
            answer, call = GRPCInferenceServiceStub(channel).ModelInfer.with_call(request)
            assert (answer.model_version, dict(call.trailing_metadata())["x-model-version"]) == (version, version)


def test_an_older_version_answers_for_a_model_that_hangs(tmp_path: Path) -> None:
    settings = to_version(tmp_path, model_files.Logistic())
    slow = {"timeout_seconds": 0.4, "max_queue": 2}
    with serving(tmp_path, model_files.SlowAboveHundred(), **settings, **slow) as predictor:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(predictor.predict, [{"features": [101, -101]}] * 6))
        assert {answer.headers["x-model-fallback"] for answer in answers} == {"DeadlineExceeded", "QueueFull"}
        assert {(answer.json()["prediction"], answer.json()["model_version"]) for answer in answers} == {
            (0.5, "v1.0.0")
        }
        predictor.until_unready("ModelStuck")
        stuck = predictor.predict({"features": [1, -1]})
        assert (stuck.json()["model_version"], stuck.headers["x-model-fallback"]) == ("v1.0.0", "ModelStuck")


def test_an_older_version_with_another_signature_ends_the_process(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, PEOPLE, number="1.0.0")
    publish(tmp_path / "registry", path, pair(), example=(1.0, 2.0))
    with PredictorProcess(tmp_path, {"fallback": json.dumps({"version": "1.0.0"})}) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        told = json.loads(predictor.termination_log.read_text())
    assert told["reason"] == "FallbackInvalid"
    assert told["message"].startswith(
        "serving.fallback.version 1.0.0 does not fit version 1.2.3: it takes the features age, income"
    )


def test_a_model_that_hangs_is_answered_for_until_the_restart(tmp_path: Path) -> None:
    with serving(tmp_path, model_files.SlowAboveHundred(), timeout_seconds=0.4, max_queue=2) as predictor:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(predictor.predict, [{"features": [101, 51]}] * 6))
        reasons = {answer.headers["x-model-fallback"] for answer in answers}
        assert reasons == {"DeadlineExceeded", "QueueFull"}
        assert [(answer.status_code, answer.json()["prediction"]) for answer in answers] == [(200, 0.9)] * 6
        with ThreadPoolExecutor(6) as pool:
            refused = list(pool.map(predictor.predict, [{"features": [101]}, {"features": [1e39, 1]}] * 3))
        assert {answer.status_code for answer in refused} == {422}
        predictor.until_unready("ModelStuck")
        assert predictor.get("/healthz").status_code == 503
        stuck = predictor.predict({"features": [1, 2]})
        assert (stuck.status_code, stuck.headers["x-model-fallback"]) == (200, "ModelStuck")


def test_a_fallback_that_does_not_fit_ends_the_process_with_its_reason(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, pair(), example=(1.0, 2.0))
    with PredictorProcess(tmp_path, {"fallback": json.dumps({"constant": "yes"})}) as predictor:
        assert predictor.exit_code() == EXIT_PERMANENT
        told = json.loads(predictor.termination_log.read_text())
    assert told == {
        "reason": "FallbackInvalid",
        "message": "serving.fallback does not fit version 1.2.3: constant: the model answers a number, "
        "found the text 'yes'",
    }
