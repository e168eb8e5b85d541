from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_core.inference import Encoder, rows_from_columns
from modelloop_core.preprocessing import (
    Bucket,
    Clip,
    Encode,
    Impute,
    Preprocessing,
    PreprocessingError,
    Scale,
    Step,
)

NAN = float("nan")
AGE = NumericFeature(name="age", nullable=True)
SEX = CategoricalFeature(name="sex", levels=("f", "m"), open=True, nullable=True)


def _signature(*features: Feature) -> Signature:
    return Signature(inputs=features, output=BinaryOutput())


def _column(feature: Feature, steps: tuple[Step, ...], values: list[float]) -> list[list[float]]:
    encoder = Encoder(_signature(feature), Preprocessing(features={feature.name: steps}))
    matrix = encoder.transform(np.array(values, dtype=np.float64)[:, None])
    assert matrix.dtype == np.float32
    return [[None if np.isnan(cell) else float(cell) for cell in row] for row in matrix]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("feature", "steps", "values", "expected"),
    [
        pytest.param(AGE, (), [1.5, NAN], [[1.5], [None]], id="identity keeps null"),
        pytest.param(AGE, (Impute(value=7),), [1, NAN], [[1], [7]], id="impute fills null only"),
        pytest.param(AGE, (Scale(center=10, scale=4),), [12, NAN], [[0.5], [None]], id="scale keeps null"),
        pytest.param(AGE, (Clip(minimum=0, maximum=9),), [-1, 0, 9, 10], [[0], [0], [9], [9]], id="clip is inclusive"),
        pytest.param(AGE, (Clip(maximum=9),), [-99, 10, NAN], [[-99], [9], [None]], id="clip on one side"),
        pytest.param(
            AGE,
            (Impute(value=100), Clip(maximum=20), Scale(center=10, scale=5)),
            [NAN, 5],
            [[2], [-1]],
            id="impute, clip, scale run in this order",
        ),
        pytest.param(
            AGE,
            (Scale(center=10, scale=5), Clip(maximum=1), Impute(value=-3)),
            [NAN, 30, 5],
            [[-3], [1], [-1]],
            id="any other order runs as declared",
        ),
        pytest.param(AGE, (Scale(scale=2), Scale(scale=2)), [8], [[2]], id="a step may repeat"),
        pytest.param(
            AGE, (Bucket(edges=(0, 10)),), [-1, 0, 9.9, 10, NAN], [[0], [1], [1], [2], [None]], id="bucket counts edges"
        ),
        pytest.param(
            AGE,
            (Bucket(edges=(0, 10)), Encode(method="one-hot")),
            [-1, 10, NAN],
            [[1, 0, 0], [0, 0, 1], [0, 0, 0]],
            id="buckets one-hot",
        ),
        pytest.param(SEX, (), [0, 1, -1, NAN], [[0], [1], [-1], [None]], id="levels are codes by default"),
        pytest.param(SEX, (Encode(method="ordinal"),), [1, -1], [[1], [-1]], id="ordinal is the code"),
        pytest.param(
            SEX,
            (Encode(method="one-hot"),),
            [0, 1, -1, NAN],
            [[1, 0], [0, 1], [0, 0], [0, 0]],
            id="one-hot: unseen and null are all zeros",
        ),
        pytest.param(
            SEX,
            (Impute(value="m"), Encode(method="one-hot")),
            [NAN, 0],
            [[0, 1], [1, 0]],
            id="impute a level",
        ),
        pytest.param(
            SEX, (Encode(method="ordinal"), Scale(center=1, scale=2)), [1, 0], [[0], [-0.5]], id="ordinal, then scale"
        ),
    ],
)
def test_a_feature_becomes_its_columns(
    feature: Feature, steps: tuple[Step, ...], values: list[float], expected: list[list[float | None]]
) -> None:
    assert _column(feature, steps, values) == expected


def test_columns_keep_the_order_of_the_signature() -> None:
    plain = NumericFeature(name="hours")
    signature = _signature(SEX, AGE, plain)
    preprocessing = Preprocessing(features={"sex": (Encode(method="one-hot"),), "age": (Scale(center=1, scale=2),)})
    encoder = Encoder(signature, preprocessing)
    assert preprocessing.columns(signature) == encoder.columns == ("sex=f", "sex=m", "age", "hours")
    assert encoder.transform(np.array([[1.0, 3.0, 40.0]])).tolist() == [[0.0, 1.0, 1.0, 40.0]]


