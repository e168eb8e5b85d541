"""The exact tail of a binomial count, without numerics: for a number of requests that is looked at once."""

from __future__ import annotations

import math


def chance_of_at_least(hits: int, of: int, rate: float) -> float:
    """The chance of `hits` or more among `of` trials of this rate, which is above 0 and below 1."""
    if hits <= 0:
        return 1.0
    if hits > of:
        return 0.0
    if hits > of * rate:
        return _outward(hits, of, rate)
    # By the other tail: from the mean outward no first term is too small for a float while later ones are not.
    return 1.0 - _outward(of - hits + 1, of, 1 - rate)


def _outward(hits: int, of: int, rate: float) -> float:
    ways = math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
    term = math.exp(ways + hits * math.log(rate) + (of - hits) * math.log1p(-rate))
    total = 0.0
    for count in range(hits, of + 1):
        total += term
        term *= (of - count) / (count + 1) * rate / (1 - rate)
    return min(total, 1.0)
