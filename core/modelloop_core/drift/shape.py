"""Distances that need an order, from fine bins: the largest gap of two distribution functions, and the area between.

What lies inside a bin is not known, so both are lower bounds of what raw samples would give; from 80 bins close ones.
"""

from __future__ import annotations

import math

import numpy as np

from modelloop_core.drift.bins import NumericBins
from modelloop_core.drift.profile import ColumnProfile

ROUNDING = 1e-12


def ks_statistic(current: ColumnProfile, reference: ColumnProfile) -> float | None:
    """Kolmogorov-Smirnov's sup |F-G| at the edges, infinities at the ends; None where either side has no value."""
    ours, theirs = (
        np.concatenate(([side.negative_infinite], side.counts, [side.positive_infinite]))
        for side in (current, reference)
    )
    n, m = int(ours.sum()), int(theirs.sum())
    if not n or not m:
        return None
    return float(np.abs(np.cumsum(ours) / n - np.cumsum(theirs) / m).max())


def wasserstein(bins: NumericBins, current: ColumnProfile, reference: ColumnProfile) -> float | None:
    """A lower bound of the area between both distribution functions, finite values only, in the column's unit.

    By parts, the area within (a, b] with its sign is b(F-G)(b) - a(F-G)(a) minus the difference of the bin's mean
    shares, which sums give exactly; the bound takes each bin's as a whole. None where either side has no finite value
    or a sum is beyond float64.
    """
    n, m = int(current.counts.sum()), int(reference.counts.sum())
    if not n or not m:
        return None
    gaps = np.cumsum(current.counts / n - reference.counts / m)[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.concatenate(([0.0], np.array(bins.edges) * gaps, [0.0]))
        ours, theirs = current.sums / n, reference.sums / m
        areas = np.abs(np.diff(ends) - (ours - theirs))
        # Sums of the same values in another order differ in the last digits, and that is no area.
        areas[areas <= ROUNDING * (np.abs(ours) + np.abs(theirs))] = 0.0
        total = float(areas.sum())
    return total if math.isfinite(total) and total < np.finfo(np.float64).max / max(n, m) else None


def over_sd(distance: float | None, sd: float | None) -> float | None:
    """A distance in standard deviations of the reference: 0 when both are 0, None when only the deviation is."""
    if distance is None or sd is None:
        return None
    if sd == 0:
        return 0.0 if distance == 0 else None
    return distance / sd if math.isfinite(distance / sd) else None
