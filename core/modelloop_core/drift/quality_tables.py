"""What one row adds to each measure: sums by unit, of which every measure but accuracy and AUC is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_intervals import CONFIDENCE, Units, percentiles, resample
from modelloop_core.wire.reports import Interval

CALIBRATION_BINS = 15
FEWEST_PER_BIN = 10
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 for the log loss, as scikit-learn does: one row adds at most 36."""

Statistic = Callable[[Float64s], Float64s]


@dataclass(frozen=True, eq=False)
class Measure:
    """A measure by name: `sums` [units, columns] and the function of their totals [n, columns] that gives it [n]."""

    name: str
    sums: Float64s
    statistic: Statistic


def measured(measures: list[Measure], seed: int, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """Each measure with its bootstrap interval; all from the same draws, so that they can be compared."""
    table = np.hstack([measure.sums for measure in measures])
    totals, draws = table.sum(axis=0), resample(table, seed)
    found, start = {}, 0
    for measure in measures:
        columns = slice(start, start := start + measure.sums.shape[1])
        found[measure.name] = percentiles(measure.statistic, totals[columns], draws[:, columns], confidence)
    return found


def mean(name: str, values: Float64s, units: Units, *, root: bool = False) -> Measure:
    """The mean of values [rows], or its square root."""
    sums = np.column_stack([units.sums(values), units.sums(np.ones(len(values)))])
    return Measure(name, sums, _root_of_ratio if root else _ratio)


def binary_f1(decided: npt.NDArray[np.bool_], positive: npt.NDArray[np.bool_], units: Units) -> Measure:
    """2·tp / (2·tp + fp + fn) of the positive class; not defined where no row is, or is called, positive."""
    right, either = decided & positive, decided.astype(np.float64) + positive
    return Measure("f1", np.column_stack([2 * units.sums(right.astype(np.float64)), units.sums(either)]), _ratio)


def macro_f1(decided: Int64s, codes: Int64s, classes: int, units: Units) -> Measure:
    """The mean of F1 over the classes that a row has, or is said to have; each class counts the same."""
    right = units.scatter(codes, classes, (decided == codes).astype(np.float64))
    either = units.scatter(codes, classes) + units.scatter(decided, classes)
    return Measure("f1", np.hstack([2 * right, either]), _mean_of_ratios)


def log_loss(given: Float64s, units: Units) -> Measure:
    """The mean of −ln of the probability [rows] that the truth was given."""
    return mean("log_loss", -np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)), units)


def calibration_error(confidence: Float64s, hits: npt.NDArray[np.bool_], units: Units) -> list[Measure]:
    """ECE: the mean over rows of |share of hits − mean confidence| of their bin, 15 bins of about equal mass.

    Equal confidences are never parted. None below 150 rows, where noise alone would make it large.
    """
    rows = len(confidence)
    if rows < CALIBRATION_BINS * FEWEST_PER_BIN:
        return []
    ranks = np.ceil(np.arange(1, CALIBRATION_BINS) * rows / CALIBRATION_BINS).astype(np.int64) - 1
    places = np.searchsorted(np.sort(confidence)[ranks], confidence, side="left")
    gaps = units.scatter(places, CALIBRATION_BINS, confidence - hits)
    return [Measure("ece", np.hstack([gaps, units.sums(np.ones(rows))[:, np.newaxis]]), _mean_gap)]


def _ratio(totals: Float64s) -> Float64s:
    return divided(totals[:, 0], totals[:, 1])


def _root_of_ratio(totals: Float64s) -> Float64s:
    return np.sqrt(_ratio(totals))


def _mean_of_ratios(totals: Float64s) -> Float64s:
    upper, lower = np.hsplit(totals, 2)
    present = lower > 0
    return divided(divided(upper, np.where(present, lower, 1.0)).sum(axis=1), present.sum(axis=1).astype(np.float64))


def _mean_gap(totals: Float64s) -> Float64s:
    return divided(np.abs(totals[:, :-1]).sum(axis=1), totals[:, -1])


def divided(upper: Float64s, lower: Float64s) -> Float64s:
    """The ratio, NaN where there is nothing to divide by."""
    result: Float64s = np.divide(upper, lower, out=np.full(upper.shape, np.nan), where=lower > 0)
    return result
