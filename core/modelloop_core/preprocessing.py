"""`preprocessing.json`: the declared steps from a caller's features to the model's columns, part of a version."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Signature

PREPROCESSING_NAME = "preprocessing.json"


class PreprocessingError(ValueError):
    """The declared steps cannot work on the signature; the message names the feature and the step."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Impute(_Value):
    """Put `value` where the feature is null: a number, or one of a categorical feature's levels."""

    step: Literal["impute"] = "impute"
    value: float | str


class Scale(_Value):
    """`(x - center) / scale`, in float64; null stays null."""

    step: Literal["scale"] = "scale"
    center: float = 0.0
    scale: float = Field(default=1.0, gt=0)


class Clip(_Value):
    """Move values below `minimum` up to it and above `maximum` down to it; null stays null."""

    step: Literal["clip"] = "clip"
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("clip needs a minimum, a maximum or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"clip: minimum {self.minimum} is above maximum {self.maximum}")
        return self


class Bucket(_Value):
    """How many of `edges` are at or below the value, so 0 up to `len(edges)`; null stays null."""

    step: Literal["bucket"] = "bucket"
    edges: tuple[float, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError("bucket: edges must increase strictly")
        return self


class Encode(_Value):
    """A level (or a bucket) as its index (`ordinal`), or as one 0/1 column for each (`one-hot`).

    Levels keep the order of the signature. An unseen level of an open feature is -1, or all zeros; null stays null, or
    is all zeros.
    """

    step: Literal["encode"] = "encode"
    method: Literal["ordinal", "one-hot"]


Step = Annotated[Impute | Scale | Clip | Bucket | Encode, Field(discriminator="step")]


class Preprocessing(_Value):
    """Steps of each feature, in order; a feature that is not named goes to the model as it is.

    As it is: a number is one column; a level is one column holding its index in the signature.
    """

    schema_version: int = Field(default=1, ge=1, le=1)
    features: dict[str, tuple[Step, ...]] = Field(default_factory=dict)

    def columns(self, signature: Signature) -> tuple[str, ...]:
        """Names of the k columns the model takes, in order; raises PreprocessingError when a step cannot work."""
        unknown = sorted(set(self.features) - set(signature.feature_names))
        if unknown:
            raise PreprocessingError(f"preprocessing names features that the signature lacks: {', '.join(unknown)}")
        return tuple(name for feature in signature.inputs for name in self.columns_of(feature))

    def steps(self, name: str) -> tuple[Step, ...]:
        """The declared steps of one feature; empty means identity."""
        return self.features.get(name, ())

    def columns_of(self, feature: Feature) -> tuple[str, ...]:
        """Names of the columns one feature becomes; raises PreprocessingError."""
        steps = self.steps(feature.name)
        labels: tuple[str, ...] | None = feature.levels if isinstance(feature, CategoricalFeature) else None
        for position, step in enumerate(steps):
            _check(step, feature, labels)
            if isinstance(step, Bucket):
                labels = tuple(str(index) for index in range(len(step.edges) + 1))
            elif isinstance(step, Encode) and step.method == "one-hot":
                if position + 1 < len(steps):
                    raise PreprocessingError(f"feature {feature.name!r}: one-hot encoding must be its last step")
                return tuple(f"{feature.name}={label}" for label in labels or ())
            elif not isinstance(step, Impute):
                labels = None
        return (feature.name,)


def _check(step: Step, feature: Feature, labels: tuple[str, ...] | None) -> None:
    numeric = labels is None or isinstance(feature, NumericFeature)
    if isinstance(step, Encode) and labels is None:
        raise PreprocessingError(f"feature {feature.name!r}: encode needs levels or buckets, not a number")
    if not isinstance(step, Encode | Impute) and not numeric:
        raise PreprocessingError(f"feature {feature.name!r}: {step.step} needs a number; encode its levels first")
    if isinstance(step, Impute) and numeric != isinstance(step.value, float):
        wanted = "a number" if numeric else "one of its levels"
        raise PreprocessingError(f"feature {feature.name!r}: impute {step.value!r} is not {wanted}")
    if isinstance(step, Impute) and not numeric and step.value not in (labels or ()):
        raise PreprocessingError(f"feature {feature.name!r}: impute {step.value!r} is not one of its levels")
