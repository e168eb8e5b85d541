"""Whether a difference can be chance: p-values of two samples, and of many columns together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from modelloop_core.drift.bins import Float64s

LEAST_EXPECTED = 5.0


def effective_size(n: float, m: float) -> float:
    """1/(1/N + 1/M): the size of one sample against a known distribution that is worth as much; 0 for an empty one."""
    return n * m / (n + m) if n and m else 0.0


def ks_pvalues(statistics: Float64s, sizes: Float64s) -> Float64s:
    """P-values of Kolmogorov-Smirnov statistics [k] at effective sizes [k]: kstwo.sf(D, round(n))."""
    if not len(statistics):
        return np.empty(0)
    # Below one row nothing can be told; kstwo would answer NaN.
    with np.errstate(divide="ignore"):
        return np.asarray(stats.kstwo.sf(statistics, np.maximum(np.round(sizes), 1)), dtype=np.float64)


def chi2_contingency(current: Float64s, reference: Float64s) -> tuple[float, float] | None:
    """Statistic and p-value of a two-sample chi-squared test without Yates' correction, cells [k] pooled by `pooled`.

    (0, 1) where pooling leaves a single cell, which both sides share; None where either side is empty.
    """
    if not current.any() or not reference.any():
        return None
    table = pooled(current, reference)
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(special.chdtrc(table.shape[1] - 1, statistic))


def pooled(current: Float64s, reference: Float64s) -> Float64s:
    """Both rows of counts [2, groups]: neighbours together until both of a group's expected counts are at least 5."""
    n, m = float(current.sum()), float(reference.sum())
    needed = LEAST_EXPECTED * (n + m) / min(n, m)
    totals = (current + reference).tolist()
    starts, have = [0], 0.0
    for place, total in enumerate(totals):
        have += total
        if have >= needed:
            starts.append(place + 1)
            have = 0.0
    # What is left at the end is too little for a group of its own.
    starts = starts[:-1] or [0]
    return np.add.reduceat(np.stack([current, reference]), starts, axis=1)


def rate_pvalue(hits: float, n: float, other_hits: float, m: float) -> float:
    """Fisher's exact p-value of `hits` of n against `other_hits` of m, two-sided by doubling.

    Counts that were divided by a design effect are rounded.
    """
    k, other_k, n, m = (round(value) for value in (hits, other_hits, n, m))
    if not n or not m or k + other_k in (0, n + m):
        return 1.0
    chance = stats.hypergeom(n + m, k + other_k, n)
    return float(min(1.0, 2 * min(chance.cdf(k), chance.sf(k - 1))))


def benjamini_hochberg(pvalues: Sequence[float]) -> list[float]:
    """Adjusted p-values (Benjamini and Hochberg 1995): those at or under q have a false discovery rate of q."""
    if not pvalues:
        return []
    adjusted: list[float] = stats.false_discovery_control(np.asarray(pvalues, dtype=np.float64)).tolist()
    return adjusted
