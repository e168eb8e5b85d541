"""From Arrow's columns to the numbers of the signature: of every type, and refused as the predictor refuses it."""

from __future__ import annotations

import decimal
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelloop_batch.columns import why_not
from modelloop_batch.rows import BATCH_ROWS, RowReader
from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, RegressionOutput, Signature
from modelloop_predictor.validation import RowReader as OnlineReader

NUMBER = NumericFeature(name="x")
MAYBE = NumericFeature(name="x", nullable=True)
WHOLE = NumericFeature(name="x", dtype="int64", minimum=0, maximum=120)
FLAG = NumericFeature(name="x", dtype="bool")
LEVEL = CategoricalFeature(name="x", levels=("north", "3", "true", "0.5"))
OPEN = CategoricalFeature(name="x", levels=("north", "3"), open=True, nullable=True)
NAN = float("nan")
BEYOND = "outside [-3.4028235e+38 (float32), 3.4028235e+38 (float32)]"


def read(feature: Feature, column: pa.Array) -> tuple[list[float], list[str | None]]:
    """The numbers of a column, and of each row why it is refused."""
    reader = RowReader(Signature(inputs=(feature,), output=RegressionOutput()))
    found = reader.read(pa.RecordBatch.from_arrays([column], names=["x"]))
    codes = found.verdicts if found.verdicts is not None else np.full(len(column), -1)
    return found.values[:, 0].tolist(), [None if code < 0 else found.faults[code][1] for code in codes]


