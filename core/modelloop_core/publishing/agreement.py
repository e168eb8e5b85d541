"""Whether what a person declared says the same as what the model turned out to be: nothing declared is passed over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, assert_never

import pandas as pd

from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput, Task
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.schema import Schema, levels_of


def finite_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics as floats; raises PublishError for one that is no finite number, which no manifest can hold."""
    return {name: _finite(name, value) for name, value in metrics.items()}


def check_threshold(threshold: float | None) -> None:
    """Raise PublishError for a threshold that no probability can be compared with."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise PublishError(f"the threshold is {threshold!r}, and it is compared with a probability", "give one in 0..1")


def check_schema(schema: Schema | None, label: str | None) -> None:
    """Raise PublishError when the label is an input of the schema, too."""
    if schema is not None and label in {feature.name for feature in schema.inputs}:
        raise PublishError(f"{label!r} is the label and also an input of the schema", "take it out of one of the two")


def check_output(output: Output, *, task: Task | None, threshold: float | None, label: pd.Series | None) -> None:
    """Raise PublishError when the output is not what the task, the threshold or the label's values say it is."""
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
