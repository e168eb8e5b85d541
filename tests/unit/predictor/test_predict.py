from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_inside import Predictor, Start, settings_for
from support.published import A_VALUE, THREE_CLASSES, TWO_VALUES, pair, publish

PERSON: dict[str, Any] = {"age": 31, "income": 2500, "member": True, "region": "north", "device": "phone"}
SCORE = 1 / (1 + math.exp(-(-0.9 + 2.5 + 1 + 1 + 1) / 8))


def _fields(answer: dict[str, Any]) -> list[str]:
    return [error["field"] for error in answer["errors"]]


def test_the_answer_has_prediction_version_and_request_id(people: Predictor) -> None:
    answer = people.predict({"user_id": "12345", "features": list(PERSON.values()), "request_id": "r-1"})
    assert answer.status_code == 200
    assert answer.json() == {"prediction": pytest.approx(SCORE), "model_version": "v1.2.3", "request_id": "r-1"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"features": PERSON}, id="features by name"),
        pytest.param({"features": dict(reversed(PERSON.items()))}, id="names in any order"),
        pytest.param({"features": [31, 2500, True, "north", "phone"]}, id="features in order"),
        pytest.param({"features": [31.0, 2500.0, 1, "north", "phone"]}, id="a whole number with a point, a flag as 1"),
        pytest.param({"features": PERSON, "user_id": 12345}, id="entity as a number"),
        pytest.param({"features": PERSON, "request_id": None, "user_id": None}, id="optional keys null"),
    ],
)
def test_one_row_may_be_written_in_several_ways(people: Predictor, body: dict[str, Any]) -> None:
    assert people.predict(body).json()["prediction"] == pytest.approx(SCORE)


def test_instances_are_answered_in_order(people: Predictor) -> None:
    rows = [PERSON, [31, None, False, "south", None], PERSON | {"device": "never seen"}]
    answer = people.predict({"instances": rows}).json()
    expected = [SCORE, 1 / (1 + math.exp(-(-0.9 + 1) / 8)), 1 / (1 + math.exp(-(-0.9 + 2.5 + 1 + 1) / 8))]
    assert answer["predictions"] == pytest.approx(expected)
    assert set(answer) == {"predictions", "model_version", "request_id"}


def test_a_numeric_level_matches_its_text(people: Predictor) -> None:
    answers = [people.predict({"features": PERSON | {"region": region}}).json() for region in ("3", 3, 3.0)]
    assert len({answer["prediction"] for answer in answers}) == 1


