"""Whether a difference can be chance: p-values of two samples, and of many columns together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from modelloop_core.drift.bins import Float64s, Int64s

LEAST_EXPECTED = 5.0

MOST_EXACT = 1_000_000
"""Of so many rows together Fisher's test takes a few milliseconds; of 2^50 it would not end."""


def effective_size(n: float, m: float) -> float:
    """1/(1/N + 1/M): the size of one sample against a known distribution that is worth as much; 0 for an empty one."""
    return n * m / (n + m) if n and m else 0.0


def ks_pvalues(statistics: Float64s, sizes: Float64s) -> Float64s:
    """P-values of Kolmogorov-Smirnov statistics [k] at effective sizes [k]: kstwo.sf(D, round(n))."""
    if not len(statistics):
        return np.empty(0)
    # Below one row nothing can be told; kstwo would answer NaN, as it does from some 10^12 on.
    rows = np.clip(np.round(sizes), 1, 1e9)
    with np.errstate(divide="ignore"):
        return np.asarray(stats.kstwo.sf(statistics, rows), dtype=np.float64)


def chi2_statistic(current: Sequence[float], reference: Sequence[float]) -> tuple[float, int]:
    """The two-sample chi-squared statistic without Yates' correction, cells pooled by `pooled`, and their number.

    Neither side is empty. A single cell, which both sides share, cannot differ: 0.
    """
    groups = pooled(current, reference)
    n, m = math.fsum(current), math.fsum(reference)
    # Of two rows, the sum of (observed - expected)^2 / expected comes down to this.
    total = math.fsum((ours * m - theirs * n) ** 2 / (ours + theirs) for ours, theirs in groups)
    return (total / (n * m) if len(groups) > 1 else 0.0), len(groups)


def chi2_pvalues(statistics: Float64s, groups: Int64s) -> Float64s:
    """P-values of chi-squared statistics [k] over so many groups [k]; of a single group 1."""
    pvalues: Float64s = special.chdtrc(np.maximum(groups - 1, 1), statistics)
    return np.where(groups > 1, pvalues, 1.0)


def pooled(current: Sequence[float], reference: Sequence[float]) -> list[tuple[float, float]]:
    """Both counts of each group: neighbours together until both expected counts of a group are at least 5."""
    n, m = math.fsum(current), math.fsum(reference)
    needed = LEAST_EXPECTED * (n + m) / min(n, m)
    groups, ours, theirs = [], 0.0, 0.0
    for k, other_k in zip(current, reference, strict=True):
        ours, theirs = ours + k, theirs + other_k
        if ours + theirs >= needed:
            groups.append((ours, theirs))
            ours = theirs = 0.0
    if not groups:
        return [(ours, theirs)]
    # What is left at the end is too little for a group of its own.
    last_ours, last_theirs = groups[-1]
    return [*groups[:-1], (last_ours + ours, last_theirs + theirs)]


def rate_pvalue(hits: float, n: float, other_hits: float, m: float) -> float:
    """Fisher's exact p-value of `hits` of n against `other_hits` of m, two-sided by doubling; of very many rows nearly.

    Counts that were divided by a design effect are rounded.
    """
    k, other_k, n, m = (round(value) for value in (hits, other_hits, n, m))
    if not n or not m or k + other_k in (0, n + m):
        return 1.0
    if n + m > MOST_EXACT:
        return _likelihood_pvalue(k, n, k + other_k, n + m)
    chance = stats.hypergeom(n + m, k + other_k, n)
    return float(min(1.0, 2 * min(chance.cdf(k), chance.sf(k - 1))))


def _likelihood_pvalue(k: int, n: int, hits: int, rows: int) -> float:
    """Of k of n where all `rows` have so many hits: the root of the likelihood ratio, half a row nearer, is normal."""
    # In whole numbers up to here: of 2^60 rows a float would leave out hundreds.
    apart = abs(k * rows - n * hits) / rows - 0.5
    if apart <= 0:
        return 1.0
    signed = math.copysign(apart, k * rows - n * hits)
    misses, m = rows - hits, rows - n
    ratio = math.fsum(
        [_surplus(signed, part * total / rows) for part, total in ((n, hits), (m, misses))]
        + [_surplus(-signed, part * total / rows) for part, total in ((n, misses), (m, hits))]
    )
    return float(min(1.0, 2 * special.ndtr(-math.sqrt(2 * ratio))))


def _surplus(apart: float, expected: float) -> float:
    """What a cell adds to the likelihood ratio: O ln(O/E) - (O - E), with O = E + `apart`."""
    share = apart / expected
    if abs(share) < 1e-4:
        # Its series: what is subtracted below would leave nothing of it.
        return expected * share * share * (0.5 - share / 6)
    return expected * ((1 + share) * math.log1p(share) - share)


def benjamini_hochberg(pvalues: Sequence[float]) -> list[float]:
    """Adjusted p-values (Benjamini and Hochberg 1995): those at or under q have a false discovery rate of q."""
    if not pvalues:
        return []
    adjusted: list[float] = stats.false_discovery_control(np.asarray(pvalues, dtype=np.float64)).tolist()
    return adjusted
