"""What one version was asked, and what became of it, interval by interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.wire.limits import LATENCY_BOUNDS

BUCKETS = len(LATENCY_BOUNDS) + 1
TRAILING = 15


@dataclass(frozen=True, eq=False)
class Series:
    """Counts [T] of T intervals, both versions' in the same ones; `latency` is [T, buckets], outputs are [T, bins].

    `errors` are the predictor's faults, `timeouts` among them; `gone` callers left before the answer; `refused`
    requests asked for what the version does not take. Of copies, `compared` answers were held against the live
    version's, and `differing` said something else.
    """

    requests: Int64s
    rows: Int64s
    errors: Int64s
    timeouts: Int64s
    gone: Int64s
    fallbacks: Int64s
    refused: Int64s
    compared: Int64s
    differing: Int64s
    latency: Int64s
    outputs: Mapping[str, Int64s] = field(default_factory=dict)

    @classmethod
    def of(cls, requests: Int64s, latency: Int64s, **counts: Int64s) -> Series:
        """A series in which what is not named never happened."""
        nothing = np.zeros_like(requests)
        return cls(
            requests=requests,
            rows=counts.get("rows", nothing),
            errors=counts.get("errors", nothing),
            timeouts=counts.get("timeouts", nothing),
            gone=counts.get("gone", nothing),
            fallbacks=counts.get("fallbacks", nothing),
            refused=counts.get("refused", nothing),
            compared=counts.get("compared", nothing),
            differing=counts.get("differing", nothing),
            latency=latency,
        )

    def with_outputs(self, outputs: Mapping[str, Int64s]) -> Series:
        """The same with these outputs' counts."""
        return replace(self, outputs=outputs)

    @property
    def asked(self) -> Int64s:
        """Requests that the version had to answer."""
        return np.asarray(np.maximum(self.requests - self.refused, 0), dtype=np.int64)

    @property
    def failed(self) -> Int64s:
        """Those that the model did not answer by a fault of the version, a fallback in its place included."""
        return np.asarray(np.minimum(self.errors + self.fallbacks, self.asked), dtype=np.int64)

    @property
    def unanswered(self) -> Int64s:
        """Those, and callers who left: all of a version that hangs do, and none of them is an error yet."""
        return np.asarray(np.minimum(self.errors + self.fallbacks + self.gone, self.asked), dtype=np.int64)

    @property
    def answered(self) -> Int64s:
        """How many latencies there are."""
        return np.asarray(self.latency.sum(axis=1), dtype=np.int64)

    def from_interval(self, start: int) -> Series:
        """Without the intervals before `start`."""
        cut = {name: getattr(self, name)[start:] for name in self.__dataclass_fields__ if name != "outputs"}
        return Series(**cut, outputs={name: counts[start:] for name, counts in self.outputs.items()})


def balance(of: Int64s | Float64s, their_of: Int64s | Float64s) -> Float64s:
    """By how much the live version's counts of each interval [T] weigh to make up the candidate's mix of hours.

    The ratio of what both were asked in the last TRAILING intervals; NaN where the live version was asked nothing, and
    there is nothing to compare. Without it equal versions differ as soon as hours do, and the candidate's share with
    them.
    """
    ours, theirs = (_trailing(np.asarray(one, dtype=np.float64)) for one in (of, their_of))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(theirs > 0, ours / theirs, np.nan), dtype=np.float64)


def _trailing(counts: Float64s) -> Float64s:
    total = np.concatenate([np.zeros(TRAILING), np.cumsum(counts)])
    return total[TRAILING:] - total[:-TRAILING] if len(counts) else counts


def above(latency: Int64s, bucket: Int64s) -> Int64s:
    """How many of `latency` [T, buckets] took longer than the bound of `bucket` [T]."""
    longer = np.cumsum(latency[:, ::-1], axis=1)[:, ::-1]
    longer = np.column_stack([longer, np.zeros(len(latency), dtype=longer.dtype)])
    return np.asarray(np.take_along_axis(longer, bucket[:, None] + 1, axis=1)[:, 0], dtype=np.int64)


def above_seconds(latency: Int64s, past: Int64s, seconds: Float64s) -> Float64s:
    """How many of `latency` [T, buckets] took longer than `seconds` [T], with a part of the bucket in which that lies.

    The part is taken from `past` [T, buckets], whose share of slower ones is to fall exponentially from bound to bound:
    it is fixed before what it is applied to.
    """
    bounds = np.array([0.0, *LATENCY_BOUNDS])
    bucket = np.minimum(np.searchsorted(bounds[1:], seconds, side="left"), BUCKETS - 2)
    slower, slower_still = above(past, bucket - 1) + 1.0, above(past, bucket) + 0.5
    place = (seconds - bounds[bucket]) / (bounds[bucket + 1] - bounds[bucket])
    expected = slower * (slower_still / slower) ** np.clip(place, 0.0, 1.0)
    part = (expected - slower_still) / (slower - slower_still)
    within = np.take_along_axis(latency, bucket[:, None], axis=1)[:, 0]
    return np.asarray(above(latency, bucket) + within * np.clip(part, 0.0, 1.0), dtype=np.float64)


def percentile(latency: Int64s | Float64s, share: float) -> Float64s:
    """The latency in seconds under which `share` of each row of `latency` [..., buckets] lies; NaN of an empty row."""
    bounds = np.array([0.0, *LATENCY_BOUNDS, LATENCY_BOUNDS[-1]])
    reached = np.cumsum(latency, axis=-1)
    total = reached[..., -1]
    wanted = share * total
    bucket = np.minimum((reached < wanted[..., None]).sum(axis=-1), BUCKETS - 1)
    upto = np.take_along_axis(reached, bucket[..., None], axis=-1)[..., 0]
    inside = np.take_along_axis(latency, bucket[..., None], axis=-1)[..., 0]
    part = np.clip((wanted - (upto - inside)) / np.where(inside > 0, inside, 1.0), 0.0, 1.0)
    found = bounds[bucket] + part * (bounds[bucket + 1] - bounds[bucket])
    return np.asarray(np.where(total > 0, found, np.nan), dtype=np.float64)
