from __future__ import annotations

import numpy as np
import pytest

from modelloop_core.drift.bins import (
    LevelBins,
    NumericBins,
    level_bins,
    numeric_bins,
    probability_bins,
    to_coarse,
)
from modelloop_core.drift.profile import count_column


def _normal(rows: int = 10_000) -> np.ndarray:
    return np.random.default_rng(1).normal(size=rows)


def test_many_values_get_eighty_fine_bins_and_ten_coarse_ones_of_equal_share() -> None:
    bins = numeric_bins(_normal())
    assert (bins.size, max(bins.coarse) + 1) == (80, 10)
    assert count_column(bins, "float64", _normal()).counts.tolist() == [125] * 80


def test_edges_are_values_of_the_reference() -> None:
    values = _normal(997)
    assert set(numeric_bins(values).edges) <= set(values.tolist())


def test_a_value_on_an_edge_belongs_to_the_bin_below() -> None:
    bins = NumericBins(edges=(1.0, 2.0), coarse=(0, 1, 2))
    counted = count_column(bins, "float64", np.array([1.0, np.nextafter(1.0, 2.0), 2.0, 2.5]))
    assert counted.counts.tolist() == [1, 2, 1]


def test_a_value_that_many_share_is_alone_in_its_bin() -> None:
    values = np.where(np.arange(10_000) % 10 == 0, _normal(), 0.0)
    bins = numeric_bins(values)
    counted = count_column(bins, "float64", np.array([0.0, -1e-300, 1e-300, -0.001]))
    assert "0" in bins.names
    assert to_coarse(counted.counts, bins.coarse)[bins.names.index("0")] == 1


def test_few_values_get_a_bin_each_and_all_others_share_one() -> None:
    bins = numeric_bins(np.array([3.0, 1.0, 2.0, 2.0]))
    assert bins.names == ("1", "2", "3", "other")
    counted = count_column(bins, "float64", np.array([1.0, 2.0, 1.5, 0.0, 9.0, 3.0]))
    assert to_coarse(counted.counts, bins.coarse).tolist() == [1, 1, 1, 3]


@pytest.mark.parametrize("value", [0.0, 7.5, -3e300])
def test_a_constant_has_a_bin_of_its_own(value: float) -> None:
    bins = numeric_bins(np.full(100, value))
    assert len(bins.names) == 2
    assert count_column(bins, "float64", np.array([value, value / 2 + 1])).counts.max() == 1


def test_a_column_without_a_finite_value_is_one_bin() -> None:
    assert numeric_bins(np.array([np.nan, np.inf])).names == ("all",)


def test_float32_values_of_two_decimals_fall_where_they_fell_in_the_reference() -> None:
    values = np.round(np.random.default_rng(2).uniform(0, 3, 20_000), 2)
    bins = numeric_bins(values.astype(np.float32))
    reference = count_column(bins, "float32", values.astype(np.float32).astype(np.float64))
    assert count_column(bins, "float32", values).counts.tolist() == reference.counts.tolist()


def test_a_probability_has_twenty_equal_bins_whatever_the_version() -> None:
    bins = probability_bins()
    assert bins.size == 20
    assert bins.names[:2] == ("≤ 0.1", "(0.1, 0.2]")


def test_of_many_levels_the_twenty_most_frequent_stay_apart() -> None:
    levels = [f"l{number}" for number in range(50)]
    bins = level_bins(levels, np.arange(50))
    assert bins.names == (*(f"l{number}" for number in range(30, 50)), "other")


def test_a_level_that_the_bins_do_not_have_is_other() -> None:
    bins = level_bins(["a", "b"], np.array([1, 1]))
    counted = count_column(bins, "float64", np.array([0.0, 1.0, -1.0, 2.0, np.nan]))
    assert (counted.counts.tolist(), counted.null) == ([1, 1, 2], 1)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: NumericBins(edges=(2.0, 1.0), coarse=(0, 1, 2)),
        lambda: NumericBins(edges=(1.0,), coarse=(0,)),
        lambda: NumericBins(edges=(1.0,), coarse=(0, 2)),
        lambda: LevelBins(levels=("a",), coarse=(0,)),
    ],
    ids=["edges fall", "a bin without a coarse one", "a coarse bin that is missing", "no place for other"],
)
def test_bins_that_contradict_themselves_are_refused(broken: object) -> None:
    with pytest.raises(ValueError, match=r"edges|coarse"):
        broken()  # type: ignore[operator]
