from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelloop_core.drift.bins import NumericBins, numeric_bins
from modelloop_core.drift.counter import ProfileCounter, ReferenceMisfit
from modelloop_core.drift.profile import ColumnProfile, EdgesDiffer, Profile, cast, count_column
from modelloop_core.drift.reference import Reference, build_reference, column_reference, numeric_reference
from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
)

_INPUTS = (
    NumericFeature(name="small"),
    NumericFeature(name="wide", dtype="float64", nullable=True),
    NumericFeature(name="whole", dtype="int64"),
    CategoricalFeature(name="kind", levels=("a", "b", "c"), open=True, nullable=True),
)
_OUTPUTS = (
    BinaryOutput(),
    MulticlassOutput(classes=("x", "y")),
    RegressionOutput(),
    RegressionOutput(names=("p", "q")),
)
_VALUES = st.floats(width=32) | st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e30, 1.0])


def _signature(output: Output = _OUTPUTS[0]) -> Signature:
    return Signature(inputs=_INPUTS, output=output)


def _table(rows: int, output: Output = _OUTPUTS[0], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wide = np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(size=rows))
    kind = rng.choice([0.0, 1.0, 2.0, -1.0, np.nan], size=rows)
    features = np.stack([rng.normal(size=rows), wide, rng.integers(0, 40, rows), kind], axis=1)
    values = {"binary": (rows,), "multiclass": (rows, 2)}.get(output.task.value)
    if values is None:
        values = (rows, len(output.names)) if isinstance(output, RegressionOutput) and output.names else (rows,)
    return features, rng.random(values)


def _same(ours: Profile, theirs: Profile) -> None:
    for left, right in ((ours.features, theirs.features), (ours.outputs, theirs.outputs)):
        assert left.keys() == right.keys()
        for name, column in left.items():
            _same_column(column, right[name])