def test_scaling_is_done_in_float64() -> None:
    matrix = Encoder(
        _signature(NumericFeature(name="time", dtype="float64")),
        Preprocessing(features={"time": (Scale(center=1_700_000_000, scale=1),)}),
    ).transform(np.array([[1_700_000_000.25]]))
    assert matrix.tolist() == [[0.25]]


def test_no_rows_give_an_empty_matrix() -> None:
    preprocessing = Preprocessing(features={"sex": (Encode(method="one-hot"),)})
    assert Encoder(_signature(SEX, AGE), preprocessing).transform(np.empty((0, 2))).shape == (0, 3)


def test_the_input_is_left_as_it_was() -> None:
    rows = np.array([[1.0], [NAN]])
    Encoder(_signature(AGE), Preprocessing(features={"age": (Impute(value=0), Scale(scale=3))})).transform(rows)
    assert np.isnan(rows[1, 0])


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \[n, 1\]"):
        Encoder(_signature(AGE), Preprocessing()).transform(np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        pytest.param({"salary": (Scale(),)}, "signature lacks: salary", id="unknown feature"),
        pytest.param({"age": (Encode(method="one-hot"),)}, "encode needs levels or buckets", id="one-hot of a number"),
        pytest.param({"sex": (Scale(),)}, "scale needs a number", id="scale of levels"),
        pytest.param({"sex": (Bucket(edges=(1,)),)}, "bucket needs a number", id="bucket of levels"),
        pytest.param({"age": (Impute(value="old"),)}, "'old' is not a number", id="number imputed by a word"),
        pytest.param({"sex": (Impute(value="x"),)}, "'x' is not one of its levels", id="unknown level imputed"),
        pytest.param({"sex": (Impute(value=1),)}, "not one of its levels", id="level imputed by a number"),
        pytest.param({"sex": (Encode(method="one-hot"), Scale())}, "must be its last step", id="step after one-hot"),
    ],
)
def test_steps_that_cannot_work_are_refused(features: dict[str, tuple[Step, ...]], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        Preprocessing(features=features).columns(_signature(AGE, SEX))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"features": {"a": [{"step": "clip"}]}}, id="clip without bounds"),
        pytest.param({"features": {"a": [{"step": "clip", "minimum": 2, "maximum": 1}]}}, id="clip upside down"),
        pytest.param({"features": {"a": [{"step": "scale", "scale": 0}]}}, id="scale by zero"),
        pytest.param({"features": {"a": [{"step": "bucket", "edges": [1, 1]}]}}, id="edges repeat"),
        pytest.param({"features": {"a": [{"step": "hash"}]}}, id="unknown step"),
        pytest.param({"features": {}, "more": 1}, id="unknown key"),
        pytest.param({"schema_version": 2}, id="later schema"),
    ],
)
def test_a_malformed_document_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate_json(json.dumps(document))


def test_the_document_reads_back_as_written() -> None:
    preprocessing = Preprocessing(
        features={
            "age": (Impute(value=38), Clip(minimum=0), Scale(center=38.5, scale=13.25), Bucket(edges=(0, 1))),
            "sex": (Impute(value="f"), Encode(method="one-hot")),
        }
    )
    assert Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing


def test_table_columns_become_rows() -> None:
    code = CategoricalFeature(name="code", levels=("1", "true", "x"), open=True, nullable=True)
    rows = rows_from_columns(_signature(code, AGE), {"age": [1, None, 3, 4], "code": [1.0, True, None, "zzz"]})
    assert np.array_equal(rows, np.array([[0, 1], [1, NAN], [NAN, 3], [-1, 4]]), equal_nan=True)


def test_numpy_columns_become_rows() -> None:
    code = CategoricalFeature(name="code", levels=("0", "1"))
    rows = rows_from_columns(_signature(code), {"code": np.array([1.0, 0.0, NAN], dtype=np.float32)})
    assert np.array_equal(rows, np.array([[1], [0], [NAN]]), equal_nan=True)
