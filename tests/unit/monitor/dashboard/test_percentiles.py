"""Latencies from buckets: exact at the bounds, linear between them, honest past the last."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modelloop_core.wire.profiles import LATENCY_BOUNDS
from modelloop_monitor.dashboard.percentiles import percentile

BUCKETS = len(LATENCY_BOUNDS) + 1


def _counts(**by_place: int) -> tuple[int, ...]:
    return tuple(by_place.get(f"b{place}", 0) for place in range(BUCKETS))


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        pytest.param(_counts(), 0.5, None, id="nothing was answered"),
        pytest.param(_counts(b0=10), 0.5, 0.0005, id="half of the first bucket"),
        pytest.param(_counts(b0=10), 1.0, 0.001, id="all lie within the first bound"),
        pytest.param(_counts(b3=1), 0.0, 0.003, id="the least lies at the lower bound"),
        pytest.param(_counts(b0=50, b5=50), 0.5, 0.001, id="exactly at the end of a bucket"),
        pytest.param(_counts(b0=50, b5=50), 0.51, 0.00755, id="just past an empty stretch"),
        pytest.param(_counts(b0=90, b23=10), 0.9, 0.001, id="just before the last bucket"),
        pytest.param(_counts(b0=90, b23=10), 0.95, math.inf, id="in the last bucket, which has no end"),
        pytest.param(_counts(b23=1), 0.5, math.inf, id="all took longer"),
    ],
)
def test_percentiles(counts: tuple[int, ...], share: float, seconds: float | None) -> None:
    found = percentile(counts, share)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_percentile_lies_in_the_bucket_of_the_true_one() -> None:
    latencies = np.random.default_rng(3).lognormal(-4, 1, 10_000)
    places = np.searchsorted(LATENCY_BOUNDS, latencies)
    counts = np.bincount(places, minlength=BUCKETS).tolist()
    bounds = (0.0, *LATENCY_BOUNDS, math.inf)
    for share in (0.1, 0.5, 0.95, 0.99):
        true = float(np.quantile(latencies, share, method="inverted_cdf"))
        place = int(np.searchsorted(LATENCY_BOUNDS, true))
        found = percentile(counts, share)
        assert found is not None
        assert bounds[place] <= found <= bounds[place + 1]
