from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from support import model_files
from support.open_inference import INFER, infer, person, refusal, tensor
from support.predictor_inside import Predictor, Start
from support.published import A_VALUE, THREE_CLASSES

SCORE = 1 / (1 + math.exp(-(-0.9 + 2.5 + 1 + 1 + 1) / 8))
PAIR = [tensor("features", "FP32", [2, 2], [1, 2, 3, 4])]
TWO_SCORES = pytest.approx([1 / (1 + math.exp(-1.5)), 1 / (1 + math.exp(-3.5))])


def test_the_answer_names_model_version_and_id(people: Predictor) -> None:
    answer = infer(people, person(), id="r-1")
    assert answer.json() == {
        "model_name": "model",
        "model_version": "v1.2.3",
        "id": "r-1",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [1], "data": [pytest.approx(SCORE)]}],
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model-version"] == "v1.2.3"
    assert answer.headers["x-request-id"] == "r-1"


def test_without_an_id_the_answer_has_the_requests(people: Predictor) -> None:
    answer = infer(people, person())
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_an_id_that_no_header_can_hold_is_echoed_all_the_same(people: Predictor) -> None:
    answer = infer(people, person(), id="line\nbreak")
    assert answer.json()["id"] == "line\nbreak"
    assert len(answer.headers["x-request-id"]) == 32


def test_an_error_keeps_the_id(people: Predictor) -> None:
    assert refusal(infer(people, [], id="mine"), 422, "InvalidRequest")["request_id"] == "mine"


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(PAIR, id="one tensor, flat"),
        pytest.param([tensor("features", "FP64", [2, 2], [[1.0, 2.0], [3.0, 4.0]])], id="one tensor, nested"),
        pytest.param([tensor("features", "INT8", [2, 2], [[1, 2], [3, 4]])], id="whole numbers"),
        pytest.param([tensor("features", "INT64", [2, 2], [1.0, 2, 3.0, 4])], id="whole numbers with a point"),
        pytest.param(
            [tensor("second", "FP32", [2], [2, 4]), tensor("first", "UINT8", [2, 1], [[1], [3]])],
            id="one tensor for each feature, in any order",
        ),
    ],
)
def test_numbers_may_come_in_several_forms(started: Start, inputs: list[dict[str, Any]]) -> None:
    answer = infer(started(model_files.Logistic()), inputs).json()
    assert answer["outputs"][0]["data"] == TWO_SCORES


@pytest.mark.parametrize("spacing", ["[ [1, 2], [3, 4] ]", "\n[[1,2],\n[3,4]]", " [1,2,3,4] "])
def test_white_space_changes_nothing(started: Start, spacing: str) -> None:
    text = json.dumps({"inputs": [tensor("features", "FP32", [2, 2], "DATA")]}).replace('"DATA"', spacing)
    answer = started(model_files.Logistic()).ask("POST", INFER, content=text)
    assert answer.json()["outputs"][0]["data"] == TWO_SCORES


def test_infer_and_predict_say_the_same(people: Predictor) -> None:
    rows = [[31, 2500.0, True, "north", "phone"], [31, None, False, "3", None], [90, -1.5, True, "south", "new"]]
    columns = dict(
        zip(["age", "income", "member", "region", "device"], map(list, zip(*rows, strict=True)), strict=True)
    )
    predicted = people.predict({"instances": rows}).json()["predictions"]
    assert infer(people, person(**columns)).json()["outputs"][0]["data"] == predicted


def test_levels_that_are_numbers_may_come_as_numbers(people: Predictor) -> None:
    as_text = infer(people, person(region=["3"])).json()
    inputs = [*(given for given in person() if given["name"] != "region"), tensor("region", "INT32", [1], [3])]
    assert infer(people, inputs).json()["outputs"] == as_text["outputs"]


def test_classes_come_as_labels_and_probabilities(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES)
    answer = infer(predictor, [tensor("features", "FP32", [2, 2], [0, 5, 9, 5])]).json()
    label, probabilities = answer["outputs"]
    assert label == {"name": "prediction", "datatype": "BYTES", "shape": [2], "data": ["green", "red"]}
    assert (probabilities["name"], probabilities["shape"]) == ("probabilities", [2, 3])
    assert np.reshape(probabilities["data"], (2, 3)).sum(axis=1) == pytest.approx([1, 1])


