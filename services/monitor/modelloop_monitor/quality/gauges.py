"""What the monitor knows of quality, for Prometheus: of each version's last judged window, and of how labels come."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelloop_core.wire.reports import QualityReport, VersionFeedback
from modelloop_monitor.store import quality
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.models import Model

_PREFIX = "modelloop_monitor"
_VERSION = ["namespace", "model", "version"]
_REMEMBERED_SECONDS = 2 * 86_400.0

_Key = tuple[Model, str]


class QualityGauges(Collector):
    """As it was at the last `refresh`; a version of which nothing was judged for two days is left out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._reports: dict[_Key, QualityReport] = {}
        self._feedback: dict[_Key, VersionFeedback] = {}

    def refresh(self, now: float) -> None:
        """Read what was judged lately; raises StoreError."""
        since = now - _REMEMBERED_SECONDS
        with self._store.reading() as connection:
            windows = quality.newest(connection, since)
            versions = quality.newest_versions(connection, since)
        reports = {key: QualityReport.model_validate_json(text) for key, text in windows.items()}
        feedback = {key: VersionFeedback.model_validate_json(text) for key, text in versions.items()}
        with self._lock:
            self._reports, self._feedback = reports, feedback

    def collect(self) -> Iterable[Metric]:
        """The metrics as they were read."""
        with self._lock:
            reports, feedback = dict(self._reports), dict(self._feedback)
        yield from _measures(reports)
        yield from _labels(reports, feedback)


def _measures(reports: dict[_Key, QualityReport]) -> Iterable[Metric]:
    """Value and both ends of its interval; `source` tells labels from estimates."""
    labels = [*_VERSION, "metric", "source"]
    found = {
        "value": GaugeMetricFamily(f"{_PREFIX}_quality", "A measure of the last judged window.", labels=labels),
        "low": GaugeMetricFamily(f"{_PREFIX}_quality_low", "The lower end of its interval (95 %).", labels=labels),
        "high": GaugeMetricFamily(f"{_PREFIX}_quality_high", "The upper end of its interval (95 %).", labels=labels),
    }
    for (model, version), report in reports.items():
        for source, measures in (("labels", report.metrics), ("estimate", report.estimated)):
            for metric, interval in measures.items():
                for end, family in found.items():
                    if (value := getattr(interval, end)) is not None:
                        family.add_metric([*model, version, metric, source], value)
    return found.values()


def _labels(reports: dict[_Key, QualityReport], feedback: dict[_Key, VersionFeedback]) -> Iterable[Metric]:
    share = GaugeMetricFamily(
        f"{_PREFIX}_labelled_ratio", "Share of the last judged window's predictions with labels.", labels=_VERSION
    )
    for (model, version), report in reports.items():
        if report.share_labelled is not None and report.share_labelled.value is not None:
            share.add_metric([*model, version], report.share_labelled.value)
    latency = GaugeMetricFamily(
        f"{_PREFIX}_feedback_latency_seconds",
        "From a prediction to its label, of the newest labels.",
        labels=[*_VERSION, "quantile"],
    )
    growing = GaugeMetricFamily(
        f"{_PREFIX}_errors_growing", "1 where errors of the newest labels grew, else 0.", labels=_VERSION
    )
    for (model, version), item in feedback.items():
        growing.add_metric([*model, version], float(item.worsened is not None))
        for quantile, seconds in (("0.5", item.latency_median), ("0.9", item.latency_p90)):
            if seconds is not None:
                latency.add_metric([*model, version, quantile], seconds)
    return share, latency, growing
