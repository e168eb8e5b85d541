"""Runs a version's declared preprocessing on arrays: the one implementation for training, online and batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import assert_never

import numpy as np

from modelloop_core.feature_schema import CategoricalFeature, Feature, Signature
from modelloop_core.inference.arrays import Float32s, Float64s
from modelloop_core.preprocessing import Bucket, Clip, Encode, Impute, Preprocessing, Scale, Step

_Transform = Callable[[Float64s], Float64s]
_ORDER = {Impute: 0, Clip: 1, Scale: 2}


@dataclass(frozen=True)
class _Column:
    """Where a feature's columns lie in the matrix, and what makes them from its [n] values."""

    source: int
    start: int
    width: int
    steps: tuple[_Transform, ...]


class Encoder:
    """Turns parsed rows into the model's matrix; raises PreprocessingError when the steps do not fit the signature."""

    def __init__(self, signature: Signature, preprocessing: Preprocessing) -> None:
        self.columns = preprocessing.columns(signature)
        self._features = len(signature.inputs)
        plain: list[tuple[int, int, Sequence[Step]]] = []
        self._special: list[_Column] = []
        start = 0
        for source, feature in enumerate(signature.inputs):
            steps = preprocessing.steps(feature.name)
            width = len(preprocessing.columns_of(feature))
            if _is_plain(feature, steps):
                plain.append((source, start, steps))
            else:
                transforms = tuple(_transform(step, feature, width) for step in steps)
                self._special.append(_Column(source, start, width, transforms))
            start += width
        self._plain = _Plain(plain)

    def transform(self, rows: Float64s) -> Float32s:
        """float64 [n, features] (null NaN, levels as codes, unseen -1) to float32 [n, k]; ValueError on shape."""
        if rows.ndim != 2 or rows.shape[1] != self._features:
            raise ValueError(f"rows have shape {rows.shape}, expected [n, {self._features}]")
        if not self._special and self._plain.is_identity:
            return rows.astype(np.float32)
        matrix = np.empty((len(rows), len(self.columns)), dtype=np.float32)
        self._plain.write(rows, matrix)
        for column in self._special:
            values = rows[:, column.source]
            for step in column.steps:
                values = step(values)
            matrix[:, column.start : column.start + column.width] = values.reshape(len(rows), column.width)
        return matrix


class _Plain:
    """All features whose steps are at most impute, clip, scale, in that order: done together, one pass a step."""

    def __init__(self, features: Sequence[tuple[int, int, Sequence[Step]]]) -> None:
        self._sources = [source for source, _, _ in features]
        self._targets = [target for _, target, _ in features]
        self._fill, self._low, self._high, self._center, self._scale = (
            np.full(len(features), neutral) for neutral in (np.nan, -np.inf, np.inf, 0.0, 1.0)
        )
        for position, (_, _, steps) in enumerate(features):
            for step in steps:
                self._declare(position, step)
        self._imputes = not bool(np.isnan(self._fill).all())
        self._clips = bool(np.isfinite(self._low).any() or np.isfinite(self._high).any())
        self._scales = bool((self._center != 0).any() or (self._scale != 1).any())

    @property
    def is_identity(self) -> bool:
        return not (self._imputes or self._clips or self._scales)

    def write(self, rows: Float64s, matrix: Float32s) -> None:
        values = rows[:, self._sources]
        if self._imputes:
            values = np.where(np.isnan(values), self._fill, values)
        if self._clips:
            values = np.clip(values, self._low, self._high)
        if self._scales:
            values = (values - self._center) / self._scale
        matrix[:, self._targets] = values

    def _declare(self, position: int, step: Step) -> None:
        match step:
            case Impute(value=float(value)):
                self._fill[position] = value
            case Clip():
                self._low[position] = -np.inf if step.minimum is None else step.minimum
                self._high[position] = np.inf if step.maximum is None else step.maximum
            case Scale():
                self._center[position], self._scale[position] = step.center, step.scale
            case _:
                raise AssertionError(f"{step!r} is not plain")


def _is_plain(feature: Feature, steps: Sequence[Step]) -> bool:
    if isinstance(feature, CategoricalFeature):
        return not steps
    order = [_ORDER.get(type(step), -1) for step in steps]
    return -1 not in order and all(left < right for left, right in pairwise(order))


def _transform(step: Step, feature: Feature, width: int) -> _Transform:
    match step:
        case Impute(value=value):
            levels = feature.levels if isinstance(feature, CategoricalFeature) else ()
            fill = float(levels.index(value)) if isinstance(value, str) else value
            return lambda values: np.where(np.isnan(values), fill, values)
        case Scale(center=center, scale=scale):
            return lambda values: (values - center) / scale
        case Clip(minimum=minimum, maximum=maximum):
            low, high = -np.inf if minimum is None else minimum, np.inf if maximum is None else maximum
            return lambda values: np.clip(values, low, high)
        case Bucket(edges=edges):
            return lambda values: _bucket(values, np.asarray(edges, dtype=np.float64))
        case Encode(method=method):
            codes = np.arange(width, dtype=np.float64)
            return (lambda values: values) if method == "ordinal" else lambda values: _one_hot(values, codes)
        case _:
            assert_never(step)


def _bucket(values: Float64s, edges: Float64s) -> Float64s:
    index = np.searchsorted(edges, values, side="right").astype(np.float64)
    return np.where(np.isnan(values), np.nan, index)


def _one_hot(values: Float64s, codes: Float64s) -> Float64s:
    # Equality with a code fails for NaN and for UNSEEN, which makes both all zeros.
    hits = np.equal(values[:, None], codes)
    return hits.astype(np.float64)
