"""From Arrow columns to the numbers of the signature, with no Python object for each; and what the signature refuses.

The rules are those of the predictor: what it answers 422 is refused here, and NaN is null, as everywhere in tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, types

from modelloop_batch import arrays
from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, level_text
from modelloop_core.inference import UNSEEN, Float64s

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
"""Models compute in float32: a number beyond is none to them."""

Mask = npt.NDArray[np.bool_]
Reader = Callable[[pa.Array], Float64s]


class Refused(NamedTuple):
    """Values of one column that cannot be there: which rows [n], and why."""

    reason: str
    rows: Mask


class Bounds(NamedTuple):
    """What a feature's numbers (or codes) must be, both ends included."""

    low: float
    high: float


def bounds_of(feature: Feature) -> Bounds:
    """The bounds of one feature; of levels those of their codes."""
    if isinstance(feature, CategoricalFeature):
        return Bounds(UNSEEN if feature.open else 0.0, len(feature.levels) - 1.0)
    least, most = (0.0, 1.0) if feature.dtype == "bool" else (-LARGEST_FLOAT32, LARGEST_FLOAT32)
    low = least if feature.minimum is None else max(feature.minimum, least)
    return Bounds(low, most if feature.maximum is None else min(feature.maximum, most))


def why_not(feature: Feature, arrow: pa.DataType) -> str | None:
    """Why a column of this Arrow type can hold no value of the feature; None when it can."""
    kind = arrow.value_type if types.is_dictionary(arrow) else arrow
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    text = types.is_string(kind) or types.is_large_string(kind)
    if types.is_null(kind):
        return None
    match feature:
        case CategoricalFeature():
            return None if number or text else "levels, that is texts or numbers"
        case NumericFeature(dtype="bool"):
            return None if number else "true or false, or 0 and 1"
        case NumericFeature(dtype=dtype):
            whole = "whole numbers" if dtype == "int64" else "numbers"
            return None if number and not types.is_boolean(kind) else whole
        case _:
            assert_never(feature)


def reader_of(feature: Feature) -> Reader:
    """What makes float64 [n] of a feature's column: NaN for null, levels as codes, UNSEEN for others."""
    if isinstance(feature, CategoricalFeature):
        return _Levels(feature)
    return numbers


def numbers(column: pa.Array) -> Float64s:
    """float64 or float32 [n] of a column of numbers, NaN for null; a view of its memory where that can be."""
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (types.is_float64(column.type) or types.is_float32(column.type)):
        # Not safe: a whole number beyond 2**53 becomes its neighbour, as online.
        column = _as_float64(column)
    values = arrays.view(column)
    return np.where(arrays.nulls(column), np.nan, values) if column.null_count else values


def _as_float64(column: pa.Array) -> pa.Array:
    if types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    return column.cast(pa.float64(), safe=False)


class _Levels:
    """Codes of one feature's levels."""

    def __init__(self, feature: CategoricalFeature) -> None:
        self._texts = arrays.strings(feature.levels)
        self._codes = {level: float(code) for code, level in enumerate(feature.levels)}

    def __call__(self, column: pa.Array) -> Float64s:
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if types.is_integer(column.type) or types.is_boolean(column.type):
            column = column.cast(pa.string())
        if types.is_string(column.type) or types.is_large_string(column.type):
            return self._of_texts(column)
        return self._of_others(column)

    def _of_texts(self, column: pa.Array) -> Float64s:
        places = compute.index_in(column, value_set=self._texts.cast(column.type), skip_nulls=True)
        codes = arrays.view(places).astype(np.float64)
        if places.null_count:
            codes[arrays.nulls(places)] = UNSEEN
        if column.null_count:
            codes[arrays.nulls(column)] = np.nan
        return codes

    def _of_others(self, column: pa.Array) -> Float64s:
        """Of floats and decimals, whose texts Arrow writes otherwise than callers do."""
        encoded = column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        codes = [np.nan if value != value else self._codes.get(level_text(value), UNSEEN) for value in values]
        places = np.where(arrays.nulls(encoded.indices), len(values), arrays.view(encoded.indices))
        found: Float64s = np.array([*codes, np.nan])[places]
        return found


def is_whole(arrow: pa.DataType) -> bool:
    """Whether columns of this type hold whole numbers only."""
    return bool(types.is_integer(arrow) or types.is_boolean(arrow))


def refused_in(feature: Feature, values: Float64s) -> Iterator[Refused]:
    """What the signature refuses among a feature's numbers [n], by reason; rows are named once."""
    null = np.isnan(values)
    if not feature.nullable and null.any():
        yield Refused("missing", null)
    low, high = bounds_of(feature)
    outside = (values < low) | (values > high)
    if outside.any():
        yield Refused(_outside(feature), outside)
    if isinstance(feature, NumericFeature) and feature.dtype in ("int64", "bool"):
        broken = ~(null | outside) & (values != np.trunc(values))
        if broken.any():
            yield Refused("no whole number" if feature.dtype == "int64" else _outside(feature), broken)


def _outside(feature: Feature) -> str:
    match feature:
        case CategoricalFeature():
            return "none of the model's levels"
        case NumericFeature(dtype="bool", minimum=None, maximum=None):
            return "neither true nor false"
        case NumericFeature():
            low, high = bounds_of(feature)
            return f"outside [{_shown(low)}, {_shown(high)}]"
        case _:
            assert_never(feature)


def _shown(bound: float) -> str:
    return f"{bound:.8g} (float32)" if abs(bound) == LARGEST_FLOAT32 else f"{bound:g}"
