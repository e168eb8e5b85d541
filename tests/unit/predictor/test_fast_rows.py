from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_core.inference import Float64s
from modelloop_predictor.fast_rows import FastReader
from modelloop_predictor.number_rows import NumberReader
from modelloop_predictor.parsing import parse
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.validation import RowReader
from support.generated_requests import ENTITY_KEY, LEVELS, ODD_VALUES, odd, signatures, usual

_Read = tuple[Float64s, bool, str | None, str | None]


def _fast(signature: Signature, body: bytes, numbers_from: int = 2048) -> _Read | None:
    reader = FastReader(signature, ENTITY_KEY, numbers_from)
    quick = reader.decode(body)
    rows = None if quick is None else reader.matrix([quick.cells])
    return None if quick is None or rows is None else (rows, quick.many, quick.request_id, quick.entity)


def _slow(signature: Signature, body: bytes) -> _Read | None:
    try:
        envelope = parse(body, ENTITY_KEY)
        return RowReader(signature).read(envelope), envelope.many, envelope.request_id, envelope.entity
    except ProblemError:
        return None


def _check_agreement(signature: Signature, body: bytes) -> None:
    slow = _slow(signature, body)
    for fast in (_fast(signature, body), _fast(signature, body, numbers_from=0)):
        if fast is not None:
            assert slow is not None, "taken the fast way, refused the slow way"
            np.testing.assert_array_equal(fast[0], slow[0])
            assert fast[1:] == slow[1:]


def _one(feature: Feature) -> Signature:
    return Signature(inputs=(feature,), output=BinaryOutput())


def _asked(bodies: Callable[[Signature], st.SearchStrategy[str]]) -> st.SearchStrategy[tuple[Signature, list[str]]]:
    return signatures().flatmap(
        lambda signature: st.tuples(st.just(signature), st.lists(bodies(signature), min_size=1, max_size=6))
    )


def _is_plain(signature: Signature) -> bool:
    return not any('"' in name for name in signature.feature_names)


@settings(max_examples=40, deadline=None)
@given(asked=_asked(odd))
def test_what_the_fast_way_takes_the_slow_way_takes_with_the_same_rows(asked: tuple[Signature, list[str]]) -> None:
    signature, bodies = asked
    for body in bodies:
        _check_agreement(signature, body.encode())


@settings(max_examples=40, deadline=None)
@given(asked=_asked(usual))
def test_a_usual_request_is_read_the_fast_way(asked: tuple[Signature, list[str]]) -> None:
    signature, bodies = asked
    for body in bodies:
        assert _fast(signature, body.encode()) is not None or not _is_plain(signature), body
        _check_agreement(signature, body.encode())


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=40))
def test_any_bytes_in_a_text_are_taken_both_ways_or_left_to_the_slow_one(text: bytes) -> None:
    _check_agreement(_ANYTHING, b'{"features":["%b"],"request_id":"%b","user_id":"%b"}' % (text, text[:3], text[:3]))


_ANYTHING = _one(CategoricalFeature(name="kind", levels=("north",), open=True, nullable=True))
_COLUMNS = {
    "float32": NumericFeature(name="kind"),
    "float64 or null": NumericFeature(name="kind", dtype="float64", nullable=True),
    "bounded float64": NumericFeature(name="kind", dtype="float64", minimum=0.0, maximum=120.0),
    "int64": NumericFeature(name="kind", dtype="int64"),
    "int64 or null": NumericFeature(name="kind", dtype="int64", nullable=True),
    "int64 up to 2**53": NumericFeature(name="kind", dtype="int64", maximum=2.0**53),
    "bool": NumericFeature(name="kind", dtype="bool"),
    "bool or null": NumericFeature(name="kind", dtype="bool", nullable=True),
    "bool that is true": NumericFeature(name="kind", dtype="bool", minimum=1),
    "level": CategoricalFeature(name="kind", levels=LEVELS),
    "level or null": CategoricalFeature(name="kind", levels=LEVELS, nullable=True),
    "any level": CategoricalFeature(name="kind", levels=LEVELS, open=True),
    "a large number as level": CategoricalFeature(name="kind", levels=("18446744073709551616",)),
    "a name that JSON escapes": NumericFeature(name='ki"nd'),
}


@pytest.mark.parametrize("feature", _COLUMNS.values(), ids=_COLUMNS.keys())
def test_each_odd_value_is_the_same_both_ways(feature: Feature) -> None:
    signature, name = _one(feature), json.dumps(feature.name)
    for value in ODD_VALUES:
        for row in (f"[{value}]", f"{{{name}:{value}}}", f"{{{name}:1,{name}:{value}}}"):
            for body in (
                f'{{"features":{row}}}',
                f'{{"instances":[[1],{row}]}}',
                f'{{"features":[1],"features":{row}}}',
            ):
                _check_agreement(signature, body.encode())


@pytest.mark.parametrize("key", [ENTITY_KEY, "request_id", "other"])
def test_each_odd_value_beside_the_features_is_the_same_both_ways(key: str) -> None:
    for value in ODD_VALUES:
        _check_agreement(_ANYTHING, f'{{"features":["north"],"{key}":{value}}}'.encode())


def test_an_entity_key_that_json_escapes_is_read_the_slow_way() -> None:
    reader = FastReader(_ANYTHING, 'us"er')
    assert reader.decode(b'{"features":["north"],"us\\"er":"1"}') is None
    assert reader.decode(b'{"features":["north"]}') is not None


def test_a_list_is_read_the_fast_way_whatever_the_names_are() -> None:
    assert _fast(_one(NumericFeature(name='ki"nd')), b'{"features":[1]}') is not None


_TWO = Signature(inputs=(NumericFeature(name="a"), NumericFeature(name="b", dtype="int64")), output=BinaryOutput())


def test_a_large_body_of_numbers_is_read_into_an_array() -> None:
    rows = [[index / 7, index] for index in range(200)]
    body = json.dumps({"instances": rows, "request_id": "r-1", ENTITY_KEY: 12}).encode()
    quick = FastReader(_TWO, ENTITY_KEY).decode(body)
    assert quick is not None
    assert isinstance(quick.cells, np.ndarray)
    np.testing.assert_array_equal(quick.cells, rows)
    assert (quick.many, quick.request_id, quick.entity) == (True, "r-1", "12")


@pytest.mark.parametrize(
    "rows",
    ["[[1,2],[3]]", "[[1,2,3],[4]]", "[[1,[2]]]", "[[[1,2]]]", "[[1,2],[[3,4],[]]]", "[[],[1,2],[]]", "[1,2]", "[]"],
)
def test_rows_that_only_count_up_to_the_width_are_not_read_as_numbers(rows: str) -> None:
    body = f'{{"instances":{rows}}}'.encode()
    assert NumberReader(2, ENTITY_KEY).decode(body) is None
    _check_agreement(_TWO, body)


def test_of_many_keys_none_is_looked_for() -> None:
    """A look takes as long as there are keys: together they would take minutes."""
    keys = ",".join(f'"k{number}":1' for number in range(200_000))
    assert NumberReader(2, ENTITY_KEY).decode(f'{{{keys},"features":[1,2]}}'.encode()) is None


def test_requests_of_both_kinds_share_one_matrix() -> None:
    reader = FastReader(_TWO, ENTITY_KEY)
    rows = reader.matrix([[(1.0, 2)], np.array([[3.0, 4.0], [5.0, 6.0]])])
    np.testing.assert_array_equal(rows, [[1, 2], [3, 4], [5, 6]])
