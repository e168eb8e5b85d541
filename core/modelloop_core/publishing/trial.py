"""Lets a model answer rows of the reference before anybody relies on it, and reads off what kind of answer it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    Feature,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
    Task,
)
from modelloop_core.inference import Encoder, Float64s, Floats, InferenceError, Model, Scorer, rows_from_columns
from modelloop_core.preprocessing import Preprocessing, PreprocessingError
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.schema import levels_of

SAMPLE_ROWS = 512
_TOLERANCE = 1e-4


def encoder_of(inputs: tuple[Feature, ...], preprocessing: Preprocessing) -> Encoder:
    """The encoder of these inputs; raises PublishError when a step does not fit them."""
    try:
        return Encoder(Signature(inputs=inputs, output=RegressionOutput()), preprocessing)
    except (PreprocessingError, ValueError) as error:
        raise PublishError(f"the preprocessing does not fit the inputs: {error}") from error


def sample_rows(inputs: tuple[Feature, ...], frame: pd.DataFrame) -> tuple[pd.DataFrame, Float64s]:
    """Up to 512 rows of the reference, evenly spaced, that the inputs allow, also parsed; raises PublishError."""
    allowed = _allowed_part(inputs, frame)
    steps = np.unique(np.linspace(0, len(allowed) - 1, SAMPLE_ROWS).astype(int))
    sample = allowed.iloc[steps]
    return sample, _parsed(inputs, sample)


def allowed_rows(inputs: tuple[Feature, ...], frame: pd.DataFrame) -> Float64s:
    """All rows of the reference that the inputs allow, float64 [n, features]; raises PublishError when none is."""
    return _parsed(inputs, _allowed_part(inputs, frame))


def _allowed_part(inputs: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    missing = [feature.name for feature in inputs if feature.name not in frame.columns]
    if missing:
        raise PublishError(f"the reference lacks the columns {', '.join(map(repr, missing))} of the schema")
    allowed = frame[np.logical_and.reduce([_allowed(feature, frame[feature.name]) for feature in inputs])]
    if not len(allowed):
        raise PublishError(
            f"none of the {len(frame)} rows of the reference is valid for the schema: {_worst(inputs, frame)}",
            "correct the schema, or give another reference",
        )
    return allowed


def _parsed(inputs: tuple[Feature, ...], frame: pd.DataFrame) -> Float64s:
    signature = Signature(inputs=inputs, output=RegressionOutput())
    return rows_from_columns(signature, {feature.name: _values(frame[feature.name]) for feature in inputs})


def example_of(inputs: tuple[Feature, ...], sample: pd.DataFrame) -> tuple[float | str | None, ...]:
    """The first row of the sample as a caller would write it, preferring one without nulls."""
    whole = sample.dropna(subset=[feature.name for feature in inputs])
    row = (whole if len(whole) else sample).iloc[0]
    return tuple(_cell(feature, row[feature.name]) for feature in inputs)


def raw_answers(model: Model, encoder: Encoder, rows: Float64s) -> Floats:
    """What the model gives for the rows; raises PublishError when it fails."""
    try:
        return model.predict(encoder.transform(rows))
    except InferenceError as error:
        columns = ", ".join(encoder.columns[:8]) + (", …" if len(encoder.columns) > 8 else "")
        raise PublishError(
            f"the model failed on {len(rows)} rows of {len(encoder.columns)} columns ({columns}): {error}",
            "does it take other columns, or is one of these the label?",
        ) from error


def infer_output(
    answers: Floats, *, task: Task | None, label: pd.Series | None, threshold: float | None, targets: tuple[str, ...]
) -> tuple[Output, str | None]:
    """The output that fits the answers, with a note when it had to be guessed; raises PublishError."""
    if targets or (task is Task.REGRESSION and answers.ndim == 2):
        return _several(answers, targets), None
    if task is Task.MULTICLASS or (task is None and answers.ndim == 2):
        return MulticlassOutput(classes=_classes(answers, label)), None
    if task is None and label is not None:
        task = Task.BINARY if label.nunique() == 2 else Task.REGRESSION
    if task is Task.REGRESSION:
        return RegressionOutput(), None
    binary = BinaryOutput() if threshold is None else BinaryOutput(threshold=threshold)
    if task is Task.BINARY:
        return binary, None
    if float(np.nanmin(answers)) < 0 or float(np.nanmax(answers)) > 1:
        return RegressionOutput(), None
    return binary, "taken for binary, since all answers lie in [0, 1]; say the task if it is regression"


def check_answers(signature: Signature, preprocessing: Preprocessing, model: Model, rows: Float64s) -> None:
    """Raise PublishError unless the answers are what the signature says, alone and in a batch."""
    scorer = Scorer(signature, preprocessing, model)
    try:
        together = scorer.predict(rows)
        few = range(min(3, len(rows)))
        alone = np.concatenate([scorer.predict(rows[position : position + 1]) for position in few])
    except InferenceError as error:
        hint = "impute nulls in the preprocessing" if bool(np.isnan(rows).any()) else "correct the model or the task"
        raise PublishError(f"the model's answers are not those of a {signature.task} model: {error}", hint) from error
    if not np.allclose(together[: len(alone)], alone, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise PublishError(
            f"the model answers a row alone with {alone[0]!r} and in a batch with {together[0]!r}",
            "put it into evaluation mode (model.eval()) before it is saved",
        )


def _several(answers: Floats, targets: tuple[str, ...]) -> RegressionOutput:
    count = answers.shape[1] if answers.ndim == 2 else 1
    if count != len(targets):
        named = f"{len(targets)} targets were named: {', '.join(targets)}" if targets else "they have no names"
        raise PublishError(f"the model gives {count} value(s) a row, and {named}", "name each of them (--target NAME)")
    return RegressionOutput(names=targets)


def _classes(answers: Floats, label: pd.Series | None) -> tuple[str, ...]:
    if answers.ndim != 2:
        raise PublishError("a multiclass model gives one probability for each class; this one gives one value a row")
    count = answers.shape[1]
    classes = tuple(map(str, range(count))) if label is None else levels_of(str(label.name), label)
    if len(classes) != count:
        shown = ", ".join(classes[:10])
        raise PublishError(
            f"the model gives {count} values a row, but the label has {len(classes)} classes: {shown}",
            "give a reference that holds every class, or a schema whose output lists the classes",
        )
    return classes


def _allowed(feature: Feature, column: pd.Series) -> Any:
    null = column.isna().to_numpy()
    if isinstance(feature, CategoricalFeature):
        codes = rows_from_columns(
            Signature(inputs=(feature,), output=RegressionOutput()), {feature.name: _values(column)}
        )[:, 0]
        fits = (codes >= 0) | feature.open
    else:
        fits = _within(feature, column)
    return np.where(null, feature.nullable, fits)


def _within(feature: NumericFeature, column: pd.Series) -> Any:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    return np.isfinite(numbers) & (numbers >= low) & (numbers <= high)


def _worst(inputs: tuple[Feature, ...], frame: pd.DataFrame) -> str:
    refused = {feature.name: int((~_allowed(feature, frame[feature.name])).sum()) for feature in inputs}
    name = max(refused, key=lambda key: refused[key])
    return f"column {name!r} is not in {refused[name]} of them"


def _values(column: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        if not bool(column.isna().any()):
            return column.to_numpy()
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return [None if pd.isna(value) else value for value in column]


def _cell(feature: Feature, value: Any) -> float | str | None:
    if pd.isna(value):
        return None
    if isinstance(feature, CategoricalFeature):
        (code,) = rows_from_columns(Signature(inputs=(feature,), output=RegressionOutput()), {feature.name: [value]})[0]
        return feature.levels[int(code)] if code >= 0 else str(value)
    return float(value)
