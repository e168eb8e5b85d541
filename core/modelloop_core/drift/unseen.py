"""What a reference would not have seen itself: it is no surprise that a window has levels which it lacks.

A reference names the levels that it happened to hold, and of very many the most frequent. Its own rows are all among
these, so that its own rate of unseen values reads too low. What it would be is told by leaving out a row at a time: a
row is then unseen if its level's count was the least that is named (Good 1953, where that is 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelloop_core.drift.bins import Bins, Int64s, LevelBins, to_coarse
from modelloop_core.drift.profile import ColumnProfile


@dataclass(frozen=True)
class OwnUnseen:
    """The reference's unseen rows: at least those that no bin names, at most those that leaving one out tells.

    Where the levels were declared, and not found in these rows, the truth lies between. `effect` is by how much the
    variance of the upper end exceeds that of a count.
    """

    low: int
    high: int
    effect: float = 1.0

    def nearest(self, rate: float, values: int) -> int:
        """How many of so many values come closest to a window's rate."""
        return min(max(self.low, round(rate * values)), self.high)


def own_unseen(bins: Bins, frozen: ColumnProfile) -> OwnUnseen:
    """What the reference's own rate may be; none of intervals, which take every value."""
    counts = _by_value(bins, frozen)
    if counts is None:
        return OwnUnseen(0, 0)
    named, low = counts[:-1], int(counts[-1])
    least = _least(named, low)
    high = low + int(named[named <= least].sum())
    # Of Poisson counts c with threshold t, the error's variance is the sum of all c <= t and t (t+1) for each c = t+1.
    beyond = least * (least + 1) * int(np.count_nonzero(named == least + 1))
    return OwnUnseen(low, high, 1.0 + beyond / high if high else 1.0)


def unseen_count(bins: Bins, profile: ColumnProfile) -> int:
    """How many values are none that the reference's bins name."""
    counts = _by_value(bins, profile)
    return 0 if counts is None else int(counts[-1])


def _by_value(bins: Bins, profile: ColumnProfile) -> Int64s | None:
    """Counts by value, of those that the reference does not have last; None of intervals, which take every value."""
    if isinstance(bins, LevelBins):
        return profile.counts
    # Of few values, each with a bin, what lies below them all shares the last coarse bin with what lies above.
    if bins.coarse[0] == bins.coarse[-1] > 0:
        return to_coarse(profile.counts, bins.coarse).astype(np.int64)
    return None


def _least(named: Int64s, others: int) -> int:
    """Up to which count a level may be unnamed when it loses a row.

    One; where others had no place, one more than the least that is named: of levels that tie with that one some have
    no place, and one that comes to tie with it may have none.
    """
    least = max(1, int(named.min())) if len(named) else 1
    # Fewer others than this cannot hold a level that would take its place.
    return least + 1 if others >= least else 1
