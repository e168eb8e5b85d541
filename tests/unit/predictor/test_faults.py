"""What is wrong with the values of a refused request is counted by kind, whichever way it came in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from modelloop_core.wire.predictions import Fault
from support.open_inference import infer, person, tensor
from support.predictor_inside import Predictor

PERSON: dict[str, Any] = {"age": 31, "income": 2500, "member": True, "region": "north", "device": "phone"}
OTHERS = {name: value for name, value in PERSON.items() if name != "age"}
MISSING, TYPE, DOMAIN, SHAPE = Fault.MISSING, Fault.WRONG_TYPE, Fault.OUT_OF_DOMAIN, Fault.WRONG_SHAPE


def faults(predictor: Predictor) -> Counter[str]:
    """What was counted until now; a request that came through no port is not live."""
    return Counter(predictor.serving.metrics.tally.aside.faults)


VALUES = [
    pytest.param({"features": PERSON}, set(), id="nothing"),
    pytest.param({"features": OTHERS}, {MISSING}, id="a feature that is not there"),
    pytest.param({"features": PERSON | {"age": None}}, {MISSING}, id="null where it is not allowed"),
    pytest.param({"features": PERSON | {"member": None}}, {MISSING}, id="no flag"),
    pytest.param({"features": PERSON | {"region": None}}, {MISSING}, id="no level"),
    pytest.param({"features": PERSON | {"age": "31"}}, {TYPE}, id="a text for a number"),
    pytest.param({"features": PERSON | {"age": 31.5}}, {TYPE}, id="a fraction for a whole number"),
    pytest.param({"features": PERSON | {"member": "yes"}}, {TYPE}, id="a text for a flag"),
    pytest.param({"features": PERSON | {"region": ["north"]}}, {TYPE}, id="a list for a level"),
    pytest.param({"features": PERSON | {"age": -1}}, {DOMAIN}, id="below its bounds"),
    pytest.param({"features": PERSON | {"member": 2}}, {DOMAIN}, id="a number that is no flag"),
    pytest.param({"features": PERSON | {"region": "elsewhere"}}, {DOMAIN}, id="a level that it has not"),
    pytest.param({"features": PERSON | {"hat": 1}}, {SHAPE}, id="an unknown feature"),
    pytest.param({"features": [31]}, {SHAPE}, id="too few values"),
    pytest.param({"features": "31"}, {SHAPE}, id="no row"),
    pytest.param({"instances": [PERSON | {"age": "31"}, OTHERS]}, {TYPE, MISSING}, id="two kinds in two rows"),
    pytest.param({"instances": [OTHERS, OTHERS]}, {MISSING}, id="one kind twice is one request"),
    pytest.param({}, set(), id="neither features nor instances"),
]


@pytest.mark.parametrize(("body", "kinds"), VALUES)
def test_by_predict(people: Predictor, body: dict[str, Any], kinds: set[Fault]) -> None:
    before = faults(people)
    answer = people.predict(body)
    assert answer.status_code == (200 if body.get("features") == PERSON else 422)
    assert faults(people) - before == dict.fromkeys(kinds, 1)
    assert "fault" not in answer.text


TENSORS = [
    pytest.param(person(), set(), id="nothing"),
    pytest.param(person()[1:], {MISSING}, id="a tensor that is not there"),
    pytest.param(person(age=[None]), {MISSING}, id="null where it is not allowed"),
    pytest.param(person(age=["31"]), {TYPE}, id="a text for a number"),
    pytest.param(person(age=[-1]), {DOMAIN}, id="below its bounds"),
    pytest.param(person(region=["elsewhere"]), {DOMAIN}, id="a level that it has not"),
    pytest.param([*person(), tensor("hat", "FP64", [1], [1])], {SHAPE}, id="an unknown tensor"),
    pytest.param([tensor("age", "BYTES", [1], ["31"]), *person()[1:]], {TYPE}, id="texts for a number's tensor"),
    pytest.param([tensor("age", "INT64", [2], [31, 32]), *person()[1:]], {SHAPE}, id="more rows than the others"),
    pytest.param([tensor("age", "INT64", [1], [31, 32]), *person()[1:]], {SHAPE}, id="more data than its shape"),
]


@pytest.mark.parametrize(("inputs", "kinds"), TENSORS)
def test_by_the_open_inference_protocol(people: Predictor, inputs: list[dict[str, Any]], kinds: set[Fault]) -> None:
    before = faults(people)
    infer(people, inputs)
    assert faults(people) - before == dict.fromkeys(kinds, 1)
