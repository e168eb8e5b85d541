"""What a rollout's checks judge: both versions over the same intervals, and how much may be missing of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.series import Series, percentile
from modelloop_core.wire.evidence import Share, VersionTraffic


@dataclass(frozen=True, eq=False)
class Pair:
    """Hits among requests of the candidate and of the live version in each interval [T]."""

    hits: Float64s
    of: Float64s
    their_hits: Float64s
    their_of: Float64s

    @classmethod
    def of_counts(cls, *counts: Int64s | Float64s) -> Pair:
        """The four as float64."""
        return cls(*(np.asarray(one, dtype=np.float64) for one in counts))

    @property
    def ours(self) -> Share:
        """The candidate's share over all intervals."""
        return Share(hits=float(self.hits.sum()), of=int(self.of.sum()))

    @property
    def theirs(self) -> Share:
        """The live version's."""
        return Share(hits=float(self.their_hits.sum()), of=int(self.their_of.sum()))

    @property
    def counts(self) -> tuple[Float64s, Float64s, Float64s, Float64s]:
        """All four."""
        return self.hits, self.of, self.their_hits, self.their_of

    def upto(self, interval: int | None) -> Pair:
        """The intervals before and with this one; of None all."""
        end = None if interval is None else interval + 1
        return Pair(self.hits[:end], self.of[:end], self.their_hits[:end], self.their_of[:end])

    def since(self, interval: int) -> Pair:
        """The intervals from this one on."""
        return Pair(self.hits[interval:], self.of[interval:], self.their_hits[interval:], self.their_of[interval:])


@dataclass(frozen=True, eq=False)
class Observed:
    """Both versions in T whole intervals of `width` seconds that begin at `starts` [T], up to `until`.

    The step began with interval `step`. `heard` and `stable_heard` are when the last interval ends of which each
    version's predictors told anything, if any did. `outputs_note` says why there are no outputs to compare, and
    `unreferenced` names the version that has none for good. `quality` and `events` are metrics that were asked for,
    `tried` is that of an A/B test.
    """

    candidate: Series
    stable: Series
    starts: Int64s
    width: int
    since: float
    until: float
    step: int = 0
    heard: float | None = None
    stable_heard: float | None = None
    outputs_note: str = ""
    unreferenced: str = ""
    quality: Metric | None = None
    events: Mapping[str, Metric] = field(default_factory=dict)
    tried: Metric | None = None

    @property
    def in_step(self) -> Observed:
        """Only what came since the step began."""
        return replace(
            self,
            candidate=self.candidate.from_interval(self.step),
            stable=self.stable.from_interval(self.step),
            starts=self.starts[self.step :],
            step=0,
        )

    def end_of(self, interval: int) -> datetime:
        """When an interval ends."""
        return moment(float(self.starts[interval]) + self.width)


def traffic_of(version: str, series: Series, heard: float | None) -> VersionTraffic:
    """A version's totals as they are told."""
    latency = series.latency.sum(axis=0)
    p50, p95, p99 = (float(percentile(latency, share)) for share in (0.5, 0.95, 0.99))
    counts = ("requests", "rows", "errors", "timeouts", "gone", "fallbacks", "refused")
    return VersionTraffic(
        version=version,
        **{name: int(getattr(series, name).sum()) for name in counts},
        latency_p50=None if np.isnan(p50) else p50,
        latency_p95=None if np.isnan(p95) else p95,
        latency_p99=None if np.isnan(p99) else p99,
        last_post=None if heard is None else moment(heard),
    )


def moment(seconds: float) -> datetime:
    """A time from seconds since 1970 UTC."""
    return datetime.fromtimestamp(seconds, UTC)
