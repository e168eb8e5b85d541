"""What a single prediction is worth, once its truth is known: what the means among the measures are means of."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality_tables import SMALLEST_PROBABILITY
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput


def errors_of(output: Output, answers: Float64s, labels: Float64s) -> Float64s:
    """How wrong each row was: 0 or 1 for classes, the mean absolute error of values; NaN for what is no number."""
    match output:
        case BinaryOutput(threshold=threshold):
            return _missed(answers, (answers >= threshold).astype(np.float64), labels)
        case MulticlassOutput() if answers.ndim == 2:
            return _missed(answers.sum(axis=1), np.nan_to_num(answers).argmax(axis=1).astype(np.float64), labels)
        case MulticlassOutput():
            return _missed(answers, answers, labels)
        case RegressionOutput():
            sizes = np.abs(answers - labels)
            return sizes if sizes.ndim == 1 else sizes.mean(axis=1)
        case _:
            assert_never(output)


def given_of(answers: Float64s, labels: Float64s) -> Float64s:
    """The probability that each row gave to its label; NaN where it gave none."""
    known = np.isfinite(labels)
    codes = np.where(known, labels, 0).astype(np.int64)
    if answers.ndim == 2:
        given = np.take_along_axis(answers, codes[:, None], axis=1)[:, 0]
    else:
        given = np.where(codes == 1, answers, 1 - answers)
    return np.where(known, given, np.nan)


def log_losses_of(answers: Float64s, labels: Float64s) -> Float64s:
    """−ln of that probability, kept away from 0 and 1 as in the measure."""
    return -np.log(np.clip(given_of(answers, labels), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))


def _missed(answers: Float64s, chosen: Float64s, labels: Float64s) -> Float64s:
    return np.where(np.isfinite(answers) & np.isfinite(labels), chosen != labels, np.nan)
