"""What raw samples say beyond profiles: scipy's own Kolmogorov-Smirnov and Wasserstein."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import stats

from modelloop_core.drift.bins import Float64s, Floats
from modelloop_core.drift.profile import cast
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.drift.shapes import shape_of
from modelloop_core.drift.significance import ks_pvalues
from modelloop_core.drift.statistics import Statistics


def with_samples(found: Statistics, column: ColumnReference, reference: Floats, current: Floats) -> Statistics:
    """The statistics of a numeric column with KS and Wasserstein from its raw values [m] and [n], nulls NaN."""
    theirs, ours = (cast(side[~np.isnan(side)], column.dtype).astype(np.float64) for side in (reference, current))
    if not len(theirs) or not len(ours):
        return found
    # Of a handful of rows scipy divides by zero on the way to a p-value, which is not the one that is taken here.
    with np.errstate(divide="ignore"):
        statistic = float(stats.ks_2samp(ours, theirs, method="asymp").statistic)
    pvalue = float(ks_pvalues(np.array([statistic]), np.array([found.n_eff]))[0])
    area = _area(ours[np.isfinite(ours)], theirs[np.isfinite(theirs)])
    return replace(found, shape=shape_of(column, statistic, pvalue, area))


def _area(ours: Float64s, theirs: Float64s) -> float:
    if not len(ours) or not len(theirs):
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(stats.wasserstein_distance(ours, theirs))