def test_a_regression_answers_its_values(started: Start) -> None:
    answer = infer(started(model_files.Mean(), A_VALUE), [tensor("features", "FP64", [1, 2], [100, -300])]).json()
    assert answer["outputs"][0]["data"] == [-100.0]


def test_only_the_outputs_asked_for_are_given_in_their_order(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES)
    for names in (["probabilities"], ["probabilities", "prediction"]):
        answer = infer(predictor, PAIR, outputs=[{"name": name} for name in names])
        assert [output["name"] for output in answer.json()["outputs"]] == names


def test_the_entity_travels_as_a_parameter(people: Predictor) -> None:
    assert infer(people, person(), parameters={"user_id": 12345}).status_code == 200
    refused = refusal(infer(people, person(), parameters={"user_id": True}), 422, "InvalidRequest")
    assert refused["errors"][0]["field"] == "parameters.user_id"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        pytest.param({"age": [31.5]}, "age[0]", "expected INT64, found the number 31.5", id="fraction"),
        pytest.param({"age": ["31"]}, "age[0]", "expected INT64, found the text '31'", id="text for a number"),
        pytest.param({"age": [True]}, "age[0]", "expected INT64, found true", id="a boolean is no number"),
        pytest.param({"age": [None]}, "age[0]", "age: NaN stands for null, which is not allowed", id="null"),
        pytest.param({"age": [121]}, "age[0]", "age: 121.0 is outside [0, 120]", id="above the maximum"),
        pytest.param({"age": [-1]}, "age[0]", "age: -1.0 is outside [0, 120]", id="below the minimum"),
        pytest.param({"age": [2**70]}, "age[0]", "is no INT64", id="a huge whole number"),
        pytest.param({"income": [4e38]}, "income[0]", "outside", id="more than a float32 holds"),
        pytest.param({"member": [1]}, "member[0]", "expected BOOL, found the number 1", id="a number as BOOL"),
        pytest.param({"region": ["west"]}, "region[0]", "'west' is none of 'north', 'south', '3'", id="unknown level"),
        pytest.param({"region": [None]}, "region[0]", "found null", id="null for a level"),
        pytest.param({"region": [3]}, "region[0]", "expected BYTES, found the number 3", id="a number as BYTES"),
    ],
)
def test_a_value_outside_the_signature_is_named(
    people: Predictor, change: dict[str, list[Any]], field: str, message: str
) -> None:
    (error,) = refusal(infer(people, person(**change)), 422, "InvalidRequest")["errors"]
    assert error["field"] == f"inputs.{field}"
    assert message in error["message"]


def test_a_value_in_the_one_tensor_is_named_by_row_and_column(started: Start) -> None:
    answer = infer(started(model_files.Logistic()), [tensor("features", "FP64", [2, 2], [1, 2, 3, 1e300])])
    (error,) = refusal(answer, 422, "InvalidRequest")["errors"]
    assert error["field"] == "inputs.features[1][1]"
    assert error["message"].startswith("second: 1e+300 is outside")


def test_many_faults_are_named_up_to_a_hundred(people: Predictor) -> None:
    rows = 300
    faulty = person(
        age=[999] * rows, income=[1.0] * rows, member=[True] * rows, region=["3"] * rows, device=["x"] * rows
    )
    assert len(refusal(infer(people, faulty), 422, "InvalidRequest")["errors"]) == 100


def test_many_unknown_tensors_are_named_up_to_a_hundred(people: Predictor) -> None:
    inputs = [tensor(f"unknown-{number}", "FP32", [1], [1]) for number in range(300)]
    assert len(refusal(infer(people, inputs), 422, "InvalidRequest")["errors"]) == 100


@pytest.mark.parametrize("rows", [1, 1000])
def test_null_in_json_is_a_missing_value_in_every_form(people: Predictor, rows: int) -> None:
    columns = person(
        age=[31.0] * rows, income=[None] * rows, member=[True] * rows, region=["3"] * rows, device=[None] * rows
    )
    answer = infer(people, columns).json()["outputs"][0]["data"]
    assert answer == people.predict({"instances": [[31, None, True, "3", None]] * rows}).json()["predictions"]


