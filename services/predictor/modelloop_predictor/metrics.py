"""What a predictor measures about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelloop_core.manifest import Manifest

_PREFIX = "modelloop_predictor"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The predictor's metrics in `registry`; requests and durations are those of `POST /predict` alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        ProcessCollector(registry=registry)
        self._requests = Counter(
            f"{_PREFIX}_requests_total", "Answered prediction requests by HTTP status.", ["code"], registry=registry
        )
        self._duration = Histogram(
            f"{_PREFIX}_request_duration_seconds",
            "Time from a prediction request's headers to its answer.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            f"{_PREFIX}_requests_in_flight", "Prediction requests that wait for their answer.", registry=registry
        )
        self.predictions = Counter(f"{_PREFIX}_predictions_total", "Rows predicted.", registry=registry)
        self._errors = Counter(
            f"{_PREFIX}_errors_total",
            "Requests not answered with a prediction, by reason.",
            ["reason"],
            registry=registry,
        )
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

    def answered(self, code: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(str(code)).inc()
        self._duration.observe(seconds)

    def failed(self, reason: str) -> None:
        """Count one request that got an error."""
        self._errors.labels(reason).inc()

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
