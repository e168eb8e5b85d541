"""Evidence about means is at most 1 on average under what it speaks against, and finds what is there."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from modelloop_core.evidence import means

NEEDED = 40.0


@pytest.mark.parametrize("limit", [0.0, 0.1])
@pytest.mark.parametrize(("ours", "theirs"), [(0.1, 0.1), (0.5, 0.5), (0.4, 0.7), (0.9, 0.9)])
def test_bounded_differences_at_most_the_limit_win_nothing_on_average(limit: float, ours: float, theirs: float) -> None:
    # Exactly, over all outcomes of four blocks of one prediction of ours and two of theirs.
    chances = {
        (x, k / 2): stats.binom.pmf(x, 1, min(ours + limit, 1.0)) * stats.binom.pmf(k, 2, theirs)
        for x, k in product((0, 1), (0, 1, 2))
    }
    total = 0.0
    for blocks in product(chances.items(), repeat=4):
        differences = np.array([x - y - limit for (x, y), _ in blocks])
        grown = math.exp(float(means.of_bounded(differences, 1 + limit)[-1]))
        total += grown * math.prod(chance for _, chance in blocks)

    assert 0.05 < total <= 1 + 1e-12


@pytest.mark.parametrize("values", [(-1.0, 1.0), (-50.0, -1.0, 0.0, 1.0, 50.0)], ids=["coins", "rare and large"])
def test_symmetric_differences_without_a_bound_win_nothing_on_average(values: tuple[float, ...]) -> None:
    before = np.resize([1.0, -2.0, 0.5], 12)
    mean = np.mean(
        [
            math.exp(float(means.of_any(np.concatenate([before, last]), np.ones(15))[-1]))
            for last in product(values, repeat=3)
        ]
    )

    assert mean <= math.exp(float(means.of_any(before, np.ones(12))[-1])) + 1e-12


def test_one_huge_value_shows_nothing() -> None:
    differences = np.resize([1.0, -1.0], 40)
    differences[-1] = 1e9

    assert float(means.of_any(differences, np.ones(40)).max()) < math.log(NEEDED)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_evidence_is_the_same_in_any_unit(unit: float) -> None:
    differences = np.random.default_rng(1).normal(0.2, 1.0, 2000)
    weights = np.full(2000, 3.0)

    np.testing.assert_allclose(
        means.of_any(differences * unit, weights), means.of_any(differences, weights), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("values", [[], [0.0] * 30, [0.3]], ids=["nothing", "no difference at all", "a single one"])
def test_of_nothing_nothing_is_shown(values: list[float]) -> None:
    differences = np.array(values)

    assert float(means.of_any(differences, np.ones(len(values))).max(initial=0.0)) <= 0.0


def test_what_differs_is_shown_and_the_largest_limit_is_told() -> None:
    random = np.random.default_rng(2)
    differences = random.binomial(1, 0.3, 2000) - random.binomial(1, 0.2, 2000).astype(np.float64)
    shown = means.last_shown(lambda limit: means.of_bounded(differences - limit, 1 + max(limit, 0)), NEEDED, 0.1, 2.0)

    assert shown is not None
    assert 0.03 < shown < 0.1
    assert float(means.of_bounded(differences - shown, 1 + shown).max()) >= math.log(NEEDED) - 1e-6
