"""Infers what a model takes from a table that shows it, and reads a schema that somebody wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Output, level_text
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing.errors import PublishError

MAX_LEVELS = 1000
_IDENTIFIER_LEVELS = 50


class Schema(BaseModel):
    """What a person may declare: the inputs, and the output or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[Feature, ...] = Field(min_length=1, max_length=4096)
    output: Output | None = None


def parse_schema(text: str | bytes) -> Schema:
    """Read a schema from YAML or JSON (`inputs: [{kind, name, …}]`, `output: {task, …}`); raises PublishError."""
    import yaml

    try:
        return Schema.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PublishError(f"the schema is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = "give `inputs: [{kind: numeric, name: age}, {kind: categorical, name: city, levels: [a, b]}]`"
        raise PublishError(f"the schema's {where or 'content'}: {first['msg']}", hint) from error


def parse_preprocessing(text: str | bytes) -> Preprocessing:
    """Read preprocessing from YAML or JSON (`features: {age: [{step: scale, …}]}`); raises PublishError."""
    import yaml

    try:
        return Preprocessing.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PublishError(f"the preprocessing is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = "give `features: {age: [{step: scale, center: 40, scale: 12}], city: [{step: encode, method: one-hot}]}`"
        raise PublishError(f"the preprocessing's {where or 'content'}: {first['msg']}", hint) from error


def infer_inputs(frame: pd.DataFrame, leave_out: Collection[str] = ()) -> tuple[Feature, ...]:
    """One feature for each column but those of `leave_out`, in order; raises PublishError naming the column.

    Numbers keep their type, texts and categories become levels, a column with nulls is nullable. No range is
    enforced: what lies outside the reference is drift, not a mistake.
    """
    columns = [column for column in frame.columns if column not in leave_out]
    if not columns or not len(frame):
        raise PublishError(
            f"the reference has {len(frame)} rows and {len(columns)} feature columns", "give rows that the model takes"
        )
    return tuple(_feature(str(column), frame[column]) for column in columns)


def levels_of(name: str, column: pd.Series) -> tuple[str, ...]:
    """The distinct values as texts: a category's own order, else sorted (numbers by value); raises PublishError."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        values: Sequence[Any] = list(column.cat.categories)
    else:
        values = list(column.dropna().unique())
        mixed = len({isinstance(value, str) for value in values}) > 1
        values = sorted(values, key=str) if mixed else sorted(values)
    levels = tuple(dict.fromkeys(level_text(_plain(value)) for value in values))
    if len(levels) > MAX_LEVELS or len(levels) > max(_IDENTIFIER_LEVELS, len(column) // 2):
        raise PublishError(
            f"column {name!r} has {len(levels)} different texts in {len(column)} rows, so it looks like an identifier",
            "leave it out of the reference, or declare it in a schema",
        )
    return levels


def _feature(name: str, column: pd.Series) -> Feature:
    nullable = bool(column.isna().any())
    if bool(column.isna().all()):
        raise PublishError(f"column {name!r} holds only nulls", "leave it out of the reference, or declare it")
    try:
        if _is_text(column):
            return CategoricalFeature(name=name, levels=levels_of(name, column), nullable=nullable)
        return NumericFeature(name=name, dtype=_dtype(name, column), nullable=nullable)
    except ValidationError as error:
        raise PublishError(f"column {name!r} cannot be a feature: {error.errors()[0]['msg']}") from error


def _is_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    if column.dtype == object:
        return all(isinstance(value, str) for value in column.dropna())
    return isinstance(column.dtype, pd.StringDtype)


def _dtype(name: str, column: pd.Series) -> Any:
    if column.dtype == object and all(isinstance(value, bool) for value in column.dropna()):
        return "bool"
    kinds = pd.api.types
    if kinds.is_bool_dtype(column.dtype):
        return "bool"
    if kinds.is_integer_dtype(column.dtype):
        return "int64"
    if kinds.is_float_dtype(column.dtype):
        return "float64" if column.dtype.itemsize > 4 else "float32"
    raise PublishError(
        f"column {name!r} is of type {column.dtype}, and a feature is a number, a truth value or a text",
        "convert it, leave it out of the reference, or declare the inputs in a schema",
    )


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
