"""Latencies as counts: which requests are slow is fixed before they come, so that counting them is a fair bet."""

from __future__ import annotations

import numpy as np
from scipy import stats

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.evidence.observed import Pair
from modelloop_core.evidence.series import above, above_seconds, balance, percentile
from modelloop_core.wire.limits import LATENCY_BOUNDS

_BOUNDS: Float64s = np.array(LATENCY_BOUNDS)
_BETWEEN: Float64s = np.sqrt(_BOUNDS[1:] * _BOUNDS[:-1])
_LEAST_PAST = 100
"""Answers of the live version from which its percentile is taken."""


def slower_than(ours: Int64s, theirs: Int64s, seconds: float) -> tuple[Pair, float]:
    """Answers slower than `seconds` in latencies [T, buckets], and the bound up to which that is rounded.

    Up, as a bucket's part would be a guess, and a candidate within its limit must not fail by a guess.
    """
    bucket = _bucket(seconds)
    places = np.full(len(ours), bucket)
    pair = Pair.of_counts(above(ours, places), ours.sum(axis=1), above(theirs, places), theirs.sum(axis=1))
    return pair, float(_BOUNDS[bucket])


def slower_by(ours: Int64s, theirs: Int64s, times: float) -> Pair:
    """Candidate's answers slower than a bound, and live answers slower than that bound over `times`.

    Were the candidate `times` as slow as the live version, both shares would be the same, at any bound. In each
    interval it is that of a bucket, the nearest to `times` the live version's 95th percentile as the intervals before
    had it: which requests are slow is fixed before they come. The bound over `times` lies in a bucket, which counts in
    part; of one and the same version never too little.
    """
    past = np.cumsum(theirs, axis=0) - theirs
    known = past.sum(axis=1) >= _LEAST_PAST
    typical = np.where(known, np.nan_to_num(percentile(past, 0.95)), 0.0)
    bucket = np.searchsorted(_BETWEEN, times * typical)
    slow = np.where(known, above(ours, bucket), 0)
    their_slow = np.where(known, above_seconds(theirs, past, _BOUNDS[bucket] / times), 0.0)
    return Pair.of_counts(
        slow, np.where(known, ours.sum(axis=1), 0), their_slow, np.where(known, theirs.sum(axis=1), 0)
    )


def p95(latency: Int64s) -> float | None:
    """The 95th percentile in seconds of all intervals [T, buckets], or None of no answer."""
    return _at(latency, 0.95)


def p95_at_most(latency: Int64s) -> float | None:
    """Its one-sided 95 % upper bound, by the rank of a quantile; None for fewer than 59 answers."""
    total = int(latency.sum())
    rank = int(stats.binom.ppf(0.95, total, 0.95)) + 1 if total else 1
    return _at(latency, rank / total) if rank <= total else None


def increase(ours: Int64s, theirs: Int64s) -> float | None:
    """How many times the live version's 95th percentile the candidate's is; None where one has no answer."""
    return _times(p95(ours), ours, theirs)


def increase_at_most(ours: Int64s, theirs: Int64s) -> float | None:
    """That with the candidate's upper bound; the live version has so many answers that its percentile is known."""
    return _times(p95_at_most(ours), ours, theirs)


def _times(seconds: float | None, ours: Int64s, theirs: Int64s) -> float | None:
    weights = np.nan_to_num(balance(ours.sum(axis=1), theirs.sum(axis=1)))
    other = float(percentile((theirs * weights[:, None]).sum(axis=0), 0.95))
    return seconds / other if seconds is not None and other > 0 else None


def _bucket(seconds: float) -> int:
    return min(int(np.searchsorted(_BOUNDS, seconds)), len(_BOUNDS) - 1)


def _at(latency: Int64s, share: float) -> float | None:
    found = float(percentile(latency.sum(axis=0), share))
    return None if np.isnan(found) else found
