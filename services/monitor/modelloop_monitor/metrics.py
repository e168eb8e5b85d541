"""What the monitor measures about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelloop_core.wire.feedback import Receipt

_PREFIX = "modelloop_monitor"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_POSTS = "Profiles that predictors posted, by what became of them: applied, replayed, or why they were refused."
_NOTIFICATIONS = "Attempts to tell somebody of an incident: sent, failed (tried again), given-up, unwanted."
_OUTCOMES = "Labels and events by what became of them: joined, waiting for their prediction, known already, refused."

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The monitor's own metrics in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self._posts = self._counter("posts", _POSTS, "outcome")
        self.post_seconds = Histogram(
            f"{_PREFIX}_post_duration_seconds",
            "Time from a post's headers to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._work_failures = self._counter(
            "work_failures", "Rounds of the monitor's own work that failed, by which.", "work"
        )
        self._work_seconds = self._counter("work_seconds", "Time spent on the monitor's own work, by which.", "work")
        self.folded = self._counter("posts_folded", "Posts that were added to their windows.")
        self.left_out = self._counter("posts_left_out", "Posts that were answered and could not be added to anything.")
        self.judged = self._counter("windows_judged", "Windows that were judged.")
        self.clock_ahead = self._counter("posts_ahead", "Posts from a clock that is ahead of the monitor's.")
        self._notifications = self._counter("notifications", _NOTIFICATIONS, "outcome")
        self._outcomes = self._counter("outcomes", _OUTCOMES, "kind", "outcome")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}_total", about, labels, registry=self.registry)

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
