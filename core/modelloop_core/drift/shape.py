"""Distances that need an order, from fine bins: the largest gap of two distribution functions, and the area between.

What lies inside a bin is not known, so both are lower bounds of what raw samples would give; from 80 bins close ones.
Like `distances`, they take many columns at once: bins that fill up a row hold nothing on either side.
"""

from __future__ import annotations

import math

import numpy as np

from modelloop_core.drift.bins import Float64s

ROUNDING = 1e-12


def ks_statistic(current: Float64s, reference: Float64s) -> Float64s:
    """Kolmogorov-Smirnov's sup |F-G| of counts [..., bins] in order; NaN where either side is empty."""
    ours, theirs = np.cumsum(current, axis=-1), np.cumsum(reference, axis=-1)
    with np.errstate(invalid="ignore"):
        gaps: Float64s = np.abs(ours / ours[..., -1:] - theirs / theirs[..., -1:]).max(axis=-1)
    return gaps


def wasserstein(
    upper: Float64s, current: Float64s, current_sums: Float64s, reference: Float64s, reference_sums: Float64s
) -> Float64s:
    """A lower bound of the area between both distribution functions, in the column's unit; NaN where it is not known.

    From counts and sums [..., bins] of finite values and the bins' `upper` edges [..., bins], of the last bin 0. By
    parts, the area within (a, b] with its sign is b(F-G)(b) - a(F-G)(a) minus the difference of the bin's mean shares,
    which sums give exactly; the bound takes each bin's as a whole.
    """
    n, m = current.sum(axis=-1, keepdims=True), reference.sum(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        ends = upper * np.cumsum(current / n - reference / m, axis=-1)
        ours, theirs = current_sums / n, reference_sums / m
        areas = np.abs(np.diff(ends, axis=-1, prepend=0.0) - (ours - theirs))
        # Sums of the same values in another order differ in the last digits, and that is no area.
        areas[areas <= ROUNDING * (np.abs(ours) + np.abs(theirs))] = 0.0
        total: Float64s = areas.sum(axis=-1)
        # A sum beyond float64 was counted as its largest number.
        total[~(total < np.finfo(np.float64).max / np.maximum(n, m)[..., 0])] = np.nan
    return total


def over_sd(distance: float | None, sd: float | None) -> float | None:
    """A distance in standard deviations of the reference: 0 when both are 0, None when only the deviation is."""
    if distance is None or sd is None:
        return None
    if sd == 0:
        return 0.0 if distance == 0 else None
    return distance / sd if math.isfinite(distance / sd) else None
