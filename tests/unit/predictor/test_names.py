"""A name that an object of a request has twice is refused by its name, however the body is read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from modelloop_core.manifest import ModelFormat
from modelloop_predictor.fast_rows import FastReader
from modelloop_predictor.names import may_repeat, repeated_name
from modelloop_predictor.parsing import parse
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.quick import quick_codec
from modelloop_predictor.v2.rest import RestCodec
from support import model_files
from support.predictor_inside import Predictor, settings_for
from support.published import pair, publish

TENSOR = '{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}'
REPEATED = [
    pytest.param('{"features": [1, 2], "features": [3, 4]}', "features", id="the rows of a request"),
    pytest.param('{"features": {"first": 1, "second": 2, "first": 3}}', "first", id="a feature"),
    pytest.param('{"features": {"first": 1, "second": 2, "fir\\u0073t": 3}}', "first", id="a feature, once escaped"),
    pytest.param(
        '{"instances": [{"first": 1, "second": 2}, {"first": 1, "second": 2, "second": 2}]}',
        "second",
        id="a feature of a later row",
    ),
    pytest.param('{"features": [1, 2], "request_id": "x", "request_id": "y"}', "request_id", id="the request's id"),
    pytest.param('{"features": [1, 2], "user_id": null, "user_id": 7}', "user_id", id="the entity, at first null"),
    pytest.param(
        '{"request_id": "a:b", "features": {"first": 1, "second": 2, "first": 1}}',
        "first",
        id="beside a text with a colon",
    ),
]
ONCE = [
    pytest.param(
        '{"features": {"first": 1, "second": 2}, "request_id": "at:12:30", "user_id": "urn:x:y"}',
        id="texts with colons",
    ),
    pytest.param('{"features": {"first": 1, "second": 2}, "request_id": "a\\"b:c\\\\"}', id="escapes"),
    pytest.param('{"features": [1, 2], "request_id": null, "user_id": null}', id="keys that are null"),
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    """A predictor of a model over two numbers."""
    folder = tmp_path_factory.mktemp("pairs")
    path = model_files.torchscript(model_files.Logistic(), folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), example=(1.0, 2.0))
    with Predictor(settings_for(folder)) as predictor:
        assert predictor.load(folder / "registry") is None
        yield predictor


@pytest.mark.parametrize(("body", "name"), REPEATED)
def test_what_a_request_has_twice_is_named(pairs: Predictor, body: str, name: str) -> None:
    answer = pairs.ask("POST", "/predict", content=body)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [name])
    assert "twice in one object" in answer.json()["detail"]
    assert FastReader(pair(), "user_id").decode(body.encode()) is None


@pytest.mark.parametrize("body", ONCE)
def test_what_is_there_once_is_read_with_colons_too(body: str) -> None:
    assert parse(body.encode(), "user_id").rows


def test_colons_in_texts_do_not_send_a_request_the_slow_way() -> None:
    body = b'{"features": {"first": 1, "second": 2}, "request_id": "at:12:30", "user_id": "urn:x:y"}'
    assert FastReader(pair(), "user_id").decode(body) is not None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param(f'{{"inputs": [{TENSOR}], "inputs": [{TENSOR}]}}', "inputs", id="the tensors"),
        pytest.param(f'{{"inputs": [{TENSOR[:-1]}, "data": [3, 4]}}]}}', "data", id="a tensor's data"),
        pytest.param(f'{{"id": "x", "id": "y", "inputs": [{TENSOR}]}}', "id", id="the id"),
        pytest.param(
            f'{{"inputs": [{TENSOR}], "parameters": {{"user_id": 1, "user_id": 2}}}}', "user_id", id="a parameter"
        ),
        pytest.param(
            f'{{"inputs": [{TENSOR}], "outputs": [{{"name": "x", "name": "prediction"}}]}}', "name", id="an output's"
        ),
    ],
)
def test_what_an_infer_request_has_twice_is_named(pairs: Predictor, body: str, name: str) -> None:
    answer = pairs.ask("POST", "/v2/models/model/infer", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{name}: is there twice in one object")
    codec = quick_codec(pair(), Contract(pair(), "churn", "v1.2.3", "user_id"))
    assert codec is not None
    assert codec.read(body.encode()) is None


def test_an_infer_request_of_many_parts_has_nothing_twice() -> None:
    tensors = [{"name": n, "shape": [1], "datatype": "FP32", "data": [1], "parameters": {"binary": 1}} for n in "ab"]
    document = {
        "id": "at:12",
        "model_name": None,
        "parameters": {"user_id": "u:1"},
        "inputs": tensors,
        "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}],
    }
    RestCodec(Contract(pair(), "churn", "v1.2.3", "user_id")).parse(json.dumps(document).encode(), None)


@pytest.mark.parametrize(
    "text", [b'{"a": ' + b"1" * 5000 + b', "b": 1}', b'{"a": "\xff", "b": 1}'], ids=["a long number", "no UTF-8"]
)
def test_what_cannot_be_read_again_is_left_to_the_reader_of_values(text: bytes) -> None:
    assert repeated_name(text, 1) is None


def test_a_count_is_only_looked_at_twice_where_it_is_too_large() -> None:
    assert not may_repeat(b'{"a": ":::"}', 1)
    assert may_repeat(b'{"a": 1, "a": 2}', 1)
    assert repeated_name(b"[" * 100_000 + b"]" * 100_000 + b":", 0) is None