def test_classes_come_as_label_and_probabilities(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES)
    answer = predictor.predict({"features": [0.0, 5.0]}).json()
    assert answer["prediction"] == "green"
    assert list(answer["probabilities"]) == ["red", "green", "blue"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    many = predictor.predict({"instances": [[0.0, 5.0], [9.0, 5.0]]}).json()
    assert many["predictions"] == ["green", "red"]
    assert many["probabilities"][0] == answer["probabilities"]


def test_a_regression_answers_its_value(started: Start) -> None:
    assert started(model_files.Mean(), A_VALUE).predict({"features": [100, -300]}).json()["prediction"] == -100.0


def test_a_regression_of_several_values_answers_them_by_name(started: Start) -> None:
    predictor = started(model_files.MeanAndLargest(), TWO_VALUES)
    assert predictor.predict({"features": [1, 3]}).json()["prediction"] == {"mean": 2.0, "largest": 3.0}
    many = predictor.predict({"instances": [[1, 3], [-5, 1]]}).json()
    assert many["predictions"] == [{"mean": 2.0, "largest": 3.0}, {"mean": -2.0, "largest": 1.0}]
    assert set(many) == {"predictions", "model_version", "request_id"}
    assert "A value for each of mean, largest" in predictor.ask("GET", "/docs").text


def test_the_heads_of_the_manifest_answer(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.NamedHeads(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, pair(A_VALUE), example=(1.0, 2.0), heads=("largest",))
    with Predictor(settings_for(tmp_path)) as predictor:
        assert predictor.load(tmp_path / "registry") is None
        assert predictor.predict({"features": [1, 7]}).json()["prediction"] == 7.0


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        pytest.param({"age": "31"}, "age", "expected a whole number, found the text '31'", id="text for a number"),
        pytest.param({"age": True}, "age", "expected a whole number, found true", id="a boolean is no number"),
        pytest.param({"age": 31.5}, "age", "expected a whole number, found 31.5", id="fraction of a whole number"),
        pytest.param({"age": None}, "age", "expected a whole number, found null", id="null where none is allowed"),
        pytest.param({"age": 0}, None, "", id="at the minimum"),
        pytest.param({"age": -1}, "age", "-1 is outside [0, 120]", id="below the minimum"),
        pytest.param({"age": 120}, None, "", id="at the maximum"),
        pytest.param({"age": 121}, "age", "121 is outside [0, 120]", id="above the maximum"),
        pytest.param({"age": 2**70}, "age", "outside [0, 120]", id="a huge whole number"),
        pytest.param({"age": [31]}, "age", "found a list of 1", id="a list for a number"),
        pytest.param({"income": None}, None, "", id="null where it is allowed"),
        pytest.param({"income": 1e39}, "income", "(float32)", id="beyond float32"),
        pytest.param({"income": -1e39}, "income", "(float32)", id="beyond float32, negative"),
        pytest.param({"income": {}}, "income", "expected a number, found an object", id="an object for a number"),
        pytest.param({"member": 0}, None, "", id="0 for a flag"),
        pytest.param({"member": 2}, "member", "expected true, false, 0 or 1", id="2 for a flag"),
        pytest.param({"member": "true"}, "member", "expected true, false, 0 or 1", id="text for a flag"),
        pytest.param({"region": "east"}, "region", "'east' is none of 'north', 'south', '3'", id="unknown level"),
        pytest.param({"region": "North"}, "region", "'North' is none of", id="levels are case sensitive"),
        pytest.param({"region": None}, "region", "found null", id="null level"),
        pytest.param({"region": ["north"]}, "region", "found a list", id="a list for a level"),
        pytest.param({"device": "toaster"}, None, "", id="unseen level of an open feature"),
        pytest.param({"device": None}, None, "", id="null level where it is allowed"),
        pytest.param({"zip": 1}, "zip", "unknown feature; the model takes age, income", id="unknown feature"),
    ],
)
def test_a_value_outside_its_feature_is_named(
    people: Predictor, change: dict[str, Any], field: str | None, message: str
) -> None:
    answer = people.predict({"features": PERSON | change})
    if field is None:
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 422
    assert _fields(answer.json()) == [f"features.{field}"]
    assert message in answer.json()["errors"][0]["message"]
    assert message in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param([], [""], id="a list is no request"),
        pytest.param("text", [""], id="a text is no request"),
        pytest.param(None, [""], id="null is no request"),
        pytest.param({}, ["features"], id="neither features nor instances"),
        pytest.param({"features": PERSON, "instances": [PERSON]}, ["features"], id="both"),
        pytest.param({"features": PERSON, "extra": 1}, ["extra"], id="unknown key"),
        pytest.param({"features": PERSON, "user_ID": 1}, ["user_ID"], id="entity key in another case"),
        pytest.param({"features": None}, ["features"], id="features null"),
        pytest.param({"features": 7}, ["features"], id="features a number"),
        pytest.param({"features": []}, ["features"], id="too few values"),
        pytest.param({"features": [1, 2, 3, 4, 5, 6]}, ["features"], id="too many values"),
        pytest.param({"features": [200, 1, True, "north", "x"]}, ["features[0]"], id="a value by position"),
        pytest.param(
            {"features": {}},
            ["features.age", "features.income", "features.member", "features.region", "features.device"],
            id="all missing",
        ),
        pytest.param({"instances": []}, ["instances"], id="no instances"),
        pytest.param({"instances": PERSON}, ["instances"], id="instances an object"),
        pytest.param({"instances": [PERSON, 3]}, ["instances[1]"], id="an instance a number"),
        pytest.param({"instances": [PERSON, PERSON | {"age": -1}]}, ["instances[1].age"], id="a value of an instance"),
        pytest.param(
            {"instances": [[1, 1, True, "x", "y"], PERSON | {"age": -1}]},
            ["instances[0][3]", "instances[1].age"],
            id="every fault is named",
        ),
        pytest.param({"features": PERSON, "request_id": 7}, ["request_id"], id="request id a number"),
        pytest.param({"features": PERSON, "request_id": ""}, ["request_id"], id="request id empty"),
        pytest.param({"features": PERSON, "request_id": "a b"}, ["request_id"], id="request id with a blank"),
        pytest.param({"features": PERSON, "request_id": "é"}, ["request_id"], id="request id not ASCII"),
        pytest.param({"features": PERSON, "request_id": "a\n"}, ["request_id"], id="request id with a line feed"),
        pytest.param({"features": PERSON, "request_id": "x" * 129}, ["request_id"], id="request id too long"),
        pytest.param({"features": PERSON, "user_id": True}, ["user_id"], id="entity a boolean"),
        pytest.param({"features": PERSON, "user_id": 1.5}, ["user_id"], id="entity a fraction"),
        pytest.param({"features": PERSON, "user_id": ""}, ["user_id"], id="entity empty"),
    ],
)
def test_a_request_outside_the_signature_names_its_fields(people: Predictor, body: Any, fields: list[str]) -> None:
    answer = people.predict(body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert _fields(answer.json()) == fields


def test_no_more_than_a_hundred_faults_are_listed(people: Predictor) -> None:
    answer = people.predict({"instances": [[]] * 5000})
    assert len(answer.json()["errors"]) == 100


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"{", "", id="cut short"),
        pytest.param(b'{"features": [NaN]}', "NaN and Infinity are no JSON", id="NaN"),
        pytest.param(b'{"features": [1, -Infinity]}', "NaN and Infinity are no JSON", id="infinity"),
        pytest.param(b'{"features": [1e999]}', "infinity", id="a number that overflows"),
        pytest.param(b'{"features": "\xff"}', "UTF-8", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "depth", id="nested without end"),
    ],
)
def test_what_is_no_json_is_a_bad_request(people: Predictor, body: bytes, message: str) -> None:
    answer = people.ask("POST", "/predict", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "MalformedBody")
    assert message in answer.json()["detail"]
