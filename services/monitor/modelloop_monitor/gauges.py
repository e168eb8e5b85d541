"""What the monitor knows of models, for Prometheus: a few series for each, the columns' only of those judged."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelloop_core.wire.reports import ColumnReport
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.store import incidents, models, reports
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.models import Known, Model

_PREFIX = "modelloop_monitor"
_MODEL = ["namespace", "model"]
_REMEMBERED_SECONDS = 2 * 86_400.0


class ModelGauges(Collector):
    """The last judged window and the open incidents of each model, as they were at the last `refresh`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_until: float | None = None
        self._windows: dict[Model, JudgedWindow] = {}
        self._incidents: dict[tuple[Model, str], int] = {}
        self._known: list[Known] = []

    def refresh(self, now: float) -> None:
        """Read what is new; raises StoreError."""
        since = now - _REMEMBERED_SECONDS if self._read_until is None else self._read_until
        with self._store.reading() as connection:
            found = reports.newer(connection, since)
            open_ones = incidents.open_ones(connection)
            known = models.all_of(connection)
        with self._lock:
            for model, generated, judged in found:
                self._read_until = max(generated, self._read_until or 0.0)
                self._keep(model, judged)
            self._incidents = {(model, state.cause): 1 for model, state in open_ones}
            self._known = known

    def collect(self) -> Iterable[Metric]:
        """The metrics as they were read."""
        with self._lock:
            windows, open_ones, known = list(self._windows.items()), list(self._incidents), list(self._known)
        yield from _of_windows(windows)
        yield _of_columns(windows)
        incident = GaugeMetricFamily(f"{_PREFIX}_incident", "1 while one is open.", labels=[*_MODEL, "cause"])
        for model, cause in open_ones:
            incident.add_metric([*model, cause], 1)
        heard = GaugeMetricFamily(
            f"{_PREFIX}_last_post_timestamp_seconds", "When a predictor of the model last posted.", labels=_MODEL
        )
        for one in known:
            if one.last_post is not None:
                heard.add_metric(list(one.model), one.last_post)
        yield incident
        yield heard

    def _keep(self, model: Model, judged: JudgedWindow) -> None:
        before = self._windows.get(model)
        if before is None or (judged.until, judged.rows) >= (before.until, before.rows) or _same(before, judged):
            self._windows[model] = judged


def _same(before: JudgedWindow, judged: JudgedWindow) -> bool:
    return (before.reference, before.since, before.until) == (judged.reference, judged.since, judged.until)


def _of_windows(windows: Iterable[tuple[Model, JudgedWindow]]) -> Iterable[Metric]:
    labels = [*_MODEL, "version"]
    verdict = GaugeMetricFamily(
        f"{_PREFIX}_window_verdict", "1 for the verdict of the last judged window.", labels=[*labels, "verdict"]
    )
    rows = GaugeMetricFamily(f"{_PREFIX}_window_rows", "Rows of the last judged window.", labels=labels)
    ended = GaugeMetricFamily(
        f"{_PREFIX}_window_end_timestamp_seconds", "When the last judged window ended.", labels=labels
    )
    for model, judged in windows:
        own = [*model, judged.version]
        verdict.add_metric([*own, judged.verdict], 1)
        rows.add_metric(own, judged.rows)
        ended.add_metric(own, judged.until)
    return verdict, rows, ended


def _of_columns(windows: Iterable[tuple[Model, JudgedWindow]]) -> Metric:
    psi = GaugeMetricFamily(
        f"{_PREFIX}_column_psi",
        "PSI of a judged feature or output in the last judged window against the reference.",
        labels=[*_MODEL, "version", "part", "column"],
    )
    for model, judged in windows:
        for column in judged.columns:
            if (value := _judged_psi(column)) is not None:
                psi.add_metric([*model, judged.version, column.part, column.name], value)
    return psi


def _judged_psi(column: ColumnReport) -> float | None:
    return None if column.role == "ignore" else column.psi
