"""How good predictions probably are before their truth is known: confidence-based performance estimation (CBPE).

Scores are calibrated on earlier predictions with labels (isotonic regression over bins of about equal mass); what a
calibrated score promises is then added up. That holds while a score means what it meant: the estimate sees that the
mix of cases has become harder, and is blind to concept drift, where the same case has another outcome than before.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_intervals import CONFIDENCE, Units, percentiles, resample
from modelloop_core.drift.quality_tables import divided
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output
from modelloop_core.wire.reports import Interval

SCORE_BINS = 40
FEWEST_LABELLED = 500
_MEASURES = ("accuracy", "f1", "auc", "brier")
BLIND = "estimated from calibrated scores; blind to concept drift"


@dataclass(frozen=True)
class Estimates:
    """Measures by name, or none and why."""

    metrics: dict[str, Interval] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Scores:
    """Answers [n] or [n, classes], and of whom they were, where that is known."""

    answers: Float64s
    entities: Sequence[Hashable] | None = None


def estimate(
    output: Output,
    scores: Scores,
    past: Scores,
    past_labels: Float64s,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Estimates:
    """What accuracy, and for binary f1, auc and brier, of `scores` will be, if `past` with its labels [n] still holds.

    Intervals cover both samples: calibration and window are drawn anew together. Rows with NaN are left out.
    """
    names: tuple[str, ...] = _MEASURES
    if isinstance(output, BinaryOutput):
        threshold = output.threshold
    elif isinstance(output, MulticlassOutput) and scores.answers.ndim == past.answers.ndim == 2:
        threshold, names = 0.0, ("accuracy",)
    else:
        return Estimates(reason="only probabilities promise anything about the truth")
    now, then = _confidence(scores.answers), _confidence(past.answers)
    hits = past_labels == 1 if then is past.answers else past.answers.argmax(axis=1) == past_labels
    known = np.isfinite(then) & np.isfinite(past_labels)
    if (doubt := _doubt(hits[known])) or not np.isfinite(now).any():
        return Estimates(reason=doubt or "no predictions")
    edges = _edges(then[known], threshold)
    calibration = _calibration_table(edges, then[known], hits[known], _units(past, known))
    window = _window_table(edges, now[np.isfinite(now)], threshold, _units(scores, np.isfinite(now)))
    return Estimates(_estimated(names, calibration, window, seed, confidence))


def calibrate(hits: Float64s, rows: Float64s) -> Float64s:
    """The share of hits of each bin [bins], pooled with its neighbours until none falls (pool adjacent violators)."""
    filled = rows > 0
    shares = np.divide(hits, rows, out=np.full(len(rows), hits.sum() / max(rows.sum(), 1.0)), where=filled)
    # An empty bin weighs next to nothing: it takes what its neighbours say.
    fitted = isotonic_regression(shares, weights=np.where(filled, rows, 1e-9))
    return np.clip(np.asarray(fitted.x, dtype=np.float64), 0.0, 1.0)


def _confidence(answers: Float64s) -> Float64s:
    return answers if answers.ndim == 1 else answers.max(axis=1, initial=0.0)


def _units(scores: Scores, kept: npt.NDArray[np.bool_]) -> Units:
    return Units.of(len(scores.answers), scores.entities).pick(kept)


def _doubt(hits: npt.NDArray[np.bool_]) -> str:
    if len(hits) < FEWEST_LABELLED:
        return f"{len(hits)} earlier predictions have labels; calibration takes {FEWEST_LABELLED}"
    if hits.all() or not hits.any():
        return "all earlier labels are the same"
    return ""


def _edges(scores: Float64s, threshold: float) -> Float64s:
    """Inner edges by mass of bins [a, b), and the threshold, so that the rows of a bin are decided alike."""
    ranks = np.arange(1, SCORE_BINS) * len(scores) // SCORE_BINS
    return np.union1d(np.sort(scores)[ranks], [threshold])


def _places(edges: Float64s, scores: Float64s) -> Int64s:
    return np.searchsorted(edges, scores, side="right").astype(np.int64)


def _calibration_table(edges: Float64s, scores: Float64s, hits: npt.NDArray[np.bool_], units: Units) -> Float64s:
    places, bins = _places(edges, scores), len(edges) + 1
    return np.hstack([units.scatter(places, bins, hits.astype(np.float64)), units.scatter(places, bins)])


def _window_table(edges: Float64s, scores: Float64s, threshold: float, units: Units) -> Float64s:
    """By bin: rows, rows decided as positive, sums of scores and of their squares."""
    places, bins = _places(edges, scores), len(edges) + 1
    columns = (None, (scores >= threshold).astype(np.float64), scores, np.square(scores))
    return np.hstack([units.scatter(places, bins, values) for values in columns])


def _estimated(
    names: Sequence[str], calibration: Float64s, window: Float64s, seed: int, confidence: float
) -> dict[str, Interval]:
    bins = calibration.shape[1] // 2
    past_draws, now_draws = resample(calibration, seed), resample(window, seed + 1)
    draws = min(len(past_draws), len(now_draws))
    totals = _expected(calibration.sum(axis=0)[np.newaxis], window.sum(axis=0)[np.newaxis], bins)
    drawn = _expected(past_draws[:draws], now_draws[:draws], bins)
    return {
        name: percentiles(_only, totals[0, [column]], drawn[:, [column]], confidence)
        for column, name in enumerate(_MEASURES)
        if name in names
    }


def _only(column: Float64s) -> Float64s:
    return column[:, 0]


def _expected(calibration: Float64s, window: Float64s, bins: int) -> Float64s:
    """Each measure [draws, measures] that calibrated bins promise."""
    if not len(calibration):
        return np.empty((0, len(_MEASURES)))
    hits = np.array([calibrate(draw[:bins], draw[bins:]) for draw in calibration])
    rows, decided, scores, squares = (window[:, part * bins : (part + 1) * bins] for part in range(4))
    total, positive = rows.sum(axis=1), rows * hits
    right = decided * hits + (rows - decided) * (1 - hits)
    brier = hits * (rows - 2 * scores) + squares
    return np.column_stack(
        [
            right.sum(axis=1) / total,
            divided(2 * (decided * hits).sum(axis=1), decided.sum(axis=1) + positive.sum(axis=1)),
            _expected_auc(positive, rows - positive),
            brier.sum(axis=1) / total,
        ]
    )


def _expected_auc(positive: Float64s, negative: Float64s) -> Float64s:
    below = np.cumsum(negative, axis=1) - negative / 2
    return divided((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))
