from __future__ import annotations

import math
from dataclasses import asdict, fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelloop_core.drift.exact import with_samples
from modelloop_core.drift.profile import ColumnProfile, EdgesDiffer
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.drift.shapes import Shape
from modelloop_core.drift.statistics import Distances, Statistics, compare
from support.drift_columns import codes, counted, levels, numeric

_VALUES = st.lists(
    st.floats(width=32) | st.sampled_from([0.0, -0.001, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]), max_size=80
)


def _normal(rows: int, shift: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=rows)


def _numbers(found: Statistics) -> dict[str, float]:
    parts = [asdict(found), *(asdict(part) for part in (found.distances, found.shape) if part is not None)]
    return {name: value for part in parts for name, value in part.items() if isinstance(value, float | int)}


def _compare(column: ColumnReference, values: np.ndarray, *effect: float, exact: np.ndarray | None = None) -> Any:
    """All numbers under one roof; `exact` are the reference's raw values."""
    found = compare(column, counted(column, values), *effect)
    if exact is not None:
        found = with_samples(found, column, exact, values)
    nothing = dict.fromkeys(one.name for kind in (Distances, Shape) for one in fields(kind))
    parts = [vars(part) for part in (found, found.distances, found.shape) if part is not None]
    properties = {"current_n": found.current_n}
    return SimpleNamespace(
        **{**nothing, **properties, **{name: value for part in parts for name, value in part.items()}}
    )


@pytest.mark.parametrize(("shift", "psi"), [(0.1, 0.010), (0.25, 0.060), (0.5, 0.238)])
def test_a_shifted_normal_has_the_psi_of_the_definitions(shift: float, psi: float) -> None:
    column = numeric(_normal(400_000))
    found = _compare(column, _normal(400_000, shift, seed=2))
    assert found.psi == pytest.approx(psi, abs=0.006)


def test_psi_reads_little_where_ks_rejects_every_time() -> None:
    column = numeric(_normal(100_000))
    found = _compare(column, _normal(100_000, 0.05, seed=2))
    assert found.psi == pytest.approx(0.0025, abs=0.001)
    assert found.ks_pvalue is not None
    assert found.ks_pvalue < 1e-6


@pytest.mark.parametrize(
    "current",
    [_normal(3000, 0.3, seed=2), np.random.default_rng(3).lognormal(size=2000), np.round(_normal(5000, seed=4), 1)],
    ids=["shifted", "another shape", "rounded"],
)
def test_from_bins_ks_and_wasserstein_are_close_lower_bounds_of_scipys(current: np.ndarray) -> None:
    reference = _normal(4000)
    column = numeric(reference)
    found = _compare(column, current)
    statistic, area = stats.ks_2samp(current, reference).statistic, stats.wasserstein_distance(current, reference)
    assert found.ks_statistic is not None
    assert found.wasserstein is not None
    assert statistic - 0.02 <= found.ks_statistic <= statistic + 1e-12
    assert 0.97 * area - 0.008 <= found.wasserstein <= area + 1e-9


def test_exact_ks_and_wasserstein_are_scipys() -> None:
    reference, current = _normal(900), _normal(700, 0.2, seed=2)
    column = numeric(reference)
    found = _compare(column, current, exact=reference)
    expected = stats.ks_2samp(current, reference, method="asymp")
    assert (found.ks_statistic, found.ks_pvalue) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)
    assert found.wasserstein == stats.wasserstein_distance(current, reference)
    assert found.wasserstein_over_sd == pytest.approx(found.wasserstein / np.std(reference), rel=1e-12)


def test_infinities_count_for_ks_and_chi2_and_not_for_wasserstein() -> None:
    reference = _normal(2000)
    current = np.concatenate([reference, np.full(500, np.inf), np.full(500, -np.inf)])
    column = numeric(reference)
    for found in (
        _compare(column, current),
        _compare(column, current, exact=reference),
    ):
        assert found.wasserstein == pytest.approx(0.0, abs=1e-12)
        assert found.ks_statistic == pytest.approx(500 / 3000)
        assert found.chi2_pvalue is not None
        assert found.chi2_pvalue < 1e-50


def test_ks_from_bins_is_conservative() -> None:
    rng, rejected, rounds = np.random.default_rng(11), 0, 1500
    column = numeric(rng.normal(size=50_000))
    for _ in range(rounds):
        found = _compare(column, rng.normal(size=2000))
        rejected += found.ks_pvalue is not None and found.ks_pvalue <= 0.05
    assert 0.02 <= rejected / rounds <= 0.05


