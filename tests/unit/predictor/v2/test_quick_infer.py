"""The typed pass reads what the careful one reads, and leaves the rest to it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    NumericFeature,
    RegressionOutput,
    Signature,
)
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.quick import QuickCodec, quick_codec
from modelloop_predictor.v2.rest import RestCodec
from support.published import THREE_CLASSES, pair

TENSOR = {"name": "features", "shape": [2, 2], "datatype": "FP32", "data": [1, 2.5, -3e-7, 4]}


def _contract(signature: Signature, model: str = "churn") -> Contract:
    return Contract(signature, model, "v1.2.3", "user_id")


def _codec() -> QuickCodec:
    codec = quick_codec(pair(), _contract(pair()))
    assert codec is not None
    return codec


def _body(**changes: Any) -> bytes:
    return json.dumps({"inputs": [{**TENSOR, **changes}]}).encode()


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("identity", [None, "mine", 'with "quotes" and \u00e9'])
def test_both_ways_read_the_same_and_answer_the_same(datatype: str, identity: str | None) -> None:
    document = {"inputs": [{**TENSOR, "datatype": datatype}], **({} if identity is None else {"id": identity})}
    body = json.dumps(document).encode()
    quick, rest = _codec().read(body), RestCodec(_contract(pair()))
    assert quick is not None
    careful = rest.read(rest.parse(body, None))
    np.testing.assert_array_equal(np.array(quick.cells), careful.rows)
    assert quick.id == careful.id
    expected, _ = rest.write(np.array([0.25, 1e-9]), careful, "an-id")
    assert _codec().write([0.25, 1e-9], "an-id" if identity is None else identity) == expected


def test_a_models_name_stands_in_the_answer_as_it_is() -> None:
    contract = _contract(pair(), "100%d")
    codec = quick_codec(pair(), contract)
    assert codec is not None
    assert json.loads(codec.write([0.25], "mine"))["model_name"] == "100%d"


UNUSUAL = [
    pytest.param(_body(name="first"), id="another tensor"),
    pytest.param(_body(shape=[4, 1]), id="another width"),
    pytest.param(_body(shape=[3, 2]), id="a shape that the data does not fill"),
    pytest.param(_body(shape=[0, 2], data=[]), id="no rows"),
    pytest.param(_body(shape=[-2, 2]), id="a negative shape"),
    pytest.param(_body(shape=[2]), id="one dimension"),
    pytest.param(_body(datatype="INT64"), id="whole numbers"),
    pytest.param(_body(data=[[1, 2], [3, 4]]), id="nested data"),
    pytest.param(_body(data=[1, 2, 3, None]), id="a null"),
    pytest.param(_body(data=[1, 2, 3, True]), id="a flag"),
    pytest.param(_body(parameters={"binary_data_size": 16}), id="parameters"),
    pytest.param(json.dumps({"inputs": [TENSOR, TENSOR]}).encode(), id="two tensors"),
    pytest.param(json.dumps({"inputs": [TENSOR], "outputs": [{"name": "prediction"}]}).encode(), id="chosen outputs"),
    pytest.param(json.dumps({"inputs": [TENSOR], "parameters": {"user_id": "1"}}).encode(), id="an entity"),
    pytest.param(b'{"inputs": [', id="half a document"),
    pytest.param(b"\xff", id="no UTF-8"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("body", UNUSUAL)
def test_what_is_unusual_is_left_to_the_careful_way(body: bytes) -> None:
    assert _codec().read(body) is None


SIGNATURES = [
    pytest.param(pair(THREE_CLASSES), id="labels and probabilities"),
    pytest.param(pair(RegressionOutput(names=("low", "high"))), id="several values"),
    pytest.param(
        Signature(inputs=(CategoricalFeature(name="region", levels=("north",)),), output=BinaryOutput()), id="levels"
    ),
    pytest.param(
        Signature(inputs=(NumericFeature(name="features"),), output=BinaryOutput()), id="a feature called features"
    ),
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_some_signatures_have_no_quick_way(signature: Signature) -> None:
    assert quick_codec(signature, _contract(signature)) is None
