"""One column of two tables in the form in which it is counted: numbers, or codes of the reference's levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from modelloop_core.feature_schema import CategoricalFeature, Feature

MOST_LEVELS = 1000
MOST_UNSEEN = 50

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Unfit(ValueError):
    """A column cannot be compared; the message goes on from its name and says why."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One column of both tables, float64 with NaN for null; with `levels` they are codes, those beyond are others.

    `unseen` are texts that the reference does not have, the most frequent first.
    """

    name: str
    dtype: str
    reference: Values
    current: Values
    levels: tuple[str, ...] | None = None
    level_counts: Counts = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    unseen: tuple[str, ...] = ()


def pair_of(name: str, reference: Any, current: Any, declared: Feature | None) -> Pair:
    """The pair of two Arrow columns, as numbers when both are (or it is declared), else as texts; raises Unfit."""
    theirs, ours = _kind(reference.type), _kind(current.type)
    for kind, column in ((theirs, reference), (ours, current)):
        if kind == "other":
            raise Unfit(f"of type {column.type}, which is neither numbers nor texts")
    if isinstance(declared, CategoricalFeature):
        return _levels(name, reference, current, declared.levels)
    if declared is not None:
        return Pair(name, declared.dtype, _numbers(name, reference), _numbers(name, current))
    if {theirs, ours} <= {"number", "null"}:
        return Pair(name, _dtype(reference.type), _numbers(name, reference), _numbers(name, current))
    if "time" in (theirs, ours) and theirs == ours:
        raise Unfit(f"of type {reference.type}: what tells the time always moves on")
    return _levels(name, reference, current, None)


def _kind(arrow: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(arrow):
        return "text" if _kind(arrow.value_type) != "other" else "other"
    if types.is_null(arrow):
        return "null"
    if types.is_boolean(arrow) or types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow):
        return "number"
    if types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow):
        return "text"
    return "time" if types.is_temporal(arrow) else "other"


def _dtype(arrow: Any) -> str:
    from pyarrow import types

    if types.is_boolean(arrow):
        return "bool"
    if types.is_integer(arrow):
        return "int64"
    return "float32" if types.is_floating(arrow) and arrow.bit_width <= 32 else "float64"


def _numbers(name: str, column: Any) -> Values:
    import pyarrow as pa

    try:
        # Not safe: a whole number beyond 2^53 becomes its neighbour, as everywhere where numbers are counted.
        numbers = column.cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise Unfit(f"declared as numbers, but of type {column.type}: {' '.join(str(error).split())}") from error
    values: Values = np.asarray(numbers.to_numpy(), dtype=np.float64)
    return values


def _levels(name: str, reference: Any, current: Any, declared: tuple[str, ...] | None) -> Pair:
    theirs, ours = _texts(reference), _texts(current)
    seen = _frequencies(theirs)
    levels = declared or tuple(sorted(sorted(seen, key=lambda text: -seen[text])[:MOST_LEVELS]))
    unseen = {text: count for text, count in _frequencies(ours).items() if text not in seen and text not in levels}
    return Pair(
        name,
        "float64",
        _codes(theirs, levels),
        _codes(ours, levels),
        levels,
        np.array([seen.get(level, 0) for level in levels], dtype=np.int64),
        tuple(sorted(unseen, key=lambda text: (-unseen[text], text))[:MOST_UNSEEN]),
    )


def _texts(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute, types

    value_type = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_dictionary(column.type):
        column = column.cast(value_type)
    if types.is_floating(value_type):
        column = compute.if_else(compute.is_nan(column), pa.scalar(None, value_type), column)
    return column.cast(pa.string())


def _frequencies(texts: Any) -> dict[str, int]:
    counted = texts.value_counts()
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return {text: count for text, count in pairs if text is not None}


def _codes(texts: Any, levels: tuple[str, ...]) -> Values:
    """The place of each text among the levels; one beyond the last for others, NaN for null."""
    import pyarrow as pa
    from pyarrow import compute

    places = compute.index_in(texts, value_set=pa.array(levels, pa.string()))
    codes: Values = compute.fill_null(places, len(levels)).to_numpy().astype(np.float64)
    codes[texts.is_null().to_numpy()] = np.nan
    return codes
