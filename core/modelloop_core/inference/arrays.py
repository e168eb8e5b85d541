"""Array types of the inference path, and columns of a table to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelloop_core.feature_schema import CategoricalFeature, Signature, level_text

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]

UNSEEN = -1.0
"""The code of a level that the signature does not list (open features only)."""


def rows_from_columns(signature: Signature, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> Float64s:
    """Parsed rows, float64 [n, features], of a table's columns: levels as codes, None and NaN as NaN.

    Checks no domain: training and batch decide for themselves what to do with strange values. Raises KeyError for a
    missing column, ValueError for a column that is no number, or for columns of different lengths.
    """
    parts = []
    for feature in signature.inputs:
        values = columns[feature.name]
        if isinstance(feature, CategoricalFeature):
            parts.append(codes_of(values, feature.levels))
        else:
            parts.append(np.asarray(values, dtype=np.float64))
    return np.stack(parts, axis=1)


def codes_of(values: Sequence[Any] | npt.NDArray[Any], levels: Sequence[str]) -> Float64s:
    """float64 [n]: the index of each value among `levels` (compared as strings), UNSEEN for others, NaN for null."""
    index: dict[str, float] = {level: float(position) for position, level in enumerate(levels)}
    return np.fromiter((_code(value, index) for value in values), dtype=np.float64, count=len(values))


def _code(value: Any, index: Mapping[str, float]) -> float:
    # `value != value` holds for NaN alone, in whatever type a table brings it.
    if value is None or value != value:
        return float("nan")
    return index.get(level_text(value.item() if isinstance(value, np.generic) else value), UNSEEN)
