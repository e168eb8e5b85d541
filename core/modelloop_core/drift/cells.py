"""The cells that distances and tests compare: a profile's coarse bins in order, infinities at the ends, nulls apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import COARSE_LEVELS, Bins, Float64s, LevelBins, level_bins, to_coarse
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.unseen import OwnUnseen, unseen_count

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

    @property
    def seen_n(self) -> float:
        """How many of them are neither unseen nor infinite."""
        return self.n if self.all_seen else float(self.seen.sum())


@dataclass(frozen=True)
class Rates:
    """How many rows of `rows` were null; and of those that were not, how many unseen or infinite.

    `unseen_effect` is by how much the variance of `unseen` exceeds that of a count of independent rows.
    """

    rows: int
    null: int
    unseen: int
    positive_infinite: int
    negative_infinite: int
    unseen_effect: float = 1.0

    @property
    def values(self) -> int:
        """All that is not null."""
        return self.rows - self.null


def compared_bins(bins: Bins, frozen: ColumnProfile, current: ColumnProfile) -> Bins:
    """The bins with those 20 levels in cells of their own that both sides together have most of.

    Chosen by the reference alone they would be those of which it has too many by chance, and the window fewer: quiet
    columns of many levels would drift. What both sides have in all says nothing of how the sides differ.
    """
    if not isinstance(bins, LevelBins) or len(bins.levels) <= COARSE_LEVELS:
        return bins
    return level_bins(bins.levels, (frozen.counts + current.counts)[:-1])


def cells_of(bins: Bins, profile: ColumnProfile, unseen: int | None = None) -> Cells:
    """The cells of a profile counted in `bins`; so many values `unseen`, or those that no bin names."""
    coarse = to_coarse(profile.counts, bins.coarse)
    counts = np.concatenate(([profile.negative_infinite], coarse, [profile.positive_infinite]))
    unseen = unseen_count(bins, profile) if unseen is None else unseen
    if not unseen and not profile.negative_infinite and not profile.positive_infinite:
        return Cells(counts, counts, all_seen=True)
    seen = np.concatenate(([0.0], coarse, [0.0]))
    seen[-2] = max(seen[-2] - unseen, 0.0)
    return Cells(counts, seen, all_seen=False)


def names_of(bins: Bins) -> tuple[str, ...]:
    """A name for people of each cell."""
    return (NEGATIVE_INFINITY, *bins.names, POSITIVE_INFINITY)


def rates_of(bins: Bins, profile: ColumnProfile) -> Rates:
    """The rates that are judged by themselves."""
    return Rates(
        rows=profile.rows,
        null=profile.null,
        unseen=unseen_count(bins, profile),
        positive_infinite=profile.positive_infinite,
        negative_infinite=profile.negative_infinite,
    )


def own_rates(bins: Bins, frozen: ColumnProfile, own: OwnUnseen, current: Rates) -> Rates:
    """The rates of the reference, its unseen values those of its `own` that come closest to the window's."""
    plain = rates_of(bins, frozen)
    rate = current.unseen / current.values if current.values else 0.0
    return replace(plain, unseen=own.nearest(rate, plain.values), unseen_effect=own.effect)


def padded(rows: Sequence[npt.NDArray[np.float64 | np.int64]]) -> Float64s:
    """Rows of several lengths in one array, filled up with zeros."""
    filled = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled
