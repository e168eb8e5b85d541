"""What a declared fallback may say of a version, what it answers, for which faults, and how that is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelloop_core.fallback import Fallback
from modelloop_core.feature_schema import Output, RegressionOutput, Signature
from modelloop_core.inference import BadOutput, Float64s, ModelFailed, OutOfMemory
from modelloop_core.manifest import ModelFormat
from modelloop_predictor.fallback import FallbackAnswers, FallbackMisfit
from modelloop_predictor.model_thread import ModelThread
from support import model_files
from support.open_inference import infer, tensor
from support.predictor_inside import Predictor, Start, settings_for
from support.published import A_VALUE, PEOPLE, THREE_CLASSES, pair, publish
from support.replaced_model import hanging, replace_model

NAN = math.nan
HALF = {"constant": 0.5}
OLD_PEOPLE = {"feature": "age", "op": "ge", "value": 65, "prediction": 0.9}
ROW = {"features": [1, 2]}


def answers(declared: dict[str, Any], signature: Signature = PEOPLE) -> FallbackAnswers:
    return FallbackAnswers(Fallback.model_validate(declared), signature)


def rule(feature: str, op: str, value: Any, prediction: Any = 0.9) -> dict[str, Any]:
    return {"rules": [{"feature": feature, "op": op, "value": value, "prediction": prediction}]}


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        pytest.param(
            rule("zip", "eq", 1),
            "rules[0].feature: the model has no feature 'zip'; it takes age, income",
            id="no such feature",
        ),
        pytest.param(
            rule("region", "lt", "north"), "rules[0].op: lt needs numbers, but region has none", id="order of levels"
        ),
        pytest.param(
            rule("member", "ge", 1), "rules[0].op: ge needs numbers, but member has none", id="order of flags"
        ),
        pytest.param(
            rule("age", "gt", 121), "rules[0].value: age: 121 is outside [0, 120]", id="a value above the maximum"
        ),
        pytest.param(
            rule("age", "lt", -1), "rules[0].value: age: -1 is outside [0, 120]", id="a value below the minimum"
        ),
        pytest.param(
            rule("age", "eq", 31.5), "rules[0].value: age: expected a whole number", id="a fraction of whole numbers"
        ),
        pytest.param(rule("age", "eq", "31"), "rules[0].value: age: expected a whole number", id="text for a number"),
        pytest.param(rule("age", "eq", True), "rules[0].value: age: expected a whole number", id="a flag for a number"),
        pytest.param(rule("income", "gt", 1e39), "(float32)", id="a value beyond float32"),
        pytest.param(
            rule("member", "eq", 2), "rules[0].value: member: expected true, false, 0 or 1", id="2 for a flag"
        ),
        pytest.param(
            rule("region", "eq", "east"),
            "rules[0].value: 'east' is no level of region, which has north, south, 3",
            id="no such level",
        ),
        pytest.param(
            rule("device", "eq", "toaster"),
            "rules[0].value: 'toaster' is no level of device",
            id="a level that an open feature does not list",
        ),
        pytest.param(rule("age", "ge", 65, 1.1), "rules[0].prediction: 1.1 is no probability", id="above one"),
        pytest.param({"constant": -0.1}, "constant: -0.1 is no probability", id="below zero"),
        pytest.param(
            {"constant": "high"},
            "constant: the model answers a number, found the text 'high'",
            id="text for a probability",
        ),
        pytest.param(
            {"constant": True}, "constant: the model answers a number, found true", id="a flag for a probability"
        ),
        pytest.param(
            {"rules": [OLD_PEOPLE, {**OLD_PEOPLE, "feature": "zip"}]}, "rules[1].feature", id="the second rule"
        ),
    ],
)
def test_what_the_signature_excludes_is_refused_with_its_place(declared: dict[str, Any], told: str) -> None:
    with pytest.raises(FallbackMisfit) as refused:
        answers(declared)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("output", "prediction", "told"),
    [
        pytest.param(
            THREE_CLASSES, "violet", "'violet' is no class of the model, which has red, green, blue", id="no class"
        ),
        pytest.param(THREE_CLASSES, 0.5, "0.5 is no class", id="a probability for a class"),
        pytest.param(A_VALUE, "red", "answers a number", id="a class for a value"),
        pytest.param(RegressionOutput(names=("low", "high")), 1, "several values (low, high)", id="one of two values"),
    ],
)
def test_a_prediction_that_the_output_excludes_is_refused(output: Output, prediction: Any, told: str) -> None:
    with pytest.raises(FallbackMisfit, match=r"^constant: ") as refused:
        answers({"constant": prediction}, pair(output))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("feature", "op", "value", "cells", "met"),
    [
        pytest.param("age", "lt", 30, [29, 30, 31], [True, False, False], id="less"),
        pytest.param("age", "le", 30, [29, 30, 31], [True, True, False], id="at most"),
        pytest.param("age", "gt", 30, [29, 30, 31], [False, False, True], id="more"),
        pytest.param("age", "ge", 30, [29, 30, 31], [False, True, True], id="at least"),
        pytest.param("age", "eq", 30, [29, 30, 31], [False, True, False], id="equal"),
        pytest.param("age", "ne", 30, [29, 30, 31], [True, False, True], id="other"),
        pytest.param("income", "le", 0.1, [np.float32(0.1), 0.1], [True, True], id="a float32 equals its decimal"),
        pytest.param("income", "ne", 5, [NAN, 5, 6], [False, False, True], id="null meets no rule"),
        pytest.param("member", "eq", True, [0, 1], [False, True], id="a flag"),
        pytest.param("region", "eq", 3, [0, 1, 2], [False, False, True], id="a level that is a number"),
        pytest.param(
            "device", "ne", "phone", [0, 1, -1, NAN], [False, True, True, False], id="an unseen level is another"
        ),
    ],
)
def test_a_rule_is_met(feature: str, op: str, value: Any, cells: list[float], met: list[bool]) -> None:
    rows = np.zeros((len(cells), len(PEOPLE.inputs)))
    rows[:, PEOPLE.feature_names.index(feature)] = cells
    found = answers({**rule(feature, op, value), "constant": 0.1}).answer(rows)
    assert found == [0.9 if meets else 0.1 for meets in met]


def test_the_first_rule_that_a_row_meets_is_taken() -> None:
    declared = {"rules": [OLD_PEOPLE, {**OLD_PEOPLE, "value": 30, "prediction": 0.4}], "constant": 0.1}
    rows = np.array([[age, 0, 0, 0, 0] for age in (70, 40, 20)], dtype=np.float64)
    assert answers(declared).answer(rows) == [0.9, 0.4, 0.1]


def test_without_a_constant_each_row_has_to_meet_a_rule() -> None:
    rows = np.array([[70, 0, 0, 0, 0], [20, 0, 0, 0, 0]], dtype=np.float64)
    assert answers({"rules": [OLD_PEOPLE]}).answer(rows[:1]) == [0.9]
    assert answers({"rules": [OLD_PEOPLE]}).answer(rows) is None


def raising(error: Exception) -> Any:
    def fail(rows: Float64s) -> Float64s:
        raise error

    return fail


FAULTS = [
    pytest.param(ModelFailed("raised"), "ModelFailed", id="the model raises"),
    pytest.param(BadOutput("not finite"), "BadOutput", id="the model answers NaN"),
    pytest.param(OutOfMemory("gone"), "OutOfMemory", id="no memory"),
    pytest.param(ZeroDivisionError("ours"), "InternalError", id="a bug of ours"),
]


@pytest.mark.parametrize(("error", "reason"), FAULTS)
def test_it_answers_for_the_models_faults_and_says_so(started: Start, error: Exception, reason: str) -> None:
    predictor = started(model_files.Logistic(), fallback=HALF)
    replace_model(predictor, raising(error))
    answer = predictor.predict({**ROW, "request_id": "mine"})
    assert (answer.status_code, answer.headers["x-model-fallback"]) == (200, reason)
    assert answer.json() == {"prediction": 0.5, "model_version": "v1.2.3", "request_id": "mine"}
    assert answer.headers["x-model-version"] == "v1.2.3"


def test_many_instances_each_get_their_own(started: Start) -> None:
    declared = {**rule("first", "gt", 10), **HALF}
    predictor = started(model_files.Logistic(), fallback=declared)
    replace_model(predictor, raising(ModelFailed("raised")))
    answer = predictor.predict({"instances": [[11, 0], [10, 0]]})
    assert answer.json()["predictions"] == [0.9, 0.5]


def test_the_open_inference_protocol_has_it_too(started: Start) -> None:
    predictor = started(model_files.Logistic(), fallback={**rule("first", "gt", 10), **HALF})
    replace_model(predictor, raising(ModelFailed("raised")))
    answer = infer(predictor, [tensor("features", "FP32", [2, 2], [11, 0, 10, 0])])
    assert (answer.status_code, answer.headers["x-model-fallback"]) == (200, "ModelFailed")
    assert answer.json()["outputs"][0]["data"] == [0.9, 0.5]


def test_a_class_is_certain_of_itself(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES, fallback={"constant": "green"})
    replace_model(predictor, raising(ModelFailed("raised")))
    answer = predictor.predict(ROW).json()
    assert (answer["prediction"], answer["probabilities"]) == ("green", {"red": 0.0, "green": 1.0, "blue": 0.0})
    outputs = infer(predictor, [tensor("features", "FP32", [1, 2], [1, 2])]).json()["outputs"]
    assert [output["data"] for output in outputs] == [["green"], [0.0, 1.0, 0.0]]


def test_a_regression_has_its_value(started: Start) -> None:
    predictor = started(model_files.Mean(), A_VALUE, fallback={"constant": 12})
    replace_model(predictor, raising(ModelFailed("raised")))
    assert predictor.predict(ROW).json()["prediction"] == 12.0


def test_a_late_model_and_a_full_queue_are_covered(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_queue=2, timeout_seconds=0.2, fallback=HALF)
    with hanging(predictor):
        found = predictor.ask_all([("POST", "/predict", {"json": ROW})] * 5)
    assert {answer.status_code for answer in found} == {200}
    reasons = sorted(answer.headers["x-model-fallback"] for answer in found)
    assert reasons == ["DeadlineExceeded"] * 2 + ["QueueFull"] * 3


@contextmanager
def stuck(folder: Path, seen: Predictor) -> Iterator[Predictor]:
    """A predictor of the version in `seen`, whose model has hung for longer than anybody waits for it."""
    now = [0.0]
    assert seen.serving.version is not None
    with Predictor(settings_for(folder, timeout_seconds=1), ModelThread(clock=lambda: now[0])) as predictor:
        predictor.serving.install(seen.serving.version)
        with hanging(predictor):
            predictor.predict(ROW)
            now[0] = 100.0
            yield predictor


def test_a_model_that_hangs_is_covered_at_once_while_the_pod_waits_for_its_restart(
    tmp_path: Path, started: Start
) -> None:
    with stuck(tmp_path, started(model_files.Logistic(), fallback=HALF)) as predictor:
        answer = predictor.predict(ROW)
        assert (answer.status_code, answer.headers["x-model-fallback"]) == (200, "ModelStuck")
        assert predictor.ask("GET", "/healthz").status_code == 503
        assert predictor.ask("GET", "/readyz").status_code == 503


def test_a_row_that_meets_no_rule_gets_the_original_error(started: Start) -> None:
    predictor = started(model_files.Logistic(), fallback=rule("first", "gt", 10))
    replace_model(predictor, raising(ModelFailed("raised")))
    answer = predictor.predict({"instances": [[11, 0], [10, 0]]})
    assert (answer.status_code, answer.json()["reason"]) == (500, "ModelFailed")
    assert "x-model-fallback" not in answer.headers


@pytest.mark.parametrize("body", [{"features": [1]}, {"features": [1, "x"]}, {"features": [1, 1e39]}, {}, []])
def test_an_invalid_request_is_refused_whatever_the_model_does(started: Start, body: Any) -> None:
    predictor = started(model_files.Logistic(), fallback=HALF)
    replace_model(predictor, raising(ModelFailed("raised")))
    answer = predictor.predict(body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "InvalidRequest")


def test_without_a_fault_the_model_answers(started: Start) -> None:
    answer = started(model_files.Mean(), A_VALUE, fallback={"constant": -1}).predict(ROW)
    assert answer.json()["prediction"] == 1.5
    assert "x-model-fallback" not in answer.headers


def test_it_is_counted_apart_from_predictions_and_errors(started: Start) -> None:
    predictor = started(model_files.RaisesAboveHundred(), fallback={**rule("first", "gt", 200), "constant": None})
    for first in (1, 101, 201, 202):
        predictor.predict({"features": [first, 0]})
    assert predictor.metric("fallbacks_total", reason="ModelFailed") == 2
    assert predictor.metric("errors_total", reason="ModelFailed") == 1
    assert predictor.metric("predictions_total") == 1
    assert (predictor.metric("requests_total", code="200"), predictor.metric("requests_total", code="500")) == (3, 1)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        pytest.param(rule("third", "gt", 10), "the model has no feature 'third'; it takes first, second", id="rule"),
        pytest.param({"constant": 7}, "constant: 7 is no probability", id="constant"),
    ],
)
def test_a_fallback_that_can_never_answer_ends_the_start(tmp_path: Path, declared: dict[str, Any], told: str) -> None:
    path = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, pair(), example=(1.0, 2.0))
    with Predictor(settings_for(tmp_path, fallback=declared)) as predictor:
        failure = predictor.load(tmp_path / "registry")
    assert failure is not None
    assert (failure.reason, failure.permanent) == ("FallbackInvalid", True)
    assert failure.message.startswith("serving.fallback does not fit version 1.2.3: ")
    assert told in failure.message
