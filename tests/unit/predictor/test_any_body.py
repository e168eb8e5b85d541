from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.predictor_inside import Predictor

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.sampled_from(["north", "phone", "3", 31, 0, 1, 120, 1e38, 4e38, 2**63, 2**64])
)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner))
_NAMES = st.sampled_from(["age", "income", "member", "region", "device", "other"])
_ROWS = st.lists(_SCALARS, min_size=4, max_size=6) | st.dictionaries(_NAMES, _SCALARS) | _JSON
_REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "features": _ROWS,
        "instances": st.lists(_ROWS, max_size=4) | _JSON,
        "request_id": _JSON,
        "user_id": _JSON,
        "what": _JSON,
    },
)
_ALLOWED = (200, 400, 422)


def _check(people: Predictor, content: bytes) -> None:
    answer = people.ask("POST", "/predict", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in _ALLOWED, (content, answer.text)
    document: dict[str, Any] = answer.json()
    assert ("errors" in document) == (answer.status_code == 422)
    assert ("model_version" in document) == (answer.status_code == 200)


@settings(max_examples=100, deadline=None)
@given(body=_REQUESTS | _JSON)
def test_any_json_is_answered_or_refused_with_its_fields(people: Predictor, body: Any) -> None:
    _check(people, json.dumps(body).encode())


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_answered_or_refused(people: Predictor, body: bytes) -> None:
    _check(people, body)


@settings(max_examples=100, deadline=None)
@given(
    age=st.integers(0, 120),
    income=st.none() | st.floats(-3e38, 3e38),
    member=st.booleans(),
    region=st.sampled_from(["north", "south", "3"]),
    device=st.none() | st.text(),
)
def test_every_row_that_the_signature_allows_is_answered(people: Predictor, **row: Any) -> None:
    answer = people.predict({"features": row})
    assert answer.status_code == 200, answer.text
    assert 0 <= answer.json()["prediction"] <= 1
