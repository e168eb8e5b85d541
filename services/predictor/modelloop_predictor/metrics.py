"""What a predictor measures about itself, for Prometheus.

Requests are counted in plain numbers and turned into metrics when a scrape asks: a labelled counter and a histogram of
the client library cost more than reading a request does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from modelloop_core.manifest import Manifest
from modelloop_core.wire.limits import LATENCY_BOUNDS

_PREFIX = "modelloop_predictor"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ALL_SECONDS = tuple(sorted({*_SECONDS, *LATENCY_BOUNDS}))
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Distribution:
    """Counts of values in buckets, each with its inclusive upper bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        """All values together."""
        return self._sum

    def counts(self, bounds: Sequence[float]) -> list[int]:
        """How many values lie in each bucket of `bounds`, which are among its own, and how many above."""
        found, start = [], 0
        counts = list(self._counts)
        for end in (*(bisect_left(self._bounds, bound) + 1 for bound in bounds), len(counts)):
            found.append(sum(counts[start:end]))
            start = end
        return found


def histogram(name: str, about: str, bounds: Sequence[float], parts: Sequence[Distribution]) -> HistogramMetricFamily:
    """The histogram of several distributions together."""
    counts = [sum(of_bucket) for of_bucket in zip(*(part.counts(bounds) for part in parts), strict=True)]
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    buckets = list(zip(names, map(float, accumulate(counts)), strict=True))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=sum(part.sum for part in parts))


class Outcomes:
    """How prediction requests ended; `answered` and `refused` are their durations in seconds.

    `faults` are the kinds of what was wrong with the values of requests that were refused for them.
    """

    def __init__(self) -> None:
        self.requests: Tally[int] = Tally()
        self.errors: Tally[str] = Tally()
        self.faults: Tally[str] = Tally()
        self.fallbacks: Tally[str] = Tally()
        self.answered = Distribution(_ALL_SECONDS)
        self.refused = Distribution(_ALL_SECONDS)
        self.rows = 0


_Key = TypeVar("_Key", int, str)


def _together(counts: Iterable[Tally[_Key]]) -> Tally[_Key]:
    return sum(counts, Tally())


class RequestTally(Collector):
    """Everything counted once a request; `mirrored` are copies, `aside` forced ones: neither is live traffic."""

    def __init__(self) -> None:
        self.live, self.mirrored, self.aside = Outcomes(), Outcomes(), Outcomes()
        self.batches = Distribution(_ROWS)
        self.cache_hits = self.cache_misses = self.cache_errors = 0
        self.in_flight = 0
        self.waiting: Callable[[], int] = lambda: 0
        self.connections: Callable[[], int] = lambda: 0

    def of(self, *, live: bool, mirrored: bool) -> Outcomes:
        """Where a request is counted."""
        return self.live if live else self.mirrored if mirrored else self.aside

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now; live traffic and all that is none together."""
        kinds = self.live, self.mirrored, self.aside
        requests = CounterMetricFamily(
            f"{_PREFIX}_requests_total", "Answered prediction requests by HTTP status.", labels=["code"]
        )
        for code, count in sorted(_together(part.requests for part in kinds).items()):
            requests.add_metric([str(code)], count)
        errors = CounterMetricFamily(
            f"{_PREFIX}_errors_total", "Requests not answered with a prediction, by reason.", labels=["reason"]
        )
        for reason, count in sorted(_together(part.errors for part in kinds).items()):
            errors.add_metric([reason], count)
        fallbacks = CounterMetricFamily(
            f"{_PREFIX}_fallbacks_total",
            "Requests answered by the fallback, by what went wrong.",
            labels=["reason"],
        )
        for reason, count in sorted(_together(part.fallbacks for part in kinds).items()):
            fallbacks.add_metric([reason], count)
        about_seconds = "Time from a prediction request's headers to its answer."
        return [
            requests,
            errors,
            fallbacks,
            histogram(
                f"{_PREFIX}_request_duration_seconds",
                about_seconds,
                _SECONDS,
                [part for outcomes in kinds for part in (outcomes.answered, outcomes.refused)],
            ),
            histogram(f"{_PREFIX}_batch_rows", "Rows that went through the model at once.", _ROWS, [self.batches]),
            CounterMetricFamily(
                f"{_PREFIX}_predictions_total",
                "Rows predicted by the model.",
                value=sum(part.rows for part in kinds),
            ),
            *self._cache(),
            GaugeMetricFamily(f"{_PREFIX}_requests_in_flight", "Predictions that wait for an answer.", self.in_flight),
            GaugeMetricFamily(f"{_PREFIX}_queue_length", "Predictions that wait for the model.", self.waiting()),
            GaugeMetricFamily(f"{_PREFIX}_connections", "Open HTTP connections.", self.connections()),
        ]

    def _cache(self) -> Iterable[Metric]:
        for name, about, value in (
            ("hits", "Requests answered without a forward of their own.", self.cache_hits),
            ("misses", "Requests that the cache passed on to the model.", self.cache_misses),
            ("errors", "Failures of the shared cache.", self.cache_errors),
        ):
            yield CounterMetricFamily(f"{_PREFIX}_cache_{name}_total", about, value=value)


class Metrics:
    """The predictor's metrics in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        ProcessCollector(registry=registry)
        self.tally = RequestTally()
        registry.register(self.tally)
        self._load_failures = Counter(
            f"{_PREFIX}_load_failures_total",
            "Attempts to load the model that failed, by reason.",
            ["reason"],
            registry=registry,
        )
        self.ready = Gauge(f"{_PREFIX}_ready", "1 while the model is loaded and answers.", registry=registry)
        self._info = Gauge(
            f"{_PREFIX}_model_info", "1 for the loaded version.", ["version", "format"], registry=registry
        )

    def add(self, collector: Collector) -> None:
        """Show what `collector` has as well."""
        self._registry.register(collector)

    def cache_failed(self) -> None:
        """Count one failure of the shared cache."""
        self.tally.cache_errors += 1

    def load_failed(self, reason: str) -> None:
        """Count one failed attempt to load the model."""
        self._load_failures.labels(reason).inc()

    def loaded(self, manifest: Manifest) -> None:
        """Name the version that is served from now on."""
        self._info.labels(manifest.version, manifest.format.name.lower()).set(1)
        self.ready.set(1)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
