"""Reads labels and logged predictions as what the model's output says they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import assert_never

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput, level_text

Label = bool | float | str | Mapping[str, float]
Prediction = float | str | Sequence[float]


class WrongLabel(ValueError):
    """A label that the model's output cannot have; the message says what it takes."""


def label_values(output: Output, label: Label) -> list[float]:
    """A label as numbers: 0 or 1, a class's code, or the values in the output's order. Raises WrongLabel."""
    match output:
        case BinaryOutput():
            return [_flag(label)]
        case MulticlassOutput(classes=classes):
            return [_code(classes, label)]
        case RegressionOutput(names=()):
            return [_number(label)]
        case RegressionOutput(names=names):
            return _by_name(names, label)
        case _:
            assert_never(output)


def answer_values(output: Output, prediction: Prediction) -> list[float]:
    """A logged prediction as numbers: a probability, values, probabilities by class, or a class's code; else NaN."""
    match output, prediction:
        case MulticlassOutput(classes=classes), str():
            return [float(classes.index(prediction)) if prediction in classes else math.nan]
        case _, str():
            return [math.nan]
        case _, float() | int():
            return [float(prediction)]
        case _:
            return [float(value) for value in prediction]


def labelled_arrays(output: Output, pairs: Sequence[tuple[Prediction, Label]]) -> tuple[Float64s, Float64s]:
    """Answers and labels as `quality.judge` takes them; NaN for what the output cannot have.

    Where some of several classes' predictions came as names alone, all are taken as such.
    """
    answers = answer_array(output, [prediction for prediction, _ in pairs])
    width = len(output.names) if isinstance(output, RegressionOutput) else 0
    labels = np.full((len(pairs), max(width, 1)), np.nan)
    for row, (_, label) in enumerate(pairs):
        try:
            labels[row] = label_values(output, label)
        except WrongLabel:
            continue
    return answers, labels if width else labels[:, 0]


def answer_array(output: Output, predictions: Sequence[Prediction]) -> Float64s:
    """Logged predictions [n], or [n, values] where each has several; a row of another shape is NaN."""
    rows = [answer_values(output, prediction) for prediction in predictions]
    if isinstance(output, MulticlassOutput) and any(len(row) == 1 for row in rows):
        return np.array([_chosen(row) for row in rows])
    width = _width(output)
    found = np.full((len(rows), max(width, 1)), np.nan)
    for place, row in enumerate(rows):
        if len(row) == found.shape[1]:
            found[place] = row
    if isinstance(output, BinaryOutput):
        found[(found < 0) | (found > 1)] = np.nan
    return found if width else found[:, 0]


def _width(output: Output) -> int:
    match output:
        case MulticlassOutput(classes=classes):
            return len(classes)
        case RegressionOutput(names=names):
            return len(names)
        case _:
            return 0


def _chosen(row: Sequence[float]) -> float:
    return row[0] if len(row) == 1 else float(np.argmax(row))


def _flag(label: Label) -> float:
    if isinstance(label, bool | int | float) and label in (0, 1):
        return float(label)
    raise WrongLabel(f"a label of a binary model is 0, 1, true or false, not {label!r}")


def _code(classes: Sequence[str], label: Label) -> float:
    if not isinstance(label, Mapping) and (text := level_text(label)) in classes:
        return float(classes.index(text))
    few = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    raise WrongLabel(f"a label of this model is one of its {len(classes)} classes ({few}), not {label!r}")


def _number(label: Label) -> float:
    if isinstance(label, int | float) and not isinstance(label, bool) and math.isfinite(label):
        return float(label)
    raise WrongLabel(f"a label of a regression model is a finite number, not {label!r}")


def _by_name(names: Sequence[str], label: Label) -> list[float]:
    if not isinstance(label, Mapping) or set(label) != set(names):
        raise WrongLabel(f"a label of this model has exactly the values {', '.join(names)} by name, not {label!r}")
    return [_number(label[name]) for name in names]
