"""The area under the ROC curve with DeLong's variance (1988), and its form for rows that are not independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality_intervals import CONFIDENCE, Units, around, clustered_variance, wilson
from modelloop_core.wire.reports import Interval


@dataclass(frozen=True, eq=False)
class _Area:
    """An area, and by how much each row [rows] moves it, scaled so that the squares add up to DeLong's variance."""

    value: float
    influence: Float64s
    fewest: int


def auc(scores: Float64s, positive: npt.NDArray[np.bool_], units: Units, confidence: float = CONFIDENCE) -> Interval:
    """The chance that a positive row scores above a negative one, ties half; null when there is only one kind.

    The interval is DeLong's on the logit scale; with entities his components are summed by entity (Obuchowski 1997).
    One positive or one negative row alone has no interval.
    """
    area = _area(scores, positive)
    return Interval(value=None, confidence=confidence) if area is None else _interval([area], units, confidence)


def macro_auc(scores: Float64s, codes: Float64s, units: Units, confidence: float = CONFIDENCE) -> Interval:
    """The mean over classes of the area of one against the rest; `scores` [rows, classes], `codes` [rows].

    Classes that no row has, or that all have, are left out.
    """
    areas = [_area(scores[:, code], codes == code) for code in range(scores.shape[1])]
    known = [area for area in areas if area is not None]
    return _interval(known, units, confidence) if known else Interval(value=None, confidence=confidence)


def _area(scores: Float64s, positive: npt.NDArray[np.bool_]) -> _Area | None:
    """Placements by midranks (Sun & Xu 2014): n log n where the definition takes each pair."""
    above, below = int(positive.sum()), int((~positive).sum())
    if not above or not below:
        return None
    ranks = rankdata(scores)
    placements = np.empty(len(scores))
    placements[positive] = (ranks[positive] - rankdata(scores[positive])) / below
    placements[~positive] = 1 - (ranks[~positive] - rankdata(scores[~positive])) / above
    value = float(placements[positive].mean())
    scale = np.where(positive, _scale(above), _scale(below))
    return _Area(value, (placements - value) * scale, min(above, below))


def _scale(count: int) -> float:
    return 1 / math.sqrt(count * (count - 1)) if count > 1 else math.nan


def _interval(areas: list[_Area], units: Units, confidence: float) -> Interval:
    value = sum(area.value for area in areas) / len(areas)
    influence: Float64s = np.mean([area.influence for area in areas], axis=0)
    if value in (0.0, 1.0):
        return _perfect(value, min(area.fewest for area in areas), units, confidence)
    variance = clustered_variance(influence, units)
    return (
        around(value, variance, confidence) if math.isfinite(variance) else Interval(value=value, confidence=confidence)
    )


def _perfect(value: float, pairs: int, units: Units, confidence: float) -> Interval:
    """Kinds that lie apart have no variance, which proves nothing of four rows: as so many pairs, all in order."""
    pairs = min(pairs, units.size)
    return wilson(value * pairs, pairs, confidence)
