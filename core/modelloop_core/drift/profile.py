"""Counts of a column, or of a whole version, in the bins of a reference: they add up in any order and any grouping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import Bins, Float64s, Floats, Int64s, LevelBins


class EdgesDiffer(ValueError):
    """Two profiles were counted in different bins."""


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """What one column held: `counts` int64 and `sums` float64 by fine bin, and what has no place in a bin.

    Counts are exact however rows are split, ordered and merged; sums agree to 1e-9 relative.
    """

    counts: Int64s
    sums: Float64s
    null: int = 0
    positive_infinite: int = 0
    negative_infinite: int = 0

    @classmethod
    def empty(cls, bins: Bins) -> Self:
        """Nothing counted yet."""
        return cls(np.zeros(bins.size, dtype=np.int64), np.zeros(bins.size))

    @property
    def rows(self) -> int:
        """All rows, null and infinite ones too."""
        return int(self.counts.sum()) + self.null + self.positive_infinite + self.negative_infinite

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        """Both together; raises EdgesDiffer when they have not the same number of bins."""
        if len(self.counts) != len(other.counts):
            raise EdgesDiffer(f"a profile of {len(self.counts)} bins and one of {len(other.counts)} do not add up")
        with np.errstate(over="ignore"):
            sums = self.sums + other.sums
        return ColumnProfile(
            counts=self.counts + other.counts,
            sums=bounded(sums),
            null=self.null + other.null,
            positive_infinite=self.positive_infinite + other.positive_infinite,
            negative_infinite=self.negative_infinite + other.negative_infinite,
        )


@dataclass(frozen=True, eq=False)
class Profile:
    """What the features and outputs of one version held, by name, in the bins of one reference."""

    features: Mapping[str, ColumnProfile] = field(default_factory=dict)
    outputs: Mapping[str, ColumnProfile] = field(default_factory=dict)

    def __add__(self, other: Profile) -> Profile:
        """Both together; raises EdgesDiffer when they have not the same columns and bins."""
        return Profile(_added(self.features, other.features), _added(self.outputs, other.outputs))


def count_column(bins: Bins, dtype: str, values: Floats) -> ColumnProfile:
    """Count values [n], NaN for null, cast to `dtype` first; levels are codes, those outside the bins `other`."""
    if isinstance(bins, LevelBins):
        return _count_codes(len(bins.levels), values)
    ordered = np.sort(cast(values, dtype))
    return count_sorted(np.array(bins.edges, dtype=ordered.dtype), ordered)


def cast(values: Floats, dtype: str) -> Floats:
    """Values in the precision in which they are served: in float32, 0.1 may lie on the other side of an edge."""
    return values.astype(np.float32 if dtype == "float32" else np.float64, copy=False)


def count_sorted(edges: Floats, ordered: npt.NDArray[Any]) -> ColumnProfile:
    """Count values [n] in ascending order, NaN last, of the edges' dtype; edges are searched among the values."""
    first = int(np.searchsorted(ordered, -np.inf, side="right"))
    last = int(np.searchsorted(ordered, np.inf, side="left"))
    infinite = int(np.searchsorted(ordered, np.inf, side="right")) - last
    finite = ordered[first:last]
    starts = np.concatenate(([0], np.searchsorted(finite, edges, side="right"), [len(finite)]))
    counts = np.diff(starts)
    return ColumnProfile(
        counts=counts,
        sums=_segment_sums(finite, starts[:-1], counts),
        null=len(ordered) - last - infinite,
        positive_infinite=infinite,
        negative_infinite=first,
    )


def bounded(sums: Float64s) -> Float64s:
    """Sums beyond float64 as its largest number, so that every profile can be written as JSON."""
    return np.nan_to_num(sums, copy=False, nan=0.0)


def _segment_sums(values: Floats, starts: Int64s, counts: Int64s) -> Float64s:
    """Sums of consecutive runs. Not differences of a running sum: one huge value would wipe out all others'."""
    filled = counts > 0
    sums = np.zeros(len(counts))
    if filled.any():
        with np.errstate(over="ignore"):
            sums[filled] = np.add.reduceat(values, starts[filled], dtype=np.float64)
    return bounded(sums)


def _count_codes(levels: int, codes: Floats) -> ColumnProfile:
    known = codes[~np.isnan(codes)].astype(np.int64)
    known[(known < 0) | (known > levels)] = levels
    counts = np.bincount(known, minlength=levels + 1)
    return ColumnProfile(counts=counts, sums=np.zeros(levels + 1), null=len(codes) - len(known))


def _added(ours: Mapping[str, ColumnProfile], theirs: Mapping[str, ColumnProfile]) -> dict[str, ColumnProfile]:
    if ours.keys() != theirs.keys():
        raise EdgesDiffer(f"profiles of different columns do not add up: {sorted(ours.keys() ^ theirs.keys())[:5]}")
    return {name: column + theirs[name] for name, column in ours.items()}
