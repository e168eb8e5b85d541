"""Latencies as counts: what is slow is fixed before it comes, and parts of buckets favour nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelloop_core.evidence import latencies
from modelloop_core.evidence.series import BUCKETS, above, balance, percentile
from modelloop_core.wire.limits import LATENCY_BOUNDS


def buckets(**counts: int) -> Any:
    """One interval's latencies, by the upper bound of a bucket in milliseconds (`ms20`), `more` in the last."""
    found = np.zeros(BUCKETS, dtype=np.int64)
    for name, count in counts.items():
        place = BUCKETS - 1 if name == "more" else LATENCY_BOUNDS.index(int(name[2:]) / 1000)
        found[place] = count
    return found


def lognormal(median: float, answers: int, intervals: int = 3) -> Any:
    """Latencies [T, buckets] as they are expected: about `median` seconds, with a sigma of one half."""
    below = stats.norm.cdf(np.log(LATENCY_BOUNDS), np.log(median), 0.5)
    return np.tile(np.round(answers * np.diff(below, prepend=0, append=1)).astype(np.int64), (intervals, 1))


def test_a_percentile_lies_in_its_bucket_by_its_rank() -> None:
    latency = buckets(ms10=50, ms15=50)

    assert percentile(latency, 0.5) == pytest.approx(0.010)
    assert percentile(latency, 0.75) == pytest.approx(0.0125)
    assert percentile(buckets(more=3), 0.95) == pytest.approx(LATENCY_BOUNDS[-1])
    assert np.isnan(percentile(buckets(), 0.5))


def test_a_bound_is_not_slower_than_itself() -> None:
    latency = np.array([buckets(ms10=4, ms15=3, more=2)])

    assert above(latency, np.array([LATENCY_BOUNDS.index(0.01)])).tolist() == [5]
    assert above(latency, np.array([BUCKETS - 1])).tolist() == [0]


@pytest.mark.parametrize(("limit", "bound"), [(0.1, 0.1), (0.11, 0.15), (10.0, 10.0)])
def test_a_limit_is_rounded_up_to_a_bucket(limit: float, bound: float) -> None:
    latency = np.array([buckets(ms150=7, more=1)])
    pair, used = latencies.slower_than(latency, latency, limit)

    assert used == bound
    assert pair.ours.hits == (8 if bound == 0.1 else 1)


def test_of_one_and_the_same_latencies_the_candidate_is_never_the_slower_one() -> None:
    for median in (0.0002, 0.0006, 0.004, 0.02, 0.3, 6.0, 30.0):
        latency = lognormal(median, 10_000)
        pair = latencies.slower_by(latency, latency, 1.25)
        assert pair.ours.hits <= pair.theirs.hits + 1e-9, median
        assert pair.ours.hits > 0 or median < 0.001, median


def test_slower_by_the_limit_is_about_where_both_shares_are_the_same() -> None:
    live = lognormal(0.02, 1_000_000)
    rates = [latencies.slower_by(lognormal(0.02 * times, 1_000_000), live, 1.25) for times in (1.2, 1.25, 1.5)]
    within, at_limit, slower = (float(pair.hits.sum() / pair.their_hits.sum()) for pair in rates)

    assert within < at_limit < slower
    assert at_limit == pytest.approx(1.0, abs=0.03)
    assert slower > 1.5


def test_which_requests_are_slow_is_known_from_the_intervals_before() -> None:
    live, candidate = lognormal(0.02, 5000), lognormal(0.02, 5000)
    late = live.copy()
    late[-1] = lognormal(2.0, 5000)[0]

    before, after = latencies.slower_by(candidate, live, 1.25), latencies.slower_by(candidate, late, 1.25)

    assert before.hits.tolist() == after.hits.tolist()
    assert before.of.tolist()[0] == 0.0, "nothing is known before the first interval"


def test_percentiles_are_compared_as_of_the_same_hours() -> None:
    # Both take 20 ms by day and 80 ms by night, when the candidate has half of the traffic instead of a tenth.
    day, night = lognormal(0.02, 9000, 20), lognormal(0.08, 5000, 20)
    ours = np.concatenate([lognormal(0.02, 1000, 20), lognormal(0.08, 5000, 20)])

    assert latencies.increase(ours, np.concatenate([day, night])) == pytest.approx(1.0, abs=0.05)
    assert latencies.increase(ours[:0], day[:0]) is None


def test_the_upper_bound_of_a_percentile_needs_59_answers() -> None:
    assert latencies.p95_at_most(np.array([buckets(ms10=58)])) is None
    assert latencies.p95_at_most(np.array([buckets(ms10=59)])) == pytest.approx(0.010)
    assert latencies.p95_at_most(np.array([buckets()])) is None


def test_hours_without_the_live_version_have_no_balance() -> None:
    weights = balance(np.full(40, 5), np.array([10] * 10 + [0] * 30))

    assert weights[0] == pytest.approx(0.5)
    assert np.isnan(weights[-1])
