"""What telemetry measures about itself: mostly how much of it was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX = "modelloop_predictor_telemetry"
_COUNTERS: Mapping[str, tuple[str, str]] = {
    "rows": (
        "Live rows: counted, dropped as they came too fast, or in a post that the monitor refused.",
        "outcome",
    ),
    "posts": ("Tries to post counts to the monitor, by what it said.", "verdict"),
    "logged": ("Rows of chosen requests, by what became of them.", "outcome"),
}

Readings = Mapping[str, Mapping[str, int]]
"""For each name of a counter its values by label."""


class TelemetryCollector(Collector):
    """Reads the counters when a scrape asks; `waiting` are posts without an answer."""

    def __init__(self, read: Callable[[], Readings], waiting: Callable[[], int]) -> None:
        self._read = read
        self._waiting = waiting

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        for name, values in self._read().items():
            about, label = _COUNTERS[name]
            family = CounterMetricFamily(f"{_PREFIX}_{name}_total", about, labels=[label])
            for value, count in values.items():
                family.add_metric([value], count)
            yield family
        yield GaugeMetricFamily(f"{_PREFIX}_posts_waiting", "Posts that the monitor has not answered.", self._waiting())
