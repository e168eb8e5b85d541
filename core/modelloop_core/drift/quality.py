"""How good the predictions were whose truth is known: each measure of a task with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_auc import auc, macro_auc
from modelloop_core.drift.quality_intervals import CONFIDENCE, Units, share
from modelloop_core.drift.quality_tables import (
    Measure,
    binary_f1,
    calibration_error,
    log_loss,
    macro_f1,
    mean,
    measured,
)
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.wire.reports import Interval


@dataclass(frozen=True)
class Quality:
    """Measures by name of `rows` rows; `left_out` had an answer or a label that is no finite number."""

    rows: int
    left_out: int
    metrics: dict[str, Interval]


def judge(
    output: Output,
    answers: Float64s,
    labels: Float64s,
    entities: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Quality:
    """Compare answers with labels, one a row. Raises ValueError for shapes, codes or probabilities that cannot be.

    - binary: answers [n] are probabilities, labels 0 or 1: accuracy, f1, auc, log_loss, brier, ece.
    - multiclass: answers [n, classes] are probabilities, or [n] the codes of the classes answered; labels are codes:
      accuracy, macro f1; with probabilities also macro auc (one against the rest), log_loss, brier (summed over the
      classes, at most 2) and ece of the class answered.
    - regression: answers and labels [n], or [n, values]: mae, rmse, each over all values.

    A measure that is not defined, as AUC of one class only, is null. Rows of one of `entities` are not independent:
    shares are widened by their design effect, all else resamples entities. Without any rows there are no measures.
    """
    _check_shapes(output, answers, labels)
    whole = _finite(answers) & _finite(labels)
    units = Units.of(len(labels), entities).pick(whole)
    answers, labels = answers[whole], labels[whole]
    rows, left_out = len(labels), int((~whole).sum())
    if not rows:
        return Quality(0, left_out, {})
    return Quality(rows, left_out, _metrics(output, answers, labels, units, seed=seed, confidence=confidence))


def _metrics(
    output: Output, answers: Float64s, labels: Float64s, units: Units, *, seed: int, confidence: float
) -> dict[str, Interval]:
    match output:
        case BinaryOutput(threshold=threshold):
            positive, decided = labels == 1, answers >= threshold
            found = {"accuracy": share(decided == positive, units, confidence)}
            found["auc"] = auc(answers, positive, units, confidence)
            return found | measured(_binary(answers, positive, decided, units), seed, confidence)
        case MulticlassOutput(classes=classes):
            chosen, codes = _chosen(answers), labels.astype(np.int64)
            found = {"accuracy": share(chosen == codes, units, confidence)}
            if answers.ndim == 2:
                found["auc"] = macro_auc(answers, labels, units, confidence)
            table = [macro_f1(chosen, codes, len(classes), units), *_probabilities(answers, codes, units)]
            return found | measured(table, seed, confidence)
        case RegressionOutput():
            return measured(_regression(answers, labels, units), seed, confidence)
        case _:
            assert_never(output)


def _binary(
    scores: Float64s, positive: npt.NDArray[np.bool_], decided: npt.NDArray[np.bool_], units: Units
) -> list[Measure]:
    return [
        binary_f1(decided, positive, units),
        log_loss(np.where(positive, scores, 1 - scores), units),
        mean("brier", np.square(scores - positive), units),
        *calibration_error(scores, positive, units),
    ]


def _probabilities(answers: Float64s, codes: Int64s, units: Units) -> list[Measure]:
    """What only the probabilities of all classes can tell; nothing without them."""
    if answers.ndim == 1:
        return []
    given = answers[np.arange(len(codes)), codes]
    squares = np.square(answers).sum(axis=1) - 2 * given + 1
    return [
        log_loss(given, units),
        mean("brier", squares, units),
        *calibration_error(answers.max(axis=1), _chosen(answers) == codes, units),
    ]


def _regression(answers: Float64s, labels: Float64s, units: Units) -> list[Measure]:
    errors = (answers - labels).reshape(len(labels), -1)
    return [
        mean("mae", np.abs(errors).mean(axis=1), units),
        mean("rmse", np.square(errors).mean(axis=1), units, root=True),
    ]


def _finite(values: Float64s) -> npt.NDArray[np.bool_]:
    finite: npt.NDArray[np.bool_] = np.isfinite(values)
    while finite.ndim > 1:
        finite = np.logical_and.reduce(finite, axis=-1)
    return finite


def _chosen(answers: Float64s) -> Int64s:
    chosen: Int64s = answers.argmax(axis=1) if answers.ndim == 2 else answers.astype(np.int64)
    return chosen


def _check_shapes(output: Output, answers: Float64s, labels: Float64s) -> None:
    match output:
        case BinaryOutput():
            _check(answers.ndim == labels.ndim == 1 and len(answers) == len(labels), answers, labels)
            _check_values(answers, 0, 1, "a probability")
            _check_codes(labels, 2)
        case MulticlassOutput(classes=classes):
            wide = (len(labels), len(classes))
            _check(labels.ndim == 1 and answers.shape in (wide, wide[:1]), answers, labels)
            _check_codes(labels, len(classes))
            if answers.ndim == 1:
                _check_codes(answers, len(classes))
            else:
                _check_values(answers, 0, 1, "a probability")
        case RegressionOutput():
            _check(answers.shape == labels.shape and answers.ndim in (1, 2), answers, labels)
        case _:
            assert_never(output)


def _check(fits: bool, answers: Float64s, labels: Float64s) -> None:
    if not fits:
        raise ValueError(f"answers {answers.shape} and labels {labels.shape} do not fit the output")


def _check_values(values: Float64s, low: float, high: float, what: str) -> None:
    strange = values[(values < low) | (values > high)]
    if len(strange):
        raise ValueError(f"{what} lies in [{low}, {high}], and not at {float(strange[0])!r}")


def _check_codes(codes: Float64s, classes: int) -> None:
    known = codes[np.isfinite(codes)]
    strange = known[(known < 0) | (known >= classes) | (known != np.floor(known))]
    if len(strange):
        raise ValueError(f"a class of {classes} is one of 0 to {classes - 1}, and not {float(strange[0])!r}")
