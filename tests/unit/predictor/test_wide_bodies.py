"""That a wide body with a fault is read without Python code for each of its values: it would hold up all others."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_predictor.fast_rows import FastReader
from modelloop_predictor.parsing import parse
from modelloop_predictor.problems import MOST_ROWS, TOO_MANY_ROWS, ProblemError
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.rest import RestCodec
from modelloop_predictor.validation import RowReader
from support.open_inference import tensor
from support.python_calls import python_calls

ROWS, WIDTH = 300, 120
# A few for each row, and for the one row or run with a fault a few for each value.
MOST_CALLS = 8 * ROWS + 3 * WIDTH
LAST = ROWS * WIDTH - 1
FEATURES: tuple[Feature, ...] = tuple(NumericFeature(name=f"f{number}") for number in range(WIDTH))
NUMBERS = Signature(inputs=FEATURES, output=BinaryOutput())
NULLABLE = Signature(
    inputs=tuple(NumericFeature(name=f"f{number}", nullable=True) for number in range(WIDTH)), output=BinaryOutput()
)
WITH_A_LEVEL = Signature(
    inputs=(*FEATURES[1:], CategoricalFeature(name="kind", levels=("a", "b"))), output=BinaryOutput()
)


def _rows(last: Any, usual: Any = 0.5, *, every: int = ROWS, end: Any = None) -> list[list[Any]]:
    """Rows of a usual value, each of so many rows with another one at its end: `last`, the others with `end` if any."""
    end = usual if end is None else end
    return [[usual] * (WIDTH - 1) + [last if row % every == every - 1 else end] for row in range(ROWS)]


def _predict(signature: Signature, rows: list[Any]) -> Callable[[], object]:
    reader, body = RowReader(signature), json.dumps({"instances": rows}).encode()
    return lambda: reader.read(parse(body, "user_id"))


def _named(rows: list[list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(NUMBERS.feature_names, row, strict=True)) for row in rows]


def _refusal(read: Callable[[], object]) -> tuple[ProblemError, int]:
    """The problem that reading ends in, and how much Python was called for it."""
    problems: list[ProblemError] = []

    def refused() -> None:
        try:
            read()
        except ProblemError as problem:
            problems.append(problem)

    calls = python_calls(refused)
    return problems[0], calls


@pytest.mark.parametrize(
    ("signature", "rows", "field"),
    [
        pytest.param(NUMBERS, _rows("x"), f"instances[{ROWS - 1}][{WIDTH - 1}]", id="a text"),
        pytest.param(NUMBERS, _rows(None), f"instances[{ROWS - 1}][{WIDTH - 1}]", id="null"),
        pytest.param(NUMBERS, _rows(1e39), f"instances[{ROWS - 1}][{WIDTH - 1}]", id="out of bounds"),
        pytest.param(NUMBERS, _named(_rows("x")), f"instances[{ROWS - 1}].f{WIDTH - 1}", id="by name"),
        pytest.param(NUMBERS, [*_rows(0.5), [1]], f"instances[{ROWS}]", id="a short row"),
        pytest.param(WITH_A_LEVEL, _rows("c", end="a"), f"instances[{ROWS - 1}][{WIDTH - 1}]", id="no level"),
    ],
)
def test_a_wrong_value_at_the_end_of_many_is_found_without_looking_at_each(
    signature: Signature, rows: list[Any], field: str
) -> None:
    problem, calls = _refusal(_predict(signature, rows))
    assert [error.field for error in problem.errors] == [field]
    assert calls < MOST_CALLS


def test_odd_rows_alone_are_looked_at_and_all_faults_named_in_order() -> None:
    problem, calls = _refusal(_predict(NUMBERS, _rows("x", every=100)))
    assert [error.field for error in problem.errors] == [f"instances[{row}][{WIDTH - 1}]" for row in (99, 199, 299)]
    assert calls < 3 * MOST_CALLS


def test_good_rows_are_read_the_careful_way_without_looking_at_each_value() -> None:
    assert python_calls(_predict(NULLABLE, _rows(None))) < MOST_CALLS
    assert python_calls(_predict(NUMBERS, _named(_rows(3)))) < MOST_CALLS


def test_too_many_rows_of_numbers_are_refused_by_their_count() -> None:
    reader = FastReader(NUMBERS, "user_id")
    body = b'{"instances":[' + b",".join([b"[]"] * (MOST_ROWS + 1)) + b"]}"
    problem, _ = _refusal(lambda: reader.decode(body))
    assert problem.kind is TOO_MANY_ROWS


def test_the_collector_rests_while_a_large_body_is_read_and_then_goes_on() -> None:
    body = b'{"instances":[' + b",".join([b"[]"] * 300_000) + b"]}"
    collections: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        collections.append(phase)

    gc.callbacks.append(note)
    try:
        problem, _ = _refusal(lambda: parse(body, "user_id"))
    finally:
        gc.callbacks.remove(note)
    # Once it goes on it has one look.
    assert (problem.kind, collections.count("start") <= 1, gc.isenabled()) == (TOO_MANY_ROWS, True, True)


def test_too_many_rows_are_refused_before_their_levels_are_looked_up() -> None:
    reader = FastReader(WITH_A_LEVEL, "user_id")
    body = json.dumps({"instances": [[0.5] * (WIDTH - 1) + ["a"]] * (MOST_ROWS + 1)}).encode()
    problem, calls = _refusal(lambda: reader.decode(body))
    assert (problem.kind, calls < 100) == (TOO_MANY_ROWS, True)


def _infer(signature: Signature, inputs: list[dict[str, Any]]) -> Callable[[], object]:
    codec = RestCodec(Contract(signature, "model", "v1.2.3", "user_id"))
    body = json.dumps({"inputs": inputs}).encode()
    return lambda: codec.read(codec.parse(body, None))


def _flat(rows: list[list[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


@pytest.mark.parametrize(
    ("datatype", "data", "field"),
    [
        pytest.param("FP64", _flat(_rows("x")), f"[{LAST}]", id="a text"),
        pytest.param("FP64", _flat(_rows(None)), f"[{ROWS - 1}][{WIDTH - 1}]", id="null"),
        pytest.param("FP64", _flat(_rows(1e39)), f"[{ROWS - 1}][{WIDTH - 1}]", id="out of bounds"),
        pytest.param("FP64", _rows("x"), f"[{ROWS - 1}][{WIDTH - 1}]", id="a text, nested"),
        pytest.param("FP64", _rows(True), f"[{ROWS - 1}][{WIDTH - 1}]", id="a boolean, nested"),
        pytest.param("INT8", _flat(_rows(128, 3.0)), f"[{LAST}]", id="more than an INT8 holds"),
        pytest.param("INT64", _rows(2**63, 3), f"[{ROWS - 1}][{WIDTH - 1}]", id="more than an INT64 holds, nested"),
        pytest.param("UINT64", _flat(_rows(-1, 3)), f"[{LAST}]", id="less than a UINT64 holds"),
    ],
)
def test_a_wrong_element_at_the_end_of_many_is_found_without_looking_at_each(
    datatype: str, data: list[Any], field: str
) -> None:
    problem, calls = _refusal(_infer(NUMBERS, [tensor("features", datatype, [ROWS, WIDTH], data)]))
    assert problem.errors[0].field == f"inputs.features{field}"
    assert calls < MOST_CALLS + 1024 * (len(data) > ROWS)


@pytest.mark.parametrize("data", [_flat(_rows(None)), _rows(None)], ids=["flat", "nested"])
def test_nulls_are_read_without_looking_at_each_element(data: list[Any]) -> None:
    assert python_calls(_infer(NULLABLE, [tensor("features", "FP64", [ROWS, WIDTH], data)])) < MOST_CALLS


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param([tensor("features", "FP32", [1, 3], "?")], "expected shape", id="a wrong width"),
        pytest.param([tensor("feature", "FP32", [1, 2], "?")], "unknown tensor", id="a wrong name"),
        pytest.param([tensor("features", "BYTES", [1, WIDTH], "?")], "expected numbers", id="text for numbers"),
        pytest.param([tensor(f"f{number}", "FP32", [1], "?") for number in range(3)], "missing", id="too few"),
        pytest.param(
            [tensor(f"f{number}", "FP32", [1 + number // (WIDTH - 1)], "?") for number in range(WIDTH)],
            "has 2 rows, but f0 has 1",
            id="other rows",
        ),
    ],
)
def test_names_and_shapes_are_held_against_the_signature_before_any_data_is_read(
    inputs: list[dict[str, Any]], message: str
) -> None:
    problem, _ = _refusal(_infer(NUMBERS, inputs))
    assert message in problem.errors[0].message
