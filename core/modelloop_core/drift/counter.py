"""Counts live rows into the bins of a reference, a block at a time: alone, a row would cost twenty times as much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from modelloop_core.drift.bins import Float64s, NumericBins
from modelloop_core.drift.profile import ColumnProfile, Profile, count_column, count_sorted
from modelloop_core.drift.reference import ColumnReference, Reference, output_names, output_values
from modelloop_core.feature_schema import Signature

BLOCK_ROWS = 1024
"""So many values of a column are sorted in the first cache; more rows are counted in parts."""


class ReferenceMisfit(ValueError):
    """The reference has not the columns of the signature; the message names them."""


class ProfileCounter:
    """The profile of all rows since the last `take`; belongs to one thread. Raises ReferenceMisfit when made."""

    def __init__(self, signature: Signature, reference: Reference) -> None:
        _check("features", signature.feature_names, tuple(reference.features))
        _check("outputs", output_names(signature.output), tuple(reference.outputs))
        self._reference = reference
        self._output = signature.output
        columns = list(enumerate(reference.features.items()))
        numeric = [_Sorted(place, name, column) for place, (name, column) in columns if column.bins.kind == "numeric"]
        self._sorted = [
            _Group([column for column in numeric if column.dtype == dtype], dtype) for dtype in (np.float32, np.float64)
        ]
        self._levels = [(place, name, column) for place, (name, column) in columns if column.bins.kind != "numeric"]
        self._total = reference.empty_profile

    def count(self, rows: Float64s, answers: Float64s) -> None:
        """Count rows [n, features] (levels as codes, null NaN) and their answers [n] or [n, values]."""
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            features = dict(self._features(rows[block]))
            self._total += Profile(features, dict(self._outputs(answers[block])))

    def take(self) -> Profile:
        """What was counted since the last time."""
        total, self._total = self._total, self._reference.empty_profile
        return total

    def _features(self, rows: Float64s) -> Iterator[tuple[str, ColumnProfile]]:
        for group in self._sorted:
            yield from group.count(rows)
        for place, name, column in self._levels:
            yield name, count_column(column.bins, column.dtype, rows[:, place])

    def _outputs(self, answers: Float64s) -> Iterator[tuple[str, ColumnProfile]]:
        for name, values in output_values(self._output, answers):
            column = self._reference.outputs[name]
            yield name, count_column(column.bins, column.dtype, values)


class _Sorted:
    """A numeric column: its edges in the precision in which its values are compared."""

    def __init__(self, place: int, name: str, column: ColumnReference) -> None:
        assert isinstance(column.bins, NumericBins)  # noqa: S101 the caller has chosen by kind
        self.place = place
        self.name = name
        self.dtype: type[np.floating] = np.float32 if column.dtype == "float32" else np.float64
        self.edges: Any = np.array(column.bins.edges, dtype=self.dtype)


class _Group:
    """Numeric columns of one precision, cast, turned and sorted together."""

    def __init__(self, columns: Sequence[_Sorted], dtype: type[np.floating]) -> None:
        self._columns = columns
        self._places = [column.place for column in columns]
        self._dtype = dtype

    def count(self, rows: Float64s) -> Iterator[tuple[str, ColumnProfile]]:
        if not self._columns:
            return
        values: Any = np.ascontiguousarray(rows[:, self._places].T, dtype=self._dtype)
        values.sort(axis=1)
        for column, ordered in zip(self._columns, values, strict=True):
            yield column.name, count_sorted(column.edges, ordered)


def _check(what: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    if tuple(wanted) != tuple(found):
        strange = sorted(set(wanted) ^ set(found)) or wanted
        raise ReferenceMisfit(f"the reference's {what} are not the signature's: {', '.join(strange[:5])}")
