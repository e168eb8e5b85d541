from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.open_inference import INFER
from support.predictor_inside import Predictor

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["north", 31])
)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner))
_DATATYPES = st.sampled_from(["BOOL", "INT8", "INT64", "UINT64", "FP32", "FP64", "BYTES", "FP16"])
_SHAPES = st.lists(st.integers(-1, 3) | st.integers(), max_size=3)
_SIZES = st.integers(-1, 40) | _JSON
_INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["age", "income", "member", "region", "device", "features"]),
        "datatype": _DATATYPES,
        "shape": st.just([1]) | _SHAPES,
    },
    optional={
        "data": st.lists(_SCALARS, max_size=3) | _JSON,
        "parameters": st.fixed_dictionaries({"binary_data_size": _SIZES}),
    },
)
_REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(_INPUTS, max_size=6) | _JSON}, optional={"id": _JSON, "parameters": _JSON, "outputs": _JSON}
)
_ROW = [
    ("age", "INT64", 8),
    ("income", "FP64", 8),
    ("member", "BOOL", 1),
    ("region", "BYTES", 9),
    ("device", "BYTES", 6),
]


def _check(people: Predictor, content: bytes, length: int | None) -> None:
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    answer = people.ask("POST", INFER, content=content, headers=headers)
    assert answer.status_code in (200, 400, 422), (content, answer.text)
    document: dict[str, Any] = answer.json()
    assert ("errors" in document) == (answer.status_code == 422)
    assert ("outputs" in document) == (answer.status_code == 200)


@settings(max_examples=80, deadline=None)
@given(body=_REQUESTS | _JSON, data=st.none() | st.binary(max_size=40))
def test_any_tensors_are_answered_or_refused_with_their_fields(
    people: Predictor, body: Any, data: bytes | None
) -> None:
    head = json.dumps(body).encode()
    _check(people, head + (data or b""), None if data is None else len(head))


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=60), length=st.none() | st.integers(0, 80))
def test_any_bytes_are_answered_or_refused(people: Predictor, body: bytes, length: int | None) -> None:
    _check(people, body, length)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(min_size=32, max_size=32))
def test_any_data_of_the_right_length_is_answered_or_refused(people: Predictor, data: bytes) -> None:
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "parameters": {"binary_data_size": size}}
        for name, kind, size in _ROW
    ]
    head = json.dumps({"inputs": inputs}).encode()
    _check(people, head + data, len(head))
