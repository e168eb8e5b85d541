"""How good predictions were, over time: a chart for each measure, with its intervals and by version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from modelloop_core.wire.reports import DataQuality, Interval, ModelQuality, QualityReport, VersionFeedback
from modelloop_core.wire.settings import QualitySettings
from modelloop_monitor.dashboard.charts import Chart, Series

METRICS: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "auc": "AUC",
    "f1": "F1",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
}

_Measures = Callable[[QualityReport], Mapping[str, Interval]]


@dataclass(frozen=True)
class QualityView:
    """Charts of what labels say, of what is estimated without them, and of business events; then the last windows.

    `last` has the newest window of each version, `data` what was asked in it.
    """

    measured: tuple[Chart, ...]
    estimated: tuple[Chart, ...]
    business: tuple[Chart, ...]
    estimate_notes: tuple[str, ...]
    last: tuple[QualityReport, ...]
    feedback: tuple[VersionFeedback, ...]
    data: tuple[DataQuality, ...]
    waiting: int

    @property
    def is_empty(self) -> bool:
        """Whether no window was looked at yet."""
        return not self.last


def quality_view(quality: ModelQuality, wanted: QualitySettings | None) -> QualityView:
    """The view of what is told of a model's quality; `wanted` is what it has to keep to."""
    reports = quality.reports
    last = tuple(_last(reports).values())
    return QualityView(
        measured=_charts(reports, lambda report: report.metrics, wanted),
        estimated=_charts(reports, lambda report: report.estimated, wanted),
        business=_charts(reports, _business, None),
        estimate_notes=tuple(dict.fromkeys(one.estimate_note for one in last if one.estimate_note)),
        last=last,
        feedback=quality.feedback,
        data=tuple({one.version: one for one in quality.data}.values()),
        waiting=quality.waiting,
    )


def _last(reports: Sequence[QualityReport]) -> dict[str, QualityReport]:
    return {report.version: report for report in reports}


def _charts(reports: Sequence[QualityReport], measures: _Measures, wanted: QualitySettings | None) -> tuple[Chart, ...]:
    found = {name for report in reports for name, one in measures(report).items() if one.value is not None}
    order = [*(name for name in METRICS if name in found), *sorted(found - METRICS.keys())]
    return tuple(_chart(reports, measures, name, wanted) for name in order)


def _chart(reports: Sequence[QualityReport], measures: _Measures, name: str, wanted: QualitySettings | None) -> Chart:
    times = sorted({report.window.since.timestamp() for report in reports})
    series = [
        _series(version, times, [report for report in reports if report.version == version], measures, name)
        for version in sorted(_last(reports))
    ]
    drawn = tuple(one for one in series if any(value is not None for value in one.values))
    return Chart(METRICS.get(name, name), "", tuple(times), drawn, limits=_limits(name, wanted), zoom=True)


def _series(
    version: str, times: Sequence[float], reports: Sequence[QualityReport], measures: _Measures, name: str
) -> Series:
    told = {report.window.since.timestamp(): measures(report).get(name) for report in reports}
    found = [told.get(at) for at in times]
    return Series(
        version,
        tuple(None if one is None else one.value for one in found),
        low=tuple(None if one is None else one.low for one in found),
        high=tuple(None if one is None else one.high for one in found),
    )


def _limits(name: str, wanted: QualitySettings | None) -> tuple[tuple[str, float], ...]:
    if wanted is None or wanted.metric != name:
        return ()
    bounds = (("at least", wanted.min), ("at most", wanted.max))
    return tuple((word, bound) for word, bound in bounds if bound is not None)


def _business(report: QualityReport) -> Mapping[str, Interval]:
    told = {}
    for name, one in report.business.items():
        if one.rate is not None:
            told[f"{name}: share of requests"] = one.rate
        elif one.mean is not None:
            told[f"{name}: mean for each request"] = one.mean
    return told
