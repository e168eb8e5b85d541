"""The exact tail without numerics, against scipy's."""

from __future__ import annotations

import pytest
from scipy import stats

from modelloop_core.evidence.binomial import chance_of_at_least


@pytest.mark.parametrize("of", [1, 2, 50, 500, 10_000])
@pytest.mark.parametrize("rate", [1e-6, 0.01, 0.05, 0.5, 0.99])
def test_it_is_the_binomial_tail(of: int, rate: float) -> None:
    for hits in {0, 1, of // 100, of // 20, of // 2, of, of + 1}:
        assert chance_of_at_least(hits, of, rate) == pytest.approx(stats.binom.sf(hits - 1, of, rate), rel=1e-6)
