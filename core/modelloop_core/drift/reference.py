"""`reference.json`: what a version's features and answers looked like when it was published, frozen with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelloop_core.drift.bins import Bins, Float64s, Floats, bins_of_sorted, level_bins, numeric_bins, probability_bins
from modelloop_core.drift.profile import ColumnProfile, Profile, cast, count_column, count_sorted
from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    Feature,
    MulticlassOutput,
    Output,
    RegressionOutput,
    Signature,
)

REFERENCE_NAME = "reference.json"
PREDICTION = "prediction"
"""The name of an output that has no name of its own."""


class ColumnReference(BaseModel):
    """One column's bins and what they held: `counts` and `sums` by fine bin, `sd` that of the finite values.

    Values are cast to `dtype` before they are counted. `design_effect` (at least 1) is by how much the variance of a
    share exceeds that of independent rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bins: Bins
    dtype: str = Field(default="float64", pattern="^(float32|float64|int64|bool)$")
    counts: tuple[int, ...]
    sums: tuple[float, ...]
    null: int = Field(default=0, ge=0)
    positive_infinite: int = Field(default=0, ge=0)
    negative_infinite: int = Field(default=0, ge=0)
    sd: float | None = Field(default=None, ge=0)
    design_effect: float = Field(default=1.0, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != self.bins.size or len(self.sums) != self.bins.size or min(self.counts) < 0:
            raise ValueError(f"{self.bins.size} bins need as many sums and counts, none of them negative")
        return self

    @property
    def profile(self) -> ColumnProfile:
        """The reference's own counts."""
        return ColumnProfile(
            counts=np.array(self.counts, dtype=np.int64),
            sums=np.array(self.sums, dtype=np.float64),
            null=self.null,
            positive_infinite=self.positive_infinite,
            negative_infinite=self.negative_infinite,
        )


class Reference(BaseModel):
    """The columns of one version by name, features and outputs apart, as `rows` rows had them.

    `output` says what its answers mean, without which no label could be compared with one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = Field(default=1, ge=1, le=1)
    rows: int = Field(ge=1)
    output: Output
    features: dict[str, ColumnReference] = Field(max_length=4096)
    outputs: dict[str, ColumnReference] = Field(max_length=1000)

    def to_json(self) -> bytes:
        """The file's bytes."""
        return self.model_dump_json().encode()

    @property
    def empty_profile(self) -> Profile:
        """A profile in these bins in which nothing is counted yet."""
        return Profile(
            {name: ColumnProfile.empty(column.bins) for name, column in self.features.items()},
            {name: ColumnProfile.empty(column.bins) for name, column in self.outputs.items()},
        )


def digest_of(document: bytes) -> str:
    """The SHA-256 of a reference's bytes, in hex, by which profiles say what they were counted against."""
    return hashlib.sha256(document).hexdigest()


def build_reference(
    signature: Signature,
    rows: Float64s,
    answers: Float64s,
    *,
    earlier: Reference | None = None,
    design_effects: Mapping[str, float] | None = None,
) -> Reference:
    """The reference of `rows` [n, features] (levels as codes, null NaN) and the model's `answers` [n] or [n, values].

    An output that is no probability takes the bins of `earlier`, the reference of a version of the same signature, so
    that versions compare. `design_effects` are by feature or output. Raises ValueError for shapes that do not fit.
    """
    if rows.ndim != 2 or rows.shape[1] != len(signature.inputs) or len(answers) != len(rows) or not len(rows):
        raise ValueError(f"rows {rows.shape} and answers {answers.shape} do not fit {len(signature.inputs)} features")
    effects = design_effects or {}
    features = {}
    for feature, values in zip(signature.inputs, rows.T, strict=True):
        features[feature.name] = _feature_reference(feature, values, effects.get(feature.name, 1.0))
    outputs = {}
    for name, values in output_values(signature.output, answers):
        bins = _output_bins(signature.output, values, None if earlier is None else earlier.outputs.get(name))
        outputs[name] = column_reference(bins, "float64", values, effects.get(name, 1.0))
    return Reference(rows=len(rows), output=signature.output, features=features, outputs=outputs)


def numeric_reference(dtype: str, values: Floats, design_effect: float = 1.0) -> ColumnReference:
    """A numeric column's reference from its values [n], NaN for null, in bins of their own; sorts them once."""
    ordered = np.sort(cast(values, dtype))
    first, last = np.searchsorted(ordered, -np.inf, side="right"), np.searchsorted(ordered, np.inf, side="left")
    finite = ordered[first:last]
    bins = bins_of_sorted(finite)
    counted = count_sorted(np.array(bins.edges, dtype=ordered.dtype), ordered)
    return _reference(bins, dtype, counted, _sd(finite), design_effect)


def column_reference(bins: Bins, dtype: str, values: Floats, design_effect: float = 1.0) -> ColumnReference:
    """One column's reference from its values [n], NaN for null, in given bins; levels as codes."""
    counted = count_column(bins, dtype, values)
    finite = cast(values, dtype)[np.isfinite(values)]
    return _reference(bins, dtype, counted, _sd(finite) if bins.kind == "numeric" else None, design_effect)


def dtype_of(feature: Feature) -> str:
    """What a feature's values are cast to before they are counted."""
    return "float64" if isinstance(feature, CategoricalFeature) else feature.dtype


def output_values(output: Output, answers: Float64s) -> Iterator[tuple[str, Float64s]]:
    """Each output's name and values [n] of answers [n] or [n, values]: of several classes the code of the likeliest."""
    match output:
        case MulticlassOutput():
            yield PREDICTION, answers.argmax(axis=1).astype(np.float64) if len(answers) else np.empty(0)
        case RegressionOutput(names=names) if names:
            yield from zip(names, answers.T, strict=True)
        case _:
            yield PREDICTION, answers


def output_names(output: Output) -> tuple[str, ...]:
    """The names of the outputs that a profile counts."""
    names = output.names if isinstance(output, RegressionOutput) else ()
    return names or (PREDICTION,)


def _feature_reference(feature: Feature, values: Float64s, design_effect: float) -> ColumnReference:
    if isinstance(feature, CategoricalFeature):
        bins = level_bins(feature.levels, _level_counts(values, len(feature.levels)))
        return column_reference(bins, dtype_of(feature), values, design_effect)
    return numeric_reference(feature.dtype, values, design_effect)


def _reference(
    bins: Bins, dtype: str, counted: ColumnProfile, sd: float | None, design_effect: float
) -> ColumnReference:
    return ColumnReference(
        bins=bins,
        dtype=dtype,
        counts=tuple(counted.counts.tolist()),
        sums=tuple(counted.sums.tolist()),
        null=counted.null,
        positive_infinite=counted.positive_infinite,
        negative_infinite=counted.negative_infinite,
        sd=sd,
        design_effect=design_effect,
    )


def _output_bins(output: Output, values: Float64s, earlier: ColumnReference | None) -> Bins:
    match output:
        case BinaryOutput():
            return probability_bins()
        case MulticlassOutput(classes=classes):
            # By name alone, as the same for every version: frequencies would choose other coarse bins for each.
            return level_bins(classes, np.zeros(len(classes), dtype=np.int64))
        case _:
            return numeric_bins(values) if earlier is None else earlier.bins


def _level_counts(codes: Float64s, levels: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    known = codes[codes >= 0].astype(np.int64)
    return np.bincount(known[known < levels], minlength=levels)


def _sd(finite: np.ndarray[tuple[int], np.dtype[np.floating]]) -> float | None:
    """The population's standard deviation; exactly 0 of a constant, None where it is beyond float64."""
    if not len(finite):
        return None
    if finite.min() == finite.max():
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        sd = float(finite.std(dtype=np.float64))
    return sd if np.isfinite(sd) else None
