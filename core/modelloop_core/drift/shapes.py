"""What the order of a numeric column's values says, from the fine bins of many columns at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelloop_core.drift import shape
from modelloop_core.drift.bins import NumericBins
from modelloop_core.drift.cells import padded
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.drift.significance import ks_pvalues


@dataclass(frozen=True)
class Shape:
    """Kolmogorov-Smirnov and Wasserstein; the areas are None where there is no finite value, or none to divide by."""

    ks_statistic: float
    ks_pvalue: float
    wasserstein: float | None
    wasserstein_over_sd: float | None


def shapes_of(columns: Sequence[tuple[ColumnReference, ColumnProfile, ColumnProfile, float]]) -> list[Shape]:
    """The shape of numeric columns: each its reference, the reference's and the current profile, and n_eff."""
    if not columns:
        return []
    references, frozen, current, sizes = zip(*columns, strict=True)
    statistics = shape.ks_statistic(padded(list(map(_ordered, current))), padded(list(map(_ordered, frozen))))
    areas = shape.wasserstein(
        padded([_upper_edges(one) for one in references]),
        *(padded([getattr(one, what) for one in side]) for side in (current, frozen) for what in ("counts", "sums")),
    )
    pvalues = ks_pvalues(statistics, np.array(sizes))
    return [
        shape_of(reference, *row)
        for reference, *row in zip(references, statistics.tolist(), pvalues.tolist(), areas.tolist(), strict=True)
    ]


def shape_of(reference: ColumnReference, statistic: float, pvalue: float, area: float) -> Shape:
    """The shape with the area, which may be NaN, in standard deviations too."""
    known = area if math.isfinite(area) else None
    return Shape(statistic, pvalue, known, shape.over_sd(known, reference.sd))


def _ordered(profile: ColumnProfile) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """All values' counts in their order."""
    return np.concatenate(([profile.negative_infinite], profile.counts, [profile.positive_infinite]))


def _upper_edges(column: ColumnReference) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    assert isinstance(column.bins, NumericBins)  # noqa: S101 only numeric columns have a shape
    return np.array([*column.bins.edges, 0.0])
