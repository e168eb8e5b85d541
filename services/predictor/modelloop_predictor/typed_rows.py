"""What a signature's rows are to a decoder that knows types, and to numpy, which holds many rows against their bounds.

Neither needs Python code for each number. What they find good, the reader of single values in `validation` finds good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Signature, level_text
from modelloop_core.inference import UNSEEN, Float64s
from modelloop_predictor.telemetry.unseen import UnseenLevels

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
Row = tuple[Any, ...]
# Read from JSON, the slow way has larger ones as floats, whose text differs; so they are left to it.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def json_type(feature: Feature, whole: Any = Whole) -> Any:
    """The type of a feature's values in JSON; a level may be a whole number of type `whole`."""
    kind: Any = float
    if isinstance(feature, CategoricalFeature):
        kind = str | whole | float | bool
    elif feature.dtype == "bool":
        kind = bool | float
    return kind | None if feature.nullable else kind


def row_type(signature: Signature, whole: Any = Whole) -> Any:
    """The type of a row that is a list."""
    return tuple.__class_getitem__(tuple(json_type(feature, whole) for feature in signature.inputs))


class Coder:
    """Puts codes in the place of levels; the names of those that the signature has not are noted in `unseen`."""

    def __init__(self, signature: Signature, unseen: UnseenLevels) -> None:
        self._codes = tuple(_levels(signature, unseen))

    def coded(self, rows: list[Row]) -> list[Row]:
        """The rows with codes; raises LookupError for a level that cannot be there."""
        return [self._coded(row) for row in rows] if self._codes else rows

    def _coded(self, row: Row) -> Row:
        cells = list(row)
        for position, code in self._codes:
            cells[position] = code(cells[position])
        return tuple(cells)


class Bounds:
    """What each column's numbers must be, for all columns at once."""

    def __init__(self, signature: Signature) -> None:
        features = signature.inputs
        self._width = len(features)
        self._low = np.array([_low(feature) for feature in features])
        self._high = np.array([_high(feature) for feature in features])
        self._float32_alone = bool((self._low == -LARGEST_FLOAT32).all() and (self._high == LARGEST_FLOAT32).all())
        self._nulls = any(feature.nullable for feature in features)
        self._nullable = np.array([feature.nullable for feature in features])
        self._whole = np.flatnonzero([_is_whole(feature) for feature in features])

    def matrix(self, cells: Sequence[Row]) -> Float64s:
        """float64 [n, features] of rows whose levels are codes."""
        if self._nulls:
            # None becomes NaN; the quicker way below does not know None.
            return np.array(cells, dtype=np.float64).reshape(-1, self._width)
        return np.fromiter(chain.from_iterable(cells), dtype=np.float64).reshape(-1, self._width)

    def hold(self, rows: Float64s) -> bool:
        """Whether all are within them."""
        if self._float32_alone and not self._nulls:
            inside = bool(np.abs(rows).max() <= LARGEST_FLOAT32)
        else:
            inside = bool(self._inside(rows).all())
        return inside and (not self._whole.size or bool(self._are_whole(rows).all()))

    def fitting(self, rows: Float64s) -> npt.NDArray[np.bool_]:
        """Of each row whether it is within them."""
        return np.asarray(self._inside(rows).all(axis=1) & self._are_whole(rows).all(axis=1))

    def _inside(self, rows: Float64s) -> npt.NDArray[np.bool_]:
        inside = (rows >= self._low) & (rows <= self._high)
        return inside | (np.isnan(rows) & self._nullable) if self._nulls else inside

    def _are_whole(self, rows: Float64s) -> npt.NDArray[np.bool_]:
        values = rows[:, self._whole]
        whole: npt.NDArray[np.bool_] = values == np.trunc(values)
        return whole | np.isnan(values) if self._nulls else whole


def _levels(signature: Signature, unseen: UnseenLevels) -> Iterable[tuple[int, Callable[[Any], float]]]:
    for position, feature in enumerate(signature.inputs):
        if isinstance(feature, CategoricalFeature):
            yield position, _coder(feature, unseen.noter(feature.name))


def _coder(feature: CategoricalFeature, note: Callable[[str], None] | None) -> Callable[[Any], float]:
    codes: dict[str | None, float] = {level: float(position) for position, level in enumerate(feature.levels)}
    if feature.nullable:
        codes[None] = float("nan")
    if not feature.open:
        return lambda value: codes[value if value is None or type(value) is str else level_text(value)]
    if note is None:
        return lambda value: codes.get(value if value is None or type(value) is str else level_text(value), UNSEEN)

    def code(value: Any) -> float:
        text = value if value is None or type(value) is str else level_text(value)
        found = codes.get(text)
        if found is None:
            # Null has a code where it is allowed; where it is not, the decoder has refused it.
            note(str(text))
            return UNSEEN
        return found

    return code


def _low(feature: Feature) -> float:
    if isinstance(feature, CategoricalFeature):
        return UNSEEN
    least = 0.0 if feature.dtype == "bool" else -LARGEST_FLOAT32
    return least if feature.minimum is None else max(feature.minimum, least)


def _high(feature: Feature) -> float:
    if isinstance(feature, CategoricalFeature):
        return float(len(feature.levels))
    most = 1.0 if feature.dtype == "bool" else LARGEST_FLOAT32
    return most if feature.maximum is None else min(feature.maximum, most)


def _is_whole(feature: Feature) -> bool:
    return isinstance(feature, NumericFeature) and feature.dtype in ("int64", "bool")
