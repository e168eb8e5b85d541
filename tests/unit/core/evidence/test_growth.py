"""E-values are at most 1 on average under what they speak against, exactly, and their bounds are where they say."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelloop_core.evidence import growth

LIMITS = [1.0, 1.25, 2.0]


def one(*values: float) -> list[Any]:
    return [np.array([value], dtype=np.float64) for value in values]


def ratio_mean(n: int, m: int, chances: Any, limit: float) -> float:
    """The mean e-value of one interval over all counts, `chances` [n + 1, m + 1] of each."""
    pairs = product(range(n + 1), range(m + 1))
    return math.fsum(
        chances[k, other] * math.exp(growth.against_ratio(*one(k, n, other, m), limit)[0]) for k, other in pairs
    )


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.45])
@pytest.mark.parametrize(("n", "m"), [(1, 30), (5, 5), (30, 2)])
def test_at_the_limit_the_mean_of_a_ratios_evidence_is_at_most_one(n: int, m: int, rate: float, limit: float) -> None:
    chances = np.outer(stats.binom.pmf(range(n + 1), n, rate * limit), stats.binom.pmf(range(m + 1), m, rate))

    assert 0.1 < ratio_mean(n, m, chances, limit) <= 1 + 1e-12


@pytest.mark.parametrize("limit", LIMITS)
def test_it_is_when_the_hits_came_anyway_and_only_the_version_was_drawn(limit: float) -> None:
    # Whatever made 6 of 20 requests fail at once: the five that went to the candidate are any five.
    chances = np.zeros((6, 16))
    for k in range(6):
        chances[k, 6 - k] = stats.hypergeom.pmf(k, 20, 6, 5)

    assert ratio_mean(5, 15, chances, limit) <= 1 + 1e-12


def test_it_is_when_requests_differ_in_their_chances() -> None:
    ours, theirs = (0.0, 0.5, 0.1), (0.5, 0.1)
    chances = np.outer(_poisson_binomial(ours), _poisson_binomial(theirs))

    assert np.mean(ours) < np.mean(theirs)
    assert ratio_mean(3, 2, chances, 1.0) <= 1 + 1e-12


@pytest.mark.parametrize("rates", [(0.05,) * 8, (0.0, 0.1) * 4, (0.01,) * 8], ids=["equal", "differing", "below"])
def test_at_the_limit_the_mean_of_a_rates_evidence_is_at_most_one(rates: tuple[float, ...]) -> None:
    chances = _poisson_binomial(rates)
    mean = math.fsum(
        chance * math.exp(growth.against_rate(*one(hits, len(rates)), 0.05)[0]) for hits, chance in enumerate(chances)
    )

    assert mean <= 1 + 1e-12


def test_beyond_the_limit_evidence_grows() -> None:
    rng = np.random.default_rng(1)
    n, m = np.full(200, 50.0), np.full(200, 950.0)
    hits, other = rng.binomial(50, 0.04, 200).astype(float), rng.binomial(950, 0.01, 200).astype(float)

    assert growth.against_ratio(hits, n, other, m, 1.25)[-1] > 50
    assert growth.against_rate(hits, n, 0.01)[-1] > 50


def test_an_interval_in_which_one_version_was_asked_nothing_compares_nothing() -> None:
    hits, n = np.array([0.0, 3.0]), np.array([0.0, 3.0])
    other, m = np.array([9.0, 0.0]), np.array([9.0, 0.0])

    assert growth.against_ratio(hits, n, other, m, 1.25).tolist() == pytest.approx([0.0, 0.0])
    assert growth.against_ratio(*one(0, 0, 0, 0), 1.25).tolist() == [0.0]


def test_evidence_of_later_intervals_changes_nothing_of_earlier_ones() -> None:
    rng = np.random.default_rng(2)
    counts = [rng.integers(0, high, 50).astype(float) for high in (5, 60, 50, 600)]
    counts[1], counts[3] = counts[0] + counts[1], counts[2] + counts[3]

    whole, half = growth.against_ratio(*counts, 1.25), growth.against_ratio(*(one[:25] for one in counts), 1.25)

    assert whole[:25] == pytest.approx(half)


def test_no_errors_in_200_requests_leave_one_and_a_half_percent() -> None:
    assert growth.rate_at_most(0, 200) == pytest.approx(0.01487, abs=1e-5)
    assert growth.rate_at_most(200, 200) == 1.0
    assert growth.rate_at_most(0, 0) is None


def test_the_upper_bound_of_a_rate_is_that_of_the_exact_test() -> None:
    exact = stats.binomtest(7, 400, alternative="less").proportion_ci(0.95, method="exact")

    assert growth.rate_at_most(7, 400) == pytest.approx(exact.high)


def test_what_is_shown_of_a_rate_is_where_the_evidence_reaches_what_is_needed() -> None:
    bound = growth.rate_at_least(60, 2000, 600)

    assert bound is not None
    assert growth.against_rate(*one(60, 2000), bound)[0] == pytest.approx(math.log(600), abs=1e-3)
    assert 0.012 < bound < 0.03
    assert growth.rate_at_least(0, 2000, 600) is None
    assert growth.rate_at_least(1, 3, 600) is None
    assert growth.rate_at_least(3, 3, 600) is not None


def test_what_is_shown_of_a_ratio_is_where_the_evidence_reaches_what_is_needed() -> None:
    counts = (np.array([30.0, 40.0]), np.array([500.0, 500.0]), np.array([90.0, 80.0]), np.array([9500.0, 9500.0]))
    bound = growth.ratio_at_least(*counts, needed=600)

    assert bound is not None
    assert growth.against_ratio(*counts, bound)[-1] == pytest.approx(math.log(600), abs=1e-3)
    assert bound < growth.ratio(*counts) < growth.ratio_at_most(*counts)  # type: ignore[operator]


def test_a_ratio_compares_the_same_hours() -> None:
    # 10 % of requests fail in the hour in which the candidate has half, 1 % in that in which it has a hundredth.
    counts = (np.array([50.0, 1.0]), np.array([500.0, 100.0]), np.array([50.0, 99.0]), np.array([500.0, 9900.0]))

    assert growth.ratio(*counts) == pytest.approx(1.0)
    assert growth.ratio(*one(3, 10, 0, 10)) is None
    assert growth.ratio_at_most(*one(0, 10, 0, 10)) is None


def _poisson_binomial(rates: tuple[float, ...]) -> Any:
    chances = np.ones(1)
    for rate in rates:
        chances = np.convolve(chances, [1 - rate, rate])
    return chances
