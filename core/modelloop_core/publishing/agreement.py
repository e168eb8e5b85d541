"""Whether what a person declared says the same as what the model turned out to be: nothing declared is passed over."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, assert_never

import pandas as pd

from modelloop_core.feature_schema import (
    BinaryOutput,
    MulticlassOutput,
    Output,
    RegressionOutput,
    Task,
    output_columns,
)
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.precision import Precision, metric_names
from modelloop_core.publishing.schema import Schema, levels_of


def finite_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics as floats; raises PublishError for one that is no finite number, which no manifest can hold."""
    return {name: _finite(name, value) for name, value in metrics.items()}


def check_threshold(threshold: float | None) -> None:
    """Raise PublishError for a threshold that no probability can be compared with."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise PublishError(f"the threshold is {threshold!r}, and it is compared with a probability", "give one in 0..1")


def check_precision(precision: Precision | None, allowed: float | None, metrics: Mapping[str, float]) -> None:
    """Raise PublishError for a difference that nothing will be held to, or that cannot be one."""
    if allowed is not None and precision is None:
        found = "a largest difference was given, but no other precision"
        raise PublishError(found, f"say which ({', '.join(Precision)}), or leave it out")
    if allowed is not None and not 0 <= allowed < math.inf:
        raise PublishError(f"the largest difference is {allowed!r}, which is none", "give a number from 0 on")
    taken = sorted(set(metrics) & set(metric_names(precision))) if precision else []
    if taken:
        raise PublishError(f"the metric {taken[0]!r} is measured here", "leave it out")


def check_targets(targets: Sequence[str], task: Task | None, label: str | None) -> None:
    """Raise PublishError when targets are named for what has none: only a regression with several values has."""
    if not targets:
        return
    if label is not None:
        raise PublishError(f"both a label ({label!r}) and targets were given", "give all that is predicted as targets")
    if task not in (None, Task.REGRESSION):
        raise PublishError(f"targets were given, but the task is {task}", "they are the values of a regression")
    if len(targets) == 1 or len(set(targets)) != len(targets):
        found = f"the targets are {', '.join(map(repr, targets))}"
        raise PublishError(found, "give two or more different ones, or the only one as the label")


def check_schema(schema: Schema | None, predicted: Collection[str]) -> None:
    """Raise PublishError when what is predicted is an input of the schema, too."""
    for feature in schema.inputs if schema is not None else ():
        if feature.name in predicted:
            found = f"{feature.name!r} is the label and also an input of the schema"
            raise PublishError(found, "take it out of one of the two")


def check_output(
    output: Output, *, task: Task | None, threshold: float | None, label: pd.Series | None, targets: tuple[str, ...]
) -> None:
    """Raise PublishError when the output is not what task, threshold, label or targets say it is."""
    if targets and targets != output_columns(output):
        named = ", ".join(output_columns(output)) or "no values by name"
        raise PublishError(f"the targets are {', '.join(targets)}, but the schema's output has {named}", "correct one")
    if task not in (None, output.task):
        raise PublishError(f"the schema's output is {output.task}, but the task is {task}", "correct one of them")
    if threshold is not None and not isinstance(output, BinaryOutput):
        found = f"a threshold was given, and this is a {output.task} model, which has none"
        raise PublishError(found, "leave the threshold out, or say that the task is binary")
    if isinstance(output, BinaryOutput) and threshold not in (None, output.threshold):
        found = f"the schema's output has the threshold {output.threshold:g}, but {threshold:g} was given"
        raise PublishError(found, "give it in one place")
    if label is not None and (problem := _misfit(output, label)):
        hint = "correct the label, or what the model is said to predict"
        raise PublishError(f"the label {str(label.name)!r} {problem}", hint)


def _finite(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise PublishError(
            f"metric {name!r} is {value!r}, which is no finite number", "leave it out, or give its value"
        )
    return number


def _misfit(output: Output, label: pd.Series) -> str:
    match output:
        case BinaryOutput():
            count = label.nunique()
            return f"has {count} different values, and a binary model tells two apart" if count > 2 else ""
        case MulticlassOutput():
            strange = [level for level in levels_of(str(label.name), label) if level not in output.classes]
            shown = ", ".join(map(repr, strange[:5]))
            return f"holds {shown}, which the model's classes do not" if strange else ""
        case RegressionOutput():
            told = label.dropna()
            texts = told[pd.to_numeric(told, errors="coerce").isna()]
            return f"holds {texts.iloc[0]!r}, and a regression model predicts a number" if len(texts) else ""
        case _:
            assert_never(output)