@pytest.mark.parametrize(
    ("inputs", "field", "message"),
    [
        pytest.param([], "inputs", "there are none; the model takes features", id="no tensors"),
        pytest.param(PAIR * 2, "inputs.features", "more than once", id="a name twice"),
        pytest.param([tensor("first", "FP32", [1], [1])], "inputs.second", "missing", id="a missing tensor"),
        pytest.param(
            [tensor(name, "FP32", [1], [1]) for name in ("first", "second", "third")],
            "inputs.third",
            "unknown tensor; the model takes first, second",
            id="an unknown tensor",
        ),
        pytest.param(
            [tensor("first", "FP32", [2], [1, 2]), tensor("second", "FP32", [1], [1])],
            "inputs.second",
            "has 1 rows, but first has 2",
            id="tensors of different lengths",
        ),
        pytest.param(
            [tensor("first", "FP32", [1, 2], [1, 2]), tensor("second", "FP32", [1], [1])],
            "inputs.first",
            "expected shape [rows] or [rows, 1], found [1, 2]",
            id="a wide column",
        ),
        pytest.param(
            [tensor("features", "FP32", [2], [1, 2])], "inputs.features", "shape [rows, 2]", id="one row flat"
        ),
        pytest.param(
            [tensor("features", "FP32", [1, 3], [1, 2, 3])], "inputs.features", "shape [rows, 2]", id="too wide"
        ),
        pytest.param(
            [tensor("features", "FP32", [1, 1, 2], [1, 2])], "inputs.features", "shape", id="three dimensions"
        ),
        pytest.param([tensor("features", "FP32", [], [])], "inputs.features", "expected shape", id="no dimension"),
        pytest.param([tensor("features", "FP32", [0, 2], [])], "inputs.features", "at least 1", id="no rows"),
        pytest.param(
            [tensor("features", "FP32", [-1, 2], [1, 2])], "inputs.features", "at least 1", id="negative shape"
        ),
        pytest.param(
            [tensor("features", "FP32", [2, 2**63], [1, 2])], "inputs.features", "expected shape [rows, 2]", id="huge"
        ),
        pytest.param([tensor("features", "FP32", [1, 2], [1])], "inputs.features", "expected 2 elements", id="too few"),
        pytest.param([tensor("features", "FP32", [1, 2], [1, 2, 3])], "inputs.features", "found 3", id="too many"),
        pytest.param([tensor("features", "FP32", [2, 2], [[1, 2], [3]])], "inputs.features[1]", "found 1", id="ragged"),
        pytest.param(
            [tensor("features", "FP32", [2, 2], [[1, 2], 3])], "inputs.features[1]", "the number 3", id="mixed"
        ),
        pytest.param([tensor("features", "FP32", [1, 2], "12")], "inputs.features", "expected a list", id="no list"),
        pytest.param([tensor("features", "FP32", [1, 2], [1, [2]])], "inputs.features", "", id="too deep"),
        pytest.param(
            [tensor("features", "FP16", [1, 2], [1, 2])], "inputs.features", "unknown datatype 'FP16'", id="FP16"
        ),
        pytest.param([tensor("features", "float", [1, 2], [1, 2])], "inputs.features", "unknown datatype", id="float"),
        pytest.param(
            [tensor("features", "BYTES", [1, 2], ["1", "2"])], "inputs.features", "expected numbers", id="BYTES"
        ),
        pytest.param([tensor("features", "BOOL", [1, 2], [True, True])], "inputs.features", "found BOOL", id="BOOL"),
        pytest.param([tensor("features", "INT8", [1, 2], [1, 128])], "inputs.features[1]", "is no INT8", id="overflow"),
        pytest.param(
            [tensor("features", "INT64", [1, 2], [1, 2**63])], "inputs.features[1]", "is no INT64", id="2**63"
        ),
        pytest.param([tensor("features", "UINT64", [1, 2], [1, -1])], "inputs.features[1]", "no UINT64", id="negative"),
        pytest.param(
            [{"name": "features", "datatype": "FP32", "shape": [1, 2]}], "inputs.features", "neither", id="no data"
        ),
        pytest.param(
            [PAIR[0] | {"parameters": {"content_type": "np"}}],
            "inputs.features.parameters.content_type",
            "unknown parameter",
            id="an unknown parameter of an input",
        ),
        pytest.param([PAIR[0] | {"extra": 1}], "inputs[0]", "unknown field `extra`", id="an unknown key"),
        pytest.param([PAIR[0] | {"shape": [1.0, 2]}], "inputs[0].shape[0]", "`whole number`", id="shape of floats"),
        pytest.param([PAIR[0] | {"shape": [2, 2**64]}], "inputs.features", "expected", id="a shape beyond 64 bits"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    started: Start, inputs: list[dict[str, Any]], field: str, message: str
) -> None:
    error = refusal(infer(started(model_files.Logistic()), inputs), 422, "InvalidRequest")["errors"][0]
    assert error["field"] == field
    assert message in error["message"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"outputs": [{"name": "logits"}]}, "outputs.logits", id="an unknown output"),
        pytest.param({"outputs": [{"name": "prediction"}] * 2}, "outputs.prediction", id="an output twice"),
        pytest.param(
            {"outputs": [{"name": "prediction", "parameters": {"classification": 3}}]},
            "outputs.prediction.parameters.classification",
            id="an unknown parameter of an output",
        ),
        pytest.param({"parameters": {"priority": 1}}, "parameters.priority", id="an unknown parameter"),
        pytest.param({"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output", id="a flag as 1"),
        pytest.param({"model_name": "other"}, "model_name", id="another model's name"),
        pytest.param({"instances": []}, "request", id="an unknown key"),
        pytest.param({"id": 5}, "id", id="an id that is no text"),
    ],
)
def test_nothing_is_taken_and_ignored(started: Start, more: dict[str, Any], field: str) -> None:
    error = refusal(infer(started(model_files.Logistic()), PAIR, **more), 422, "InvalidRequest")["errors"][0]
    assert error["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"inputs": [', id="half"),
        pytest.param(b'{"inputs":[{"name":"a","datatype":"FP32","shape":[1],"data":' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"inputs": [], "id": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,2],"data":[1,NaN]}]}', id="NaN"),
        pytest.param(b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,2],"data":[1,1e999]}]}', id="1e999"),
    ],
)
def test_what_is_no_json_is_refused(started: Start, body: bytes) -> None:
    refusal(started(model_files.Logistic()).ask("POST", INFER, content=body), 400, "MalformedBody")


