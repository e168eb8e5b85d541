"""Counts of several columns of one kind in one array: what numpy does for all at once costs each column little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from modelloop_core.drift.bins import Floats, LevelBins, NumericBins
from modelloop_core.drift.profile import ColumnProfile, bounded


class Block(Protocol):
    """Columns that are counted together."""

    def count(self, columns: Floats) -> None:
        """Count values [columns, rows], null NaN."""

    def take(self) -> Iterator[ColumnProfile]:
        """What was counted since the last time, a profile a column."""

    @property
    def nbytes(self) -> int:
        """Memory of the counts and of what counting needs."""


class NumericBlock:
    """Numeric columns of one precision: each sorted, then cut where its bins end.

    A column's cells are: -inf, its bins, +inf, null. In this order they are stretches of the sorted values.
    """

    def __init__(self, bins: Sequence[NumericBins], dtype: type[np.floating]) -> None:
        self._dtype = dtype
        most = np.finfo(dtype).max
        self._cuts: list[Any] = [np.array([-np.inf, *one.edges, most, np.inf], dtype=dtype) for one in bins]
        self._ends = np.cumsum([len(cuts) + 1 for cuts in self._cuts])
        self._counts = np.zeros(self._ends[-1], dtype=np.int64)
        self._sums = np.zeros(self._ends[-1])
        self._bounds = np.zeros(self._ends[-1] + 1, dtype=np.int64)

    def count(self, columns: Floats) -> None:
        """Count values [columns, rows], null NaN."""
        values: Any = columns.astype(self._dtype, order="C")
        values.sort(axis=1)
        rows = values.shape[1]
        place = 0
        for number, cuts in enumerate(self._cuts):
            end = self._ends[number]
            np.add(values[number].searchsorted(cuts, side="right"), number * rows, out=self._bounds[place + 1 : end])
            self._bounds[end] = (number + 1) * rows
            place = end
        counts = np.diff(self._bounds)
        self._counts += counts
        self._add_sums(values.ravel(), counts)

    def _add_sums(self, values: Any, counts: Any) -> None:
        # Stretches, and no differences of a running sum: one huge value would wipe out all others'. Empty ones are left
        # out, since reduceat takes the value that follows for them.
        filled = counts.nonzero()[0]
        if len(filled):
            with np.errstate(over="ignore", invalid="ignore"):
                self._sums[filled] += np.add.reduceat(values, self._bounds[filled], dtype=np.float64)

    def take(self) -> Iterator[ColumnProfile]:
        """What was counted since the last time, a profile a column."""
        counts, sums = self._counts, self._sums
        self._counts, self._sums = np.zeros_like(counts), np.zeros_like(sums)
        for column, of_column in zip(*(np.split(array, self._ends[:-1]) for array in (counts, sums)), strict=True):
            yield ColumnProfile(
                counts=column[1:-2],
                sums=bounded(of_column[1:-2]),
                null=int(column[-1]),
                positive_infinite=int(column[-2]),
                negative_infinite=int(column[0]),
            )

    @property
    def nbytes(self) -> int:
        """Memory of the counts and of what counting needs."""
        return sum(array.nbytes for array in (self._counts, self._sums, self._bounds, self._ends, *self._cuts))


class LevelBlock:
    """Columns of levels, as codes. A column's cells are: its levels, others, null."""

    def __init__(self, bins: Sequence[LevelBins]) -> None:
        self._others = np.array([[len(one.levels)] for one in bins], dtype=np.float64)
        self._ends = np.cumsum([one.size + 1 for one in bins])
        self._starts = np.concatenate(([0], self._ends[:-1]))[:, None].astype(np.float64)
        self._counts = np.zeros(self._ends[-1], dtype=np.int64)

    def count(self, columns: Floats) -> None:
        """Count codes [columns, rows], null NaN."""
        # What is no level, and NaN, compares as false.
        known = (columns >= 0) & (columns < self._others)
        codes = np.where(known, columns, self._others + np.isnan(columns)) + self._starts
        self._counts += np.bincount(codes.astype(np.intp).ravel(), minlength=len(self._counts))

    def take(self) -> Iterator[ColumnProfile]:
        """What was counted since the last time, a profile a column."""
        counts, self._counts = self._counts, np.zeros_like(self._counts)
        for column in np.split(counts, self._ends[:-1]):
            yield ColumnProfile(counts=column[:-1], sums=np.zeros(len(column) - 1), null=int(column[-1]))

    @property
    def nbytes(self) -> int:
        """Memory of the counts and of what counting needs."""
        return sum(array.nbytes for array in (self._counts, self._others, self._starts, self._ends))
