from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelloop_core.drift import distances
from modelloop_core.drift.enough import null_quantile
from modelloop_core.drift.rates import newcombe, wilson
from modelloop_core.drift.significance import (
    MOST_EXACT,
    benjamini_hochberg,
    chi2_pvalues,
    chi2_statistic,
    effective_size,
    ks_pvalues,
    pooled,
    rate_pvalue,
)


def _floats(*counts: float) -> np.ndarray:
    return np.array(counts, dtype=np.float64)


def chi2_contingency(current: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    statistic, groups = chi2_statistic(current.tolist(), reference.tolist())
    return statistic, float(chi2_pvalues(np.array([statistic]), np.array([groups]))[0])


def test_chi2_is_scipys_contingency_without_yates() -> None:
    current, reference = _floats(30, 50, 20), _floats(200, 500, 300)
    expected = stats.chi2_contingency(np.stack([current, reference]), correction=False)
    assert chi2_contingency(current, reference) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


def test_neighbours_are_pooled_until_both_expected_counts_are_five() -> None:
    # 1,000 rows against 100: five expected of the smaller side are 55 of both.
    assert pooled([1, 2, 12, 1, 84], [20, 32, 100, 20, 828]) == [(3, 52), (12, 100), (85, 848)]


def test_what_is_left_at_the_end_joins_the_last_group() -> None:
    assert pooled([50, 49, 1], [500, 497, 3]) == [(50, 500), (50, 500)]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3000)), min_size=1, max_size=30))
def test_no_expected_count_is_below_five_and_no_row_is_lost(cells: list[tuple[int, int]]) -> None:
    current, reference = (np.array(side, dtype=np.float64) for side in zip(*cells, strict=True))
    if not current.any() or not reference.any():
        return
    table = np.array(pooled(current.tolist(), reference.tolist())).T
    assert table.sum(axis=1).tolist() == [current.sum(), reference.sum()]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    assert table.shape[1] == 1 or expected.min() >= 5 - 1e-9
    assert all(math.isfinite(number) for number in chi2_contingency(current, reference))


def test_a_single_cell_cannot_differ() -> None:
    assert chi2_contingency(_floats(100), _floats(7)) == (0.0, 1.0)


def test_ks_pvalues_are_scipys_asymptotic_ones() -> None:
    rng = np.random.default_rng(4)
    pairs = [(rng.normal(size=n), rng.normal(0.1, size=m)) for n, m in ((20, 30), (500, 700), (10_000, 300))]
    expected = [stats.ks_2samp(one, other, method="asymp") for one, other in pairs]
    found = ks_pvalues(
        np.array([one.statistic for one in expected]),
        np.array([effective_size(len(one), len(other)) for one, other in pairs]),
    )
    np.testing.assert_allclose(found, [one.pvalue for one in expected], rtol=1e-9)


@pytest.mark.parametrize(("k", "n", "other_k", "m"), [(25, 500, 0, 500), (3, 400, 10, 4000), (0, 50, 9, 60)])
def test_the_test_of_rates_is_fishers_doubled(k: int, n: int, other_k: int, m: int) -> None:
    table = [[k, n - k], [other_k, m - other_k]]
    sides = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert rate_pvalue(k, n, other_k, m) == pytest.approx(min(1.0, 2 * min(sides)), rel=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "other_k", "m"),
    [(300, 10_000, 20_000, 990_000), (50_100, 500_000, 49_900, 499_000), (10_500, 990_000, 80, 10_000)],
    ids=["rare on the small side", "half and half", "rare on the large side"],
)
def test_the_test_of_rates_goes_on_where_the_exact_one_ends(k: int, n: int, other_k: int, m: int) -> None:
    last, first = rate_pvalue(k, n, other_k, MOST_EXACT - n), rate_pvalue(k, n, other_k, MOST_EXACT - n + 1)
    assert first == pytest.approx(last, rel=0.1)


def test_rates_of_more_rows_than_there_are_on_earth_are_told_apart_at_once() -> None:
    assert rate_pvalue(2**60, 2**60 + 2**52, 5, 10**4) == 0.0
    assert rate_pvalue(2**59, 2**60, 5000, 10**4) == 1.0
    # A difference of 2.83 of its standard errors.
    assert rate_pvalue(2**59, 2**60, 2**59 + 2**31, 2**60) == pytest.approx(0.00468, rel=1e-3)


def test_ks_of_more_rows_than_there_are_on_earth_is_a_number() -> None:
    assert ks_pvalues(np.array([0.5]), np.array([2.0**60])).tolist() == [0.0]


def test_rates_that_are_certain_or_of_nothing_do_not_differ() -> None:
    assert rate_pvalue(0, 10, 0, 10) == rate_pvalue(10, 10, 5, 5) == rate_pvalue(0, 0, 3, 10) == 1.0


def test_wilson_and_newcombe_give_the_published_intervals() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II, example (a): 56/70 and 48/80, method 10.
    assert wilson(0.0, 10)[0] == 0.0
    assert newcombe(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_benjamini_hochberg_adjusts_as_published() -> None:
    # Benjamini and Hochberg (1995), section 3: of these fifteen, four are at or under 0.05 after adjustment.
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
                 0.7590, 1.0]  # fmt: skip
    adjusted = benjamini_hochberg(published)
    assert sum(p <= 0.05 for p in adjusted) == 4
    assert adjusted[0] == pytest.approx(0.0015)
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize(
    ("method", "cells", "least"),
    [("psi", 10, 279), ("psi", 13, 330), ("psi", 20, 439), ("psi", 30, 584), ("js", 10, 503), ("ks", 10, 377)],
)
def test_a_window_is_judged_from_so_many_rows_on(method: str, cells: int, least: int) -> None:
    assert null_quantile(method, cells, least - 1) >= 0.1 > null_quantile(method, cells, least)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "n_eff"), [("psi", 279), ("js", 503), ("ks", 377)])
def test_one_quiet_window_in_a_thousand_exceeds_the_null_quantile(method: str, n_eff: int) -> None:
    rng, draws, of_ks = np.random.default_rng(7), 200_000, method == "ks"
    ours, theirs = rng.multinomial(2 * n_eff, np.full(10, 0.1), size=(2, draws)).astype(np.float64)
    if of_ks:
        # Continuous, as KS supposes.
        pairs = rng.random((1200, 2, 2 * n_eff))
        gaps = [stats.ks_2samp(one, other, method="asymp").statistic for one, other in pairs]
        assert np.mean(np.array(gaps) >= 0.1) <= 0.004
        return
    one = distances.psi if method == "psi" else distances.js_distance
    exceeding = np.mean(one(ours, theirs) >= 0.1)
    assert 0.0008 <= exceeding <= 0.0012


def test_a_column_of_one_cell_is_always_enough_and_no_rows_never() -> None:
    assert null_quantile("psi", 1, 1) == 0.0
    assert null_quantile("psi", 10, 0) == math.inf
