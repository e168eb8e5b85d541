"""Columns for tests of drift: a reference and what was counted against it, from values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from modelloop_core.drift.bins import level_bins
from modelloop_core.drift.profile import ColumnProfile, Profile, count_column
from modelloop_core.drift.reference import ColumnReference, Reference, numeric_reference
from modelloop_core.feature_schema import BinaryOutput

Values = np.ndarray


def numeric(values: Values, dtype: str = "float64", design_effect: float = 1.0) -> ColumnReference:
    """The reference of a numeric column."""
    return numeric_reference(dtype, np.asarray(values, dtype=np.float64), design_effect)


def levels(counts: Mapping[str, int], null: int = 0) -> ColumnReference:
    """The reference of a categorical column with so many rows of each level."""
    numbers = np.array(list(counts.values()), dtype=np.int64)
    bins = level_bins(list(counts), numbers)
    return ColumnReference(bins=bins, counts=(*numbers.tolist(), 0), sums=(0.0,) * bins.size, null=null)


def counted(column: ColumnReference, values: Values) -> ColumnProfile:
    """Values in the bins of a reference; levels as codes."""
    return count_column(column.bins, column.dtype, np.asarray(values, dtype=np.float64))


def codes(counts: Sequence[int]) -> Values:
    """So many rows of each code."""
    return np.repeat(np.arange(len(counts), dtype=np.float64), counts)


def model(columns: Mapping[str, tuple[ColumnReference, Values]]) -> tuple[Reference, Profile]:
    """A model of these features, without an output."""
    features = {name: column for name, (column, _) in columns.items()}
    profile = Profile({name: counted(column, values) for name, (column, values) in columns.items()})
    rows = max(column.profile.rows for column in features.values())
    return Reference(rows=max(rows, 1), output=BinaryOutput(), features=features, outputs={}), profile
