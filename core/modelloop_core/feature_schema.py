"""What a model takes and gives: the signature that publish infers, the predictor enforces and versions compare."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self, assert_never

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Task(StrEnum):
    """What a prediction is."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


FeatureName = Annotated[str, Field(min_length=1, max_length=128)]


class NumericFeature(_Value):
    """A number, by default finite and required; `minimum` and `maximum` bound it inclusively."""

    kind: Literal["numeric"] = "numeric"
    name: FeatureName
    dtype: Literal["float32", "float64", "int64", "bool"] = "float32"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"feature {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        return self

    def accepts_values_of(self, other: Feature) -> bool:
        """Whether each value that `other` allows is allowed here and means the same."""
        return (
            isinstance(other, NumericFeature)
            and (self.name, self.dtype) == (other.name, other.dtype)
            and (self.nullable or not other.nullable)
            and (self.minimum is None or (other.minimum is not None and self.minimum <= other.minimum))
            and (self.maximum is None or (other.maximum is not None and self.maximum >= other.maximum))
        )


class CategoricalFeature(_Value):
    """One of `levels` (compared as strings); other values are refused unless `open` is true."""

    kind: Literal["categorical"] = "categorical"
    name: FeatureName
    levels: tuple[str, ...] = Field(min_length=1, max_length=1000)
    open: bool = False
    nullable: bool = False

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.levels)) != len(self.levels):
            raise ValueError(f"feature {self.name!r}: levels repeat")
        return self

    def accepts_values_of(self, other: Feature) -> bool:
        """Whether each value that `other` allows is allowed here and means the same."""
        return (
            isinstance(other, CategoricalFeature)
            and self.name == other.name
            and (self.nullable or not other.nullable)
            and (self.open or (not other.open and set(other.levels) <= set(self.levels)))
        )


Feature = Annotated[NumericFeature | CategoricalFeature, Field(discriminator="kind")]


def level_text(value: object) -> str:
    """The text by which a value is compared with levels: `true` for True, `3` for 3 and for 3.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class BinaryOutput(_Value):
    """The probability of the positive class, in [0, 1]; at or over `threshold` means positive."""

    task: Literal[Task.BINARY] = Task.BINARY
    threshold: float = Field(default=0.5, ge=0, le=1)


class MulticlassOutput(_Value):
    """One probability per class, in the order of `classes`; the answer is the likeliest label."""

    task: Literal[Task.MULTICLASS] = Task.MULTICLASS
    classes: tuple[str, ...] = Field(min_length=2, max_length=1000)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes repeat")
        return self


class RegressionOutput(_Value):
    """One real value, or with `names` as many, in their order."""

    task: Literal[Task.REGRESSION] = Task.REGRESSION
    # Left out where there are none, so that a predictor of before can read the versions that it can serve.
    names: tuple[FeatureName, ...] = Field(default=(), max_length=1000, exclude_if=lambda names: not names)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(self.names) == 1:
            raise ValueError("a single value has no name of its own; leave names out, or give several")
        if len(set(self.names)) != len(self.names):
            raise ValueError("names repeat")
        return self


Output = Annotated[BinaryOutput | MulticlassOutput | RegressionOutput, Field(discriminator="task")]


class Signature(_Value):
    """The contract of a version with its callers; a change that callers can notice is a new major version."""

    inputs: tuple[Feature, ...] = Field(min_length=1, max_length=4096)
    output: Output

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = self.feature_names
        repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
        if repeated:
            raise ValueError(f"feature names repeat: {', '.join(repeated)}")
        return self

    @property
    def task(self) -> Task:
        """The task this signature answers."""
        return Task(self.output.task)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Input names in the order of a feature list."""
        return tuple(feature.name for feature in self.inputs)

    def accepts_callers_of(self, other: Signature) -> bool:
        """Whether requests valid for `other` are valid and mean the same here: no fewer values, the same output."""
        if len(self.inputs) != len(other.inputs) or self._output_shape() != other._output_shape():
            return False
        return all(mine.accepts_values_of(theirs) for mine, theirs in zip(self.inputs, other.inputs, strict=True))

    def _output_shape(self) -> tuple[Task, tuple[str, ...]]:
        return self.task, output_columns(self.output)


def output_columns(output: Output) -> tuple[str, ...]:
    """The names of the values that each row gets, in their order; empty where it gets a single one."""
    match output:
        case MulticlassOutput(classes=classes):
            return classes
        case RegressionOutput(names=names):
            return names
        case BinaryOutput():
            return ()
        case _:
            assert_never(output)
