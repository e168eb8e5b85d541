"""What a model's raw answer must look like before anyone sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.inference.arrays import Float64s, Floats
from modelloop_core.inference.errors import BadOutput

_ROUNDING = 1e-6
_SUM_TOLERANCE = 1e-3


def join(answers: Sequence[npt.NDArray[Any]], rows: int) -> Floats:
    """The answers of a model's heads side by side, each [n] or [n, values]; raises BadOutput for other shapes."""
    squeezed = [squeeze(answer, rows) for answer in answers]
    return squeezed[0] if len(squeezed) == 1 else np.column_stack(squeezed)


def squeeze(answer: npt.NDArray[Any], rows: int) -> Floats:
    """A model's answer as floats [n] or [n, values], with [n, 1] taken as [n]; raises BadOutput for other shapes."""
    if answer.ndim == 2 and answer.shape[1] == 1:
        answer = answer[:, 0]
    if answer.ndim not in (1, 2) or answer.shape[0] != rows:
        raise BadOutput(f"the model answered {rows} row(s) with shape {list(answer.shape)}, expected [{rows}, ...]")
    if answer.dtype.kind not in "fiub":
        raise BadOutput(f"the model answered with {answer.dtype}, expected floats")
    return answer if answer.dtype.kind == "f" else answer.astype(np.float64)


def check(answer: Floats, output: Output) -> Float64s:
    """The answer as float64 in the signature's terms, or BadOutput.

    Binary: [n] in [0, 1]; multiclass: [n, classes], each row in [0, 1] and summing to 1 within 1e-3; regression: [n],
    or [n, values] where the values have names.
    """
    values = np.asarray(answer, dtype=np.float64)
    match output:
        case BinaryOutput():
            _shaped(values, 1, "a binary model gives one probability a row, of the positive class")
            return _probability(values)
        case MulticlassOutput(classes=classes):
            _shaped(values, 2, f"a model of {len(classes)} classes gives that many probabilities a row")
            if values.shape[1] != len(classes):
                raise BadOutput(f"the model gives {values.shape[1]} values a row, the signature {len(classes)} classes")
            return _sums_to_one(_probability(values))
        case RegressionOutput(names=()):
            _shaped(values, 1, "a regression model whose values have no names gives one value a row")
            _finite(values)
            return values
        case RegressionOutput(names=names):
            _shaped(values, 2, f"the signature names {len(names)} values a row: {', '.join(names)}")
            if values.shape[1] != len(names):
                raise BadOutput(f"the model gives {values.shape[1]} values a row, the signature names {len(names)}")
            _finite(values)
            return values
        case _:
            assert_never(output)


def _shaped(values: Float64s, dimensions: int, rule: str) -> None:
    if values.ndim != dimensions:
        raise BadOutput(f"the model answered with shape {list(values.shape)}; {rule}")


def _finite(values: Float64s) -> None:
    # A sum is finite only when all are, or when huge values overflow: only then is it worth looking at each.
    if not np.isfinite(values.sum()) and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise BadOutput(f"the model answered {values[row].tolist()} for row {row}, which is not finite")


def _probability(values: Float64s) -> Float64s:
    low, high = values.min(), values.max()
    if low >= 0 and high <= 1:
        return values
    # A NaN among them makes both bounds NaN, for which no comparison holds.
    _finite(values)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        row = int(np.argwhere((values < -_ROUNDING) | (values > 1 + _ROUNDING))[0][0])
        raise BadOutput(
            f"the model answered {values[row].tolist()} for row {row}; the signature says probabilities in [0, 1], "
            "so end the model with a sigmoid or softmax"
        )
    return np.clip(values, 0.0, 1.0)


def _sums_to_one(values: Float64s) -> Float64s:
    wrong = np.abs(values.sum(axis=1) - 1.0) > _SUM_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadOutput(f"the model's probabilities for row {row} sum to {values[row].sum():.6g}, not 1")
    return values