def _same_column(ours: ColumnProfile, theirs: ColumnProfile) -> None:
    assert ours.counts.tolist() == theirs.counts.tolist()
    assert (ours.null, ours.positive_infinite, ours.negative_infinite) == (
        theirs.null, theirs.positive_infinite, theirs.negative_infinite,
    )  # fmt: skip
    np.testing.assert_allclose(ours.sums, theirs.sums, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("output", _OUTPUTS, ids=lambda output: f"{output.task.value} {getattr(output, 'names', '')}")
def test_live_counting_finds_what_the_reference_holds(output: Output) -> None:
    rows, answers = _table(5000, output)
    reference = build_reference(_signature(output), rows, answers)
    counter = ProfileCounter(_signature(output), reference)
    counter.count(rows, answers)
    columns = {name: column.profile for name, column in reference.features.items()}
    _same(counter.take(), Profile(columns, {name: column.profile for name, column in reference.outputs.items()}))
    assert counter.take().features["small"].rows == 0


@given(order=st.permutations(range(40)), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_counts_are_the_same_in_any_order_and_any_split(order: Sequence[int], cuts: list[int]) -> None:
    rows, answers = _table(40)
    reference = build_reference(_signature(), *_table(3000, seed=1))
    whole, parts = ProfileCounter(_signature(), reference), ProfileCounter(_signature(), reference)
    whole.count(rows, answers)
    total = reference.empty_profile
    for part in np.split(np.array(order), sorted(cuts)):
        parts.count(rows[part], answers[part])
        total += parts.take()
    _same(whole.take(), total)


@given(values=st.lists(_VALUES, max_size=60), edges=st.lists(st.floats(-10, 10), unique=True, max_size=8))
def test_each_value_is_counted_where_its_interval_says(values: list[float], edges: list[float]) -> None:
    edges = sorted(edges)
    bins = NumericBins(edges=tuple(edges), coarse=tuple(range(len(edges) + 1)))
    counted = count_column(bins, "float64", np.array(values, dtype=np.float64))
    finite = [value for value in values if np.isfinite(value)]
    bounds = [-np.inf, *edges, np.inf]
    inside = [[v for v in finite if low < v <= high] for low, high in pairwise(bounds)]
    assert counted.counts.tolist() == [len(part) for part in inside]
    np.testing.assert_allclose(counted.sums, [sum(part) for part in inside], rtol=1e-9, atol=1e-6)
    assert counted.rows == len(values)
    assert counted.null == sum(np.isnan(value) for value in values)


@given(values=st.lists(_VALUES, min_size=1, max_size=60), codes=st.lists(st.integers(-3, 9), min_size=60, max_size=60))
def test_a_block_is_counted_as_each_of_its_columns(values: list[float], codes: list[int]) -> None:
    level = np.where(np.array(codes) == 9, np.nan, codes)[: len(values)]
    rows = np.stack([values, values, values, level], axis=1).astype(np.float64)
    reference = build_reference(_signature(), *_table(3000, seed=1))
    counter = ProfileCounter(_signature(), reference)
    counter.count(rows, np.zeros(len(rows)))
    for (name, counted), column, held in zip(
        counter.take().features.items(), reference.features.values(), rows.T, strict=True
    ):
        assert name in reference.features
        with np.errstate(over="ignore"):
            _same_column(counted, count_column(column.bins, column.dtype, held))


@given(values=st.lists(_VALUES, max_size=60), dtype=st.sampled_from(["float32", "float64"]))
def test_a_reference_that_is_sorted_once_is_that_of_its_bins(values: list[float], dtype: str) -> None:
    held = np.array(values, dtype=np.float64)
    once = numeric_reference(dtype, held)
    assert once == column_reference(numeric_bins(cast(held, dtype)), dtype, held).model_copy(
        update={"sd": once.sd, "sums": once.sums}
    )


def test_sums_beyond_float64_can_still_be_written() -> None:
    bins = numeric_bins(np.array([0.0, 1e308]))
    twice = count_column(bins, "float64", np.full(5, 1e308)) + count_column(bins, "float64", np.full(5, 1e308))
    assert np.isfinite(twice.sums).all()


def test_the_counts_of_a_version_are_small() -> None:
    inputs = (
        *(NumericFeature(name=f"n{number}", dtype="float64") for number in range(20)),
        *(CategoricalFeature(name=f"c{number}", levels=tuple(map(str, range(20)))) for number in range(5)),
    )
    signature = Signature(inputs=inputs, output=BinaryOutput())
    rows = np.random.default_rng(0).normal(size=(5000, 25))
    counter = ProfileCounter(signature, build_reference(signature, rows, np.zeros(5000)))
    assert counter.nbytes < 100_000


def test_one_huge_value_does_not_wipe_out_the_sums_of_others() -> None:
    bins = numeric_bins(np.arange(1000.0))
    counted = count_column(bins, "float64", np.concatenate([np.arange(1000.0), [1e300, -1e300]]))
    assert counted.sums[5] == count_column(bins, "float64", np.arange(1000.0)).sums[5]


def test_profiles_of_other_bins_do_not_add_up() -> None:
    ours = ColumnProfile.empty(numeric_bins(np.arange(100.0)))
    theirs = ColumnProfile.empty(numeric_bins(np.arange(3.0)))
    with pytest.raises(EdgesDiffer, match="80 bins and one of 7"):
        _ = ours + theirs
    with pytest.raises(EdgesDiffer, match="age"):
        _ = Profile({"age": ours}) + Profile({})


def test_a_reference_of_other_columns_is_refused_by_name() -> None:
    reference = build_reference(_signature(), *_table(100))
    other = CategoricalFeature(name="other", levels=("a",))
    signature = Signature(inputs=(*_INPUTS[:3], other), output=_OUTPUTS[0])
    with pytest.raises(ReferenceMisfit, match="kind, other"):
        ProfileCounter(signature, reference)


def test_a_reference_is_read_back_as_it_was_written() -> None:
    reference = build_reference(_signature(), *_table(500))
    assert Reference.model_validate_json(reference.to_json()) == reference


def test_a_later_version_counts_its_values_in_the_bins_of_the_first() -> None:
    signature = _signature(RegressionOutput())
    rows, answers = _table(500, signature.output)
    first = build_reference(signature, rows, answers)
    second = build_reference(signature, rows, answers * 3, earlier=first)
    assert second.outputs["prediction"].bins == first.outputs["prediction"].bins
    assert second.outputs["prediction"].counts != first.outputs["prediction"].counts


def test_rows_that_do_not_fit_the_signature_are_refused() -> None:
    rows, answers = _table(10)
    for wrong in ((rows[:, :2], answers), (rows, answers[:5]), (rows[:0], answers[:0])):
        with pytest.raises(ValueError, match="do not fit"):
            build_reference(_signature(), *wrong)
