"""Rates that are judged by themselves: nulls, unseen values, infinities. A smoothed share of few rows would mislead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scipy import special

from modelloop_core.drift.significance import rate_pvalue
from modelloop_core.drift.statistics import Statistics

CONFIDENCE = 0.95


@dataclass(frozen=True)
class RateChange:
    """One rate on both sides, the interval of their difference, and the chance of one as large when nothing changed."""

    what: str
    reference: float
    current: float
    low: float
    high: float
    pvalue: float

    @property
    def difference(self) -> float:
        """Current less reference, as a share."""
        return self.current - self.reference


def rate_changes(found: Statistics) -> Iterator[RateChange]:
    """The rates that are not zero on both sides; nulls of all rows, the others of the values."""
    ours, theirs = found.current, found.reference
    n, m, effects = ours.values, theirs.values, found.design_effects
    # One for each sign: values that all change from one infinity to the other are another column.
    pairs = (
        ("missing", ours.null, ours.rows, theirs.null, theirs.rows, 1.0),
        ("unseen", ours.unseen, n, theirs.unseen, m, theirs.unseen_effect),
        ("+inf", ours.positive_infinite, n, theirs.positive_infinite, m, 1.0),
        ("-inf", ours.negative_infinite, n, theirs.negative_infinite, m, 1.0),
    )
    for what, k, of, other_k, other_of, effect in pairs:
        if (k or other_k) and of and other_of:
            yield _change(what, (k, of), (other_k, other_of), (effects[0], effects[1] * effect))


def _change(what: str, ours: tuple[int, int], theirs: tuple[int, int], effects: tuple[float, float]) -> RateChange:
    (k, n), (other_k, m) = ours, theirs
    sizes = n / effects[0], m / effects[1]
    low, high = newcombe(k / n, sizes[0], other_k / m, sizes[1])
    pvalue = rate_pvalue(k / effects[0], sizes[0], other_k / effects[1], sizes[1])
    return RateChange(what, reference=other_k / m, current=k / n, low=low, high=high, pvalue=pvalue)


def newcombe(rate: float, n: float, other: float, m: float) -> tuple[float, float]:
    """The 95 % interval of `rate - other` from both Wilson intervals (Newcombe 1998, method 10)."""
    (low, high), (other_low, other_high) = wilson(rate, n), wilson(other, m)
    difference = rate - other
    return (
        difference - math.hypot(rate - low, other_high - other),
        difference + math.hypot(high - rate, other - other_low),
    )


def wilson(rate: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a rate seen in `n` rows, n > 0 (Wilson 1927)."""
    z = float(special.ndtri((1 + confidence) / 2))
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # Rounding must not leave the rate outside its own interval.
    return min(max(0.0, middle - half), rate), max(min(1.0, middle + half), rate)