@pytest.mark.parametrize(
    ("feature", "column", "expected"),
    [
        (NUMBER, pa.array([0.5, -2], pa.float32()), [0.5, -2]),
        (NUMBER, pa.array([0.5, -2], pa.float16()), [0.5, -2]),
        (NUMBER, pa.array([2**53 + 1, 4], pa.int64()), [2.0**53, 4]),
        (NUMBER, pa.array([decimal.Decimal("1.25"), decimal.Decimal("-3")]), [1.25, -3]),
        (NUMBER, pa.array([1, 2, 3, 4], pa.int8()).slice(1, 2), [2, 3]),
        (MAYBE, pa.array([1.5, None, NAN]), [1.5, NAN, NAN]),
        (MAYBE, pa.array([7, None, 9], pa.int32()).slice(1), [NAN, 9]),
        (MAYBE, pa.nulls(2), [NAN, NAN]),
        (NUMBER, pa.array([1.5, 2.5, 1.5]).dictionary_encode(), [1.5, 2.5, 1.5]),
        (WHOLE, pa.array([31.0, 40.0]), [31, 40]),
        (FLAG, pa.array([True, False]), [1, 0]),
        (FLAG, pa.array([1, 0], pa.int64()), [1, 0]),
        (LEVEL, pa.array(["north", "true", "3"]), [0, 2, 1]),
        (LEVEL, pa.array(["north", "true", "3"], pa.large_string()), [0, 2, 1]),
        (LEVEL, pa.array(["3", "north", "3"]).dictionary_encode(), [1, 0, 1]),
        (LEVEL, pa.array([3, 3], pa.int16()), [1, 1]),
        (LEVEL, pa.array([3.0, 0.5]), [1, 3]),
        (LEVEL, pa.array([True]), [2]),
        (OPEN, pa.array(["north", None, "watch"]), [0, NAN, -1]),
        (OPEN, pa.array([3.0, None, NAN, 4.5]), [1, NAN, NAN, -1]),
        (OPEN, pa.array(["x", "north", None, "y"]).slice(1), [0, NAN, -1]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_a_column_becomes_numbers(feature: Feature, column: pa.Array, expected: list[float]) -> None:
    assert why_not(feature, column.type) is None
    values, refused = read(feature, column)
    assert values == pytest.approx(expected, nan_ok=True)
    assert refused == [None] * len(column)


@pytest.mark.parametrize(
    ("feature", "column", "expected"),
    [
        (NUMBER, pa.array([None, NAN, 1.0]), ["missing", "missing", None]),
        (NUMBER, pa.array([float("inf"), 1e39, 1.0]), [BEYOND, BEYOND, None]),
        (WHOLE, pa.array([121.0, 0.5, 5.0, -1.0]), ["outside [0, 120]", "no whole number", None, "outside [0, 120]"]),
        (WHOLE, pa.array([121, None, 0], pa.int64()), ["outside [0, 120]", "missing", None]),
        (FLAG, pa.array([2.0, 0.5, 1.0]), ["neither true nor false", "neither true nor false", None]),
        (LEVEL, pa.array(["south", None, "north"]), ["none of the model's levels", "missing", None]),
    ],
    ids=["missing", "beyond float32", "no whole number", "out of bounds", "no flag", "no level"],
)  # fmt: skip
def test_what_the_signature_refuses_is_named(feature: Feature, column: pa.Array, expected: list[str | None]) -> None:
    assert read(feature, column)[1] == expected


@pytest.mark.parametrize("feature", [NUMBER, MAYBE, WHOLE, FLAG, LEVEL, OPEN], ids=lambda f: f"{f.kind}-{f.nullable}")
@pytest.mark.parametrize(
    "value",
    [0, 1, 3, 120, 121, -1, 0.5, 1.0, 3.0, 2.5, 1e39, 2**60, True, False, None, "north", "3", "true", "0.5", "", "x"],
    ids=repr,
)  # fmt: skip
def test_a_value_is_refused_here_where_the_predictor_refuses_it(feature: Feature, value: Any) -> None:
    online = OnlineReader(Signature(inputs=(feature,), output=RegressionOutput()))
    number, wrong = online.value(0, value)
    column = pa.array([value])
    if why_not(feature, column.type) is not None:
        assert wrong is not None
        return
    values, refused = read(feature, column)
    assert (refused[0] is None) == (wrong is None)
    if wrong is None:
        assert values[0] == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize(
    ("feature", "arrow"),
    [
        (NUMBER, pa.string()), (NUMBER, pa.timestamp("s")), (NUMBER, pa.bool_()), (WHOLE, pa.bool_()),
        (FLAG, pa.string()), (LEVEL, pa.list_(pa.string())), (LEVEL, pa.date32()), (LEVEL, pa.binary()),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_that_can_hold_no_value_of_the_feature_is_told(feature: Feature, arrow: pa.DataType) -> None:
    assert why_not(feature, arrow) is not None


def test_unseen_levels_are_named_the_most_frequent_at_least() -> None:
    reader = RowReader(Signature(inputs=(OPEN,), output=RegressionOutput()))
    names = [f"level-{number}" for number in range(500)] + ["often"] * 300 + ["nul\0"] * 200 + ["y" * 100] * 100
    reader.read(pa.RecordBatch.from_arrays([pa.array(names)], names=["x"]))
    found = reader.unseen["x"].counts
    assert len(found) == 50
    assert sorted(found, key=lambda name: -found[name])[:3] == ["often", "nul\ufffd", "y" * 64]


def test_the_buffer_is_used_again() -> None:
    reader = RowReader(Signature(inputs=(NUMBER,), output=RegressionOutput()))
    batch = pa.RecordBatch.from_arrays([pa.array(np.zeros(BATCH_ROWS))], names=["x"])
    assert np.shares_memory(reader.read(batch).values, reader.read(batch).values)


def test_no_pandas_is_loaded_to_score() -> None:
    program = """
import sys, pyarrow as pa, numpy as np
from modelloop_batch import arrays, rows, shards, run
from modelloop_core.feature_schema import *
signature = Signature(inputs=(NumericFeature(name="a", nullable=True), CategoricalFeature(name="b", levels=("x",))),
                      output=RegressionOutput())
columns = [arrays.floats(np.zeros(3), precise=True), arrays.strings(["x", "x", "y"])]
rows.RowReader(signature).read(pa.RecordBatch.from_arrays(columns, names=["a", "b"]))
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
