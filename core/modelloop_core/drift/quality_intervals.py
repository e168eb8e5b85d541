"""Intervals of quality: Wilson's for shares, else the percentile bootstrap; rows of one entity stay together."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.wire.reports import Interval

CONFIDENCE = 0.95
RESAMPLES = 1_000
FEWEST_UNITS = 10
"""With fewer entities a bootstrap says how they differ by chance, and nothing of those not seen: no interval."""

MOST_UNITS = 5_000
"""So many random groups of entities are resampled instead of the entities: as wide an interval, in a fixed time."""

MOST_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn anew by a bootstrap: `codes` [rows] say of which of `size` entities each row is."""

    codes: Int64s
    size: int

    @classmethod
    def of(cls, rows: int, entities: Sequence[Hashable] | None = None) -> Self:
        """Each row by itself, or the rows of each entity together; a row without entity (None) stands for itself."""
        if entities is None:
            return cls(np.arange(rows), rows)
        if len(entities) != rows:
            raise ValueError(f"{rows} rows need as many entities, not {len(entities)}")
        known: dict[Hashable, int] = {}
        keys = (("row", place) if entity is None else ("entity", entity) for place, entity in enumerate(entities))
        codes = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
        return cls(codes, len(known))

    def pick(self, kept: npt.NDArray[np.bool_]) -> Units:
        """The units of the rows that are kept."""
        found, codes = np.unique(self.codes[kept], return_inverse=True)
        return Units(codes, len(found))

    def sums(self, values: Float64s) -> Float64s:
        """Sums [units] of values [rows]."""
        return np.bincount(self.codes, weights=values, minlength=self.size).astype(np.float64, copy=False)

    def scatter(self, places: Int64s, width: int, values: Float64s | None = None) -> Float64s:
        """Sums [units, width] of values [rows], ones by default, each in the column that `places` [rows] names."""
        cells = np.bincount(self.codes * width + places, weights=values, minlength=self.size * width)
        return cells.reshape(self.size, width).astype(np.float64)


def wilson(hits: float, trials: float, confidence: float = CONFIDENCE, *, design_effect: float = 1.0) -> Interval:
    """A share with Wilson's score interval (1927), for `trials` / `design_effect` independent trials; null of none."""
    if trials <= 0:
        return Interval(value=None, confidence=confidence)
    share, effective = hits / trials, trials / max(design_effect, 1.0)
    z = _quantile(confidence)
    middle = (share + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * math.sqrt(share * (1 - share) / effective + (z / (2 * effective)) ** 2)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    # Exact ends: rounding alone would leave 1 out of the interval of 10 hits in 10 trials.
    return Interval(
        value=share,
        low=0.0 if share == 0 else min(low, share),
        high=1.0 if share == 1 else max(high, share),
        confidence=confidence,
    )


def share(hits: npt.NDArray[np.bool_], units: Units, confidence: float = CONFIDENCE) -> Interval:
    """The share of hits [rows] with Wilson's interval, widened by how alike the rows of one unit are."""
    rows = len(hits)
    effect = _design_effect(hits.astype(np.float64), units) if rows else 1.0
    return wilson(int(hits.sum()), rows, confidence, design_effect=effect)


def around(value: float, variance: float, confidence: float = CONFIDENCE) -> Interval:
    """An estimate in (0, 1) with a normal interval on the logit scale, which cannot leave [0, 1]."""
    half = _quantile(confidence) * math.sqrt(variance) / (value * (1 - value))
    logit = math.log(value / (1 - value))
    return Interval(value=value, low=_expit(logit - half), high=_expit(logit + half), confidence=confidence)


def clustered_variance(influence: Float64s, units: Units) -> float:
    """The variance of an estimate whose error is the sum of `influence` [rows], by unit; nan of a single unit."""
    if units.size < 2:
        return math.nan
    # Each row by itself has its correction for few rows in `influence`; entities have theirs here.
    few = 1.0 if units.size == len(influence) else units.size / (units.size - 1)
    return few * float(np.square(units.sums(influence)).sum())


def resample(sums: Float64s, seed: int) -> Float64s:
    """RESAMPLES draws [draws, columns] of the column totals of `sums` [units, columns], units drawn with replacement.

    More than MOST_UNITS are first put into as many random groups. Empty when there are fewer than FEWEST_UNITS.
    """
    if len(sums) < FEWEST_UNITS:
        return np.empty((0, sums.shape[1]))
    generator = np.random.default_rng(seed)
    groups = _grouped(sums, generator)
    units = len(groups)
    draws = np.empty((RESAMPLES, sums.shape[1]))
    for draw in range(RESAMPLES):
        draws[draw] = np.bincount(generator.integers(0, units, units), minlength=units) @ groups
    return draws


def percentiles(
    statistic: Callable[[Float64s], Float64s], totals: Float64s, draws: Float64s, confidence: float = CONFIDENCE
) -> Interval:
    """The statistic of `totals` [columns] with the percentiles of its values over `draws` [draws, columns].

    `statistic` takes [n, columns] and gives [n], NaN where it is not defined; such draws are left out. The interval is
    stretched to hold the value, from which the draws of a biased statistic, as the calibration error, may all differ.
    """
    value = float(statistic(totals[np.newaxis, :])[0])
    if not math.isfinite(value):
        return Interval(value=None, confidence=confidence)
    found = statistic(draws)
    found = found[np.isfinite(found)]
    if not len(found):
        return Interval(value=value, confidence=confidence)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value), confidence=confidence)


def _grouped(sums: Float64s, generator: np.random.Generator) -> Float64s:
    most = max(200, min(MOST_UNITS, MOST_CELLS // max(sums.shape[1], 1)))
    if len(sums) <= most:
        return sums
    groups = np.zeros((most, sums.shape[1]))
    np.add.at(groups, generator.permutation(len(sums)) % most, sums)
    return groups


def _design_effect(hits: Float64s, units: Units) -> float:
    """By how much the variance of a share exceeds that of independent rows (at least 1)."""
    rows = len(hits)
    if units.size == rows:
        return 1.0
    mean = float(hits.mean())
    if units.size < 2 or mean in (0.0, 1.0):
        # Nothing varies, so nothing says how alike rows are: each entity counts as one.
        return rows / units.size
    independent = mean * (1 - mean) / rows
    return max(1.0, clustered_variance((hits - mean) / rows, units) / independent)


def _quantile(confidence: float) -> float:
    return float(ndtri((1 + confidence) / 2))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
