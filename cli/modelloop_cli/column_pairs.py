"""One column of two tables in the form in which it is counted: numbers, or codes of the reference's levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from modelloop_core.feature_schema import CategoricalFeature, Feature

MOST_LEVELS = 1000
MOST_UNSEEN = 50

Values = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]


class Unfit(ValueError):
    """A column cannot be compared; the message goes on from its name and says why."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One column of both tables, float32 or float64, null NaN; with `levels` they are codes, those beyond are others.

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

    wanted = pa.float32() if _dtype(column.type) == "float32" else pa.float64()
    try:
        # Not safe: a whole number beyond 2^53 becomes its neighbour, as everywhere where numbers are counted.
        numbers = column.cast(wanted, safe=False)
    except pa.ArrowException as error:
        raise Unfit(f"declared as numbers, but of type {column.type}: {' '.join(str(error).split())}") from error
    values: Values = numbers.to_numpy()
    return values


def _levels(name: str, reference: Any, current: Any, declared: tuple[str, ...] | None) -> Pair:
    theirs, ours = _texts(reference), _texts(current)
    seen = theirs.counts
    levels = declared or tuple(sorted(sorted(seen, key=lambda text: -seen[text])[:MOST_LEVELS]))
    unseen = {text: count for text, count in ours.counts.items() if text not in seen and text not in levels}
    return Pair(
        name,
        "float64",
        theirs.codes(levels),
        ours.codes(levels),
        levels,
        np.array([seen.get(level, 0) for level in levels], dtype=np.int64),
        tuple(sorted(unseen, key=lambda text: (-unseen[text], text))[:MOST_UNSEEN]),
    )


@dataclass(frozen=True, eq=False)
class _Texts:
    """A column of texts, each kept once: row i holds `texts[places[i]]`, or null where the place is beyond them."""

    texts: list[str]
    places: npt.NDArray[np.int32]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows hold each text."""
        counted = np.bincount(self.places, minlength=len(self.texts))
        return dict(zip(self.texts, counted.tolist(), strict=False))

    def codes(self, levels: tuple[str, ...]) -> Values:
        """The place of each row's text among the levels; one beyond the last for others, NaN for null."""
        codes = {level: float(place) for place, level in enumerate(levels)}
        others = float(len(levels))
        return np.array([*(codes.get(text, others) for text in self.texts), np.nan])[self.places]


def _texts(column: Any) -> _Texts:
    import pyarrow as pa
    from pyarrow import compute, types

    value_type = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_dictionary(column.type):
        column = column.cast(value_type)
    if types.is_floating(value_type):
        column = compute.if_else(compute.is_nan(column), pa.scalar(None, value_type), column)
    encoded = column.cast(pa.string()).dictionary_encode().unify_dictionaries().combine_chunks()
    texts = encoded.dictionary.to_pylist()
    return _Texts(texts, encoded.indices.fill_null(len(texts)).to_numpy())
