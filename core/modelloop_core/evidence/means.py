"""Evidence about means: whether what one version gets is worth less than what the other gets, looked at at any time.

Both e-values are over a sequence of blocks, each with some of both versions; `differences` are what is bet to have a
mean of at most 0 in each block, given the blocks before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from modelloop_core.drift.bins import Float64s

BETS: Float64s = np.geomspace(0.005, 0.95, 16)
"""Parts of what is there that a bet on bounded differences stakes."""

SIZES: Float64s = np.geomspace(0.002, 0.7, 16)
"""Differences, in standard deviations of one request's value, that are bet on where there is no bound."""

_FIRST = 10
_STEPS = 12
_FARTHER = (1, 10, 100)


def of_bounded(differences: Float64s, lowest: float, *, at_end: bool = False) -> Float64s:
    """ln of the e-value after each block [B] against "their mean is at most 0", none being below -`lowest`.

    With `at_end` only after the last one [1], which costs less.

    The capital of bets of a fixed part each, their mean (Waudby-Smith and Ramdas 2024, hedged capital). It holds for
    any distribution within the bound, at any number of blocks.
    """
    won = np.log1p(np.outer(differences, BETS / lowest))
    return _mixed(won.sum(axis=0, keepdims=True) if at_end else np.cumsum(won, axis=0))


def of_any(differences: Float64s, weights: Float64s, *, at_end: bool = False) -> Float64s:
    """ln of the e-value after each block [B], or `at_end` [1], against "their mean is at most 0", without a bound.

    Each bet is exp(y - y^2 / 2), y being a block's difference, weighted by how much it tells, over the scale of those
    before it. Its mean is at most 1 where differences are symmetric about 0, as those of equal versions with half of
    the requests each are (de la Pena 1999); of any others with a variance it is so as the blocks become many (Delyon
    2009, of whose bound this is the form with the variance that was seen). One request, as large as it may be, adds
    half at the most.
    """
    scale = _scale_before(differences, weights)
    some = scale > 0
    unit = np.where(some, differences * weights / np.where(some, scale, 1.0), 0.0)
    sums = [value.sum(keepdims=True) if at_end else np.cumsum(value) for value in (unit, unit * unit)]
    return _mixed(np.outer(sums[0], SIZES) - np.outer(sums[1], SIZES**2) / 2)


def last_shown(grown: Callable[[float], Float64s], needed: float, around: float, width: float) -> float | None:
    """The largest limit below `around` at which the e-value ever reaches `needed`, to a thousandth of `width`.

    It is looked for within `width`, which is about that of an interval, then farther; None where it is far beyond.
    """

    def shown(limit: float) -> bool:
        return bool(grown(limit).max(initial=0.0) >= math.log(needed))

    high = around + width
    low = next((low for low in (around - width * factor for factor in _FARTHER) if shown(low)), None)
    if low is None or shown(high):
        return low if low is None else high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if shown(middle) else (low, middle)
    return low


def _scale_before(differences: Float64s, weights: Float64s) -> Float64s:
    """The standard deviation of a single value as the blocks before each [B] show it; 0 for the first ones."""
    squares = np.cumsum(differences**2 * weights)
    count = np.arange(1, len(differences) + 1)
    before = np.concatenate([[0.0], np.sqrt(squares / count)[:-1]]) if len(differences) else squares
    return np.where(count > _FIRST, before, 0.0)


def _mixed(won: Float64s) -> Float64s:
    return np.asarray(special.logsumexp(won, axis=1) - math.log(won.shape[1]), dtype=np.float64)
