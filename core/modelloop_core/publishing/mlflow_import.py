"""What an MLflow model says of itself, joined with what the caller says: all of it known, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Task
from modelloop_core.publishing.contract import Declared
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.mlflow_folder import Column, Matrix, MlflowModel
from modelloop_core.publishing.schema import Schema, infer_inputs, levels_of
from modelloop_core.publishing.trial import encoder_of

_DTYPES: dict[str, Any] = {
    "double": "float64",
    "float": "float32",
    "integer": "int64",
    "long": "int64",
    "boolean": "bool",
}
_TEXT = "string"


@dataclass(frozen=True)
class Imported:
    """What to publish: the rows to try it on, the contract to hold it to, and what was decided on the way."""

    frame: pd.DataFrame
    declared: Declared
    notes: tuple[str, ...]


def join(model: MlflowModel, frame: pd.DataFrame | None, declared: Declared) -> Imported:
    """The model's own statements completed by the caller's; raises PublishError where they differ or one lacks."""
    notes: list[str] = []
    if frame is None:
        if model.example is None:
            found = "there is no reference, and the MLmodel has no input example with named columns"
            raise PublishError(found, "give rows that the model takes (--reference)")
        frame = model.example
        notes.append(f"tried on the {len(frame)} row(s) of MLflow's input example; a reference would show more")
    declared = _with_targets(model, declared)
    _check_task_is_known(declared)
    inputs = _inputs(model, frame, declared)
    output = declared.schema.output if declared.schema else None
    if declared.task is Task.BINARY and output is None and declared.threshold is None:
        notes.append("the threshold is 0.5, since the MLmodel has none; say another (--threshold) if that is wrong")
    return Imported(frame, replace(declared, schema=Schema(inputs=inputs, output=output)), tuple(notes))


def _with_targets(model: MlflowModel, declared: Declared) -> Declared:
    """A regression whose signature names several values has these, unless the caller names them."""
    has_output = declared.schema is not None and declared.schema.output is not None
    if declared.task is not Task.REGRESSION or declared.targets or declared.label or has_output:
        return declared
    names = model.outputs
    return replace(declared, targets=names) if len(names) > 1 and all(names) else declared


def _check_task_is_known(declared: Declared) -> None:
    has_output = declared.schema is not None and declared.schema.output is not None
    if declared.task is None and declared.label is None and not declared.targets and not has_output:
        raise PublishError(
            "an MLmodel does not say what a prediction is", "say the task (--task), or name the reference's label"
        )


def _inputs(model: MlflowModel, frame: pd.DataFrame, declared: Declared) -> tuple[Feature, ...]:
    given = declared.schema.inputs if declared.schema else None
    match model.inputs:
        case None:
            return given or infer_inputs(frame, declared.not_features)
        case Matrix(width=width):
            inputs = given or infer_inputs(frame, declared.not_features)
            columns = encoder_of(inputs, declared.preprocessing).columns
            if len(columns) != width:
                raise PublishError(
                    f"the MLmodel's matrix has {width} columns, but the features make {len(columns)}: "
                    + ", ".join(columns[:20]),
                    "give a reference or a schema with the matrix's columns in their order; is the label named?",
                )
            return inputs
        case columns:
            return _agreed(given, columns) if given else tuple(_feature(column, frame) for column in columns)


def _feature(column: Column, frame: pd.DataFrame) -> Feature:
    name = column.name
    if name not in frame.columns:
        raise PublishError(f"the reference lacks the column {name!r} of the MLmodel's signature", "add it")
    nullable = not column.required or bool(frame[name].isna().any())
    if column.type == _TEXT:
        return CategoricalFeature(name=name, levels=levels_of(name, frame[name]), nullable=nullable)
    return NumericFeature(name=name, dtype=_dtype(column), nullable=nullable)


def _dtype(column: Column) -> Any:
    if column.type not in _DTYPES:
        raise PublishError(
            f"column {column.name!r} of the MLmodel's signature is of type {column.type}",
            f"a feature is one of {', '.join((*_DTYPES, _TEXT))}",
        )
    return _DTYPES[column.type]


def _agreed(given: Sequence[Feature], columns: Sequence[Column]) -> tuple[Feature, ...]:
    """The schema's features, which may say more than the MLmodel (levels, bounds) but nothing else."""
    names, wanted = [feature.name for feature in given], [column.name for column in columns]
    if names != wanted:
        raise PublishError(
            f"the schema's inputs are {', '.join(names[:20])}, but the MLmodel's are {', '.join(wanted[:20])}",
            "give them the same names in the same order",
        )
    for feature, column in zip(given, columns, strict=True):
        kind = feature.dtype if isinstance(feature, NumericFeature) else _TEXT
        expected = _TEXT if column.type == _TEXT else _dtype(column)
        if kind != expected:
            said = f"the schema says that {feature.name!r} is {kind}, the MLmodel {column.type}"
            raise PublishError(said, f"correct the schema: {expected}")
    return tuple(given)
