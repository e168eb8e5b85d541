"""What the monitor measures about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelloop_core.wire.feedback import Receipt

_PREFIX = "modelloop_monitor"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The monitor's own metrics in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self._posts = Counter(
            f"{_PREFIX}_posts_total",
            "Profiles that predictors posted, by what became of them: applied, replayed, or why they were refused.",
            ["outcome"],
            registry=registry,
        )
        self.post_seconds = Histogram(
            f"{_PREFIX}_post_duration_seconds",
            "Time from a post's headers to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._work_failures = Counter(
            f"{_PREFIX}_work_failures_total",
            "Rounds of the monitor's own work that failed, by which.",
            ["work"],
            registry=registry,
        )
        self._work_seconds = Counter(
            f"{_PREFIX}_work_seconds_total",
            "Time spent on the monitor's own work, by which.",
            ["work"],
            registry=registry,
        )
        self.folded = Counter(
            f"{_PREFIX}_posts_folded_total", "Posts that were added to their windows.", registry=registry
        )
        self.judged = Counter(f"{_PREFIX}_windows_judged_total", "Windows that were judged.", registry=registry)
        self.clock_ahead = Counter(
            f"{_PREFIX}_posts_ahead_total", "Posts from a clock that is ahead of the monitor's.", registry=registry
        )

        self._notifications = Counter(
            f"{_PREFIX}_notifications_total",
            "Attempts to tell somebody of an incident: sent, failed (tried again), given-up, unwanted.",
            ["outcome"],
            registry=registry,
        )
        self._outcomes = Counter(
            f"{_PREFIX}_outcomes_total",
            "Labels and events by what became of them: joined, waiting for their prediction, known already, refused.",
            ["kind", "outcome"],
            registry=registry,
        )

    def notified(self, outcome: str) -> None:
        """Count one attempt to notify."""
        self._notifications.labels(outcome).inc()

    def told(self, kind: str, receipt: Receipt) -> None:
        """Count labels (`feedback`) or events."""
        counts = {
            "joined": receipt.joined,
            "waiting": receipt.waiting,
            "already": receipt.already,
            "refused": len(receipt.refused),
        }
        for outcome, count in counts.items():
            self._outcomes.labels(kind, outcome).inc(count)

    def posted(self, outcome: str) -> None:
        """Count one post."""
        self._posts.labels(outcome).inc()

    def failed(self, work: str) -> None:
        """Count one failed round."""
        self._work_failures.labels(work).inc()

    def worked(self, work: str, seconds: float) -> None:
        """Count the time of one round."""
        self._work_seconds.labels(work).inc(seconds)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