@pytest.mark.parametrize("value", [0.0, 0.1, -7.5e300])
def test_constant_against_constant_is_zero(value: float) -> None:
    column = numeric(np.full(1000, value))
    found = _compare(column, np.full(333, value))
    names = (
        "psi",
        "kl",
        "js_distance",
        "hellinger",
        "l_infinity",
        "wasserstein",
        "wasserstein_over_sd",
        "ks_statistic",
    )
    assert {name: getattr(found, name) for name in names} == dict.fromkeys(names, 0.0)
    assert (found.ks_pvalue, found.chi2_statistic, found.chi2_pvalue) == (1.0, 0.0, 1.0)


def test_another_constant_has_a_distance_and_none_in_deviations() -> None:
    column = numeric(np.full(1000, 5.0))
    found = _compare(column, np.full(1000, 7.0))
    assert (found.wasserstein, found.wasserstein_over_sd, found.ks_statistic) == (pytest.approx(2.0), None, 1.0)


def test_nulls_have_no_part_in_any_distance() -> None:
    values = _normal(5000)
    column = numeric(values)
    found = _compare(column, np.concatenate([values, np.full(2500, np.nan)]))
    assert (found.psi, found.ks_statistic, found.chi2_statistic) == (0.0, 0.0, 0.0)
    assert (found.current_n, found.current.null) == (5000, 2500)


def test_levels_have_no_order_and_name_what_moved_most() -> None:
    column = levels({"red": 600, "green": 300, "blue": 100})
    found = _compare(column, codes([300, 600, 100]))
    assert (found.l_infinity, found.moved_most) == (pytest.approx(0.3), "red")
    assert (found.ks_statistic, found.wasserstein, found.wasserstein_over_sd) == (None, None, None)


def test_an_unseen_level_is_in_psi_and_not_in_what_is_judged() -> None:
    column = levels({"a": 500_000, "b": 500_000})
    found = _compare(column, codes([248, 247, 5]))
    assert found.psi is not None
    assert found.psi > 0.1
    assert found.psi_seen == pytest.approx(0.0, abs=1e-4)


def test_a_design_effect_divides_the_rows_of_its_side() -> None:
    values, current = _normal(10_000), _normal(4000, 0.1, seed=2)
    column = numeric(values)
    plain, less = (_compare(column, current, effect) for effect in (1.0, 4.0))
    assert (plain.n_eff, less.n_eff) == pytest.approx((1 / (1 / 4000 + 1 / 10_000), 1 / (1 / 1000 + 1 / 10_000)))
    assert plain.chi2_pvalue is not None
    assert less.chi2_pvalue is not None
    assert plain.chi2_pvalue < less.chi2_pvalue
    assert plain.psi == less.psi
    clustered = numeric(values, design_effect=10.0)
    assert compare(clustered, counted(clustered, current)).n_eff == pytest.approx(1 / (1 / 4000 + 1 / 1000))


@given(reference=_VALUES, current=_VALUES)
def test_every_number_is_finite_whatever_the_values(reference: list[float], current: list[float]) -> None:
    column = numeric(np.array(reference))
    found = compare(column, counted(column, np.array(current)))
    exact = with_samples(found, column, np.array(reference), np.array(current))
    for one in (found, exact):
        assert all(math.isfinite(value) for value in _numbers(one).values()), one


@given(order=st.permutations(range(60)), cut=st.integers(0, 60))
def test_order_and_splitting_change_nothing(order: list[int], cut: int) -> None:
    column = numeric(_normal(500))
    values = np.append(_normal(58, seed=3), [np.nan, np.inf])
    parts = counted(column, values[order[:cut]]) + counted(column, values[order[cut:]])
    whole, merged = _numbers(compare(column, counted(column, values))), _numbers(compare(column, parts))
    assert whole == pytest.approx(merged, rel=1e-9, abs=1e-9)


def test_a_side_without_values_has_no_number() -> None:
    column = numeric(_normal(100))
    found = _compare(column, np.full(50, np.nan))
    assert (found.psi, found.ks_pvalue, found.chi2_pvalue, found.wasserstein) == (None, None, None, None)
    assert (found.current_n, found.current.null) == (0, 50)


def test_a_profile_of_other_bins_is_refused() -> None:
    with pytest.raises(EdgesDiffer):
        compare(numeric(_normal(100)), ColumnProfile.empty(levels({"a": 1}).bins))