def test_text_that_is_not_utf_8_is_no_json(people: Predictor) -> None:
    body = json.dumps({"inputs": person(region=["?"])}).encode().replace(b"?", b"\xff")
    refusal(people.ask("POST", INFER, content=body), 400, "MalformedBody")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v2/models/other/infer", id="another model"),
        pytest.param("/v2/models/model/versions/1.2.4/infer", id="another version"),
        pytest.param("/v2/models/model/versions/latest/infer", id="no version"),
    ],
)
def test_another_model_or_version_is_not_here(people: Predictor, path: str) -> None:
    refusal(infer(people, person(), path), 404, "UnknownModel")


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3"])
def test_the_version_may_be_named(people: Predictor, version: str) -> None:
    assert infer(people, person(), f"/v2/models/model/versions/{version}/infer").status_code == 200


def test_too_large_a_body_is_refused(started: Start) -> None:
    answer = infer(
        started(model_files.Logistic(), max_body_bytes=1000), [tensor("features", "FP32", [500, 2], [1] * 1000)]
    )
    refusal(answer, 413, "BodyTooLarge")


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/plain"}, {"content-encoding": "gzip"}, {"content-type": "application/octet-stream"}],
)
def test_another_content_type_is_refused(people: Predictor, headers: dict[str, str]) -> None:
    body = json.dumps({"inputs": person()})
    refusal(people.ask("POST", INFER, content=body, headers=headers), 415, "WrongContentType")


def test_pages_that_are_not_there_answer_as_the_protocol_does(people: Predictor) -> None:
    refusal(people.ask("GET", "/v2/nothing"), 404, "NotFound")
    refusal(people.ask("GET", INFER), 405, "WrongMethod")


def test_a_model_that_answers_nan_is_told_as_for_predict(started: Start) -> None:
    predictor = started(model_files.NaNAboveHundred())
    refusal(infer(predictor, [tensor("features", "FP32", [1, 2], [101, 2])]), 500, "BadOutput")
    assert predictor.metric("errors_total", reason="BadOutput") == 1
