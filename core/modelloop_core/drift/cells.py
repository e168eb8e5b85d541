"""The cells that distances and tests compare: a profile's coarse bins in order, infinities at the ends, nulls apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import Bins, Float64s, LevelBins, to_coarse
from modelloop_core.drift.profile import ColumnProfile

NEGATIVE_INFINITY, POSITIVE_INFINITY = "-inf", "+inf"


@dataclass(frozen=True, eq=False)
class Cells:
    """Counts [cells] in the order of the reference, float64; `seen` is without unseen and infinite values."""

    counts: Float64s
    seen: Float64s
    all_seen: bool

    @property
    def n(self) -> float:
        """How many values there are, nulls not among them."""
        return float(self.counts.sum())


@dataclass(frozen=True)
class Rates:
    """How many rows of `rows` were null; and of those that were not, how many unseen or infinite."""

    rows: int
    null: int
    unseen: int
    infinite: int


def cells_of(bins: Bins, profile: ColumnProfile) -> Cells:
    """The cells of a profile counted in `bins`."""
    coarse = to_coarse(profile.counts, bins.coarse)
    counts = np.concatenate(([profile.negative_infinite], coarse, [profile.positive_infinite]))
    unseen = unseen_count(bins, profile)
    if not unseen and not profile.negative_infinite and not profile.positive_infinite:
        return Cells(counts, counts, all_seen=True)
    seen = np.concatenate(([0.0], coarse, [0.0]))
    seen[-2] -= unseen
    return Cells(counts, seen, all_seen=False)


def names_of(bins: Bins) -> tuple[str, ...]:
    """A name for people of each cell."""
    return (NEGATIVE_INFINITY, *bins.names, POSITIVE_INFINITY)


def rates_of(bins: Bins, profile: ColumnProfile) -> Rates:
    """The rates that are judged by themselves."""
    infinite = profile.positive_infinite + profile.negative_infinite
    return Rates(rows=profile.rows, null=profile.null, unseen=unseen_count(bins, profile), infinite=infinite)


def unseen_cell(bins: Bins) -> int | None:
    """The coarse bin, the last, that takes values which the reference does not have; intervals have none."""
    last = bins.coarse[-1]
    # Of few values, each with a bin, what lies below them all shares the last coarse bin with what lies above.
    return last if isinstance(bins, LevelBins) or bins.coarse[0] == last > 0 else None


def unseen_count(bins: Bins, profile: ColumnProfile) -> int:
    """How many values are none that the reference's bins name."""
    if isinstance(bins, LevelBins):
        return int(profile.counts[-1])
    place = unseen_cell(bins)
    return 0 if place is None else int(to_coarse(profile.counts, bins.coarse)[place])


def padded(rows: Sequence[npt.NDArray[np.float64 | np.int64]]) -> Float64s:
    """Rows of several lengths in one array, filled up with zeros."""
    filled = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled
