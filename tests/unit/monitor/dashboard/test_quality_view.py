"""From quality reports to charts: by measure, by version, with intervals and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from modelloop_core.wire.reports import ModelQuality, QualityReport
from modelloop_core.wire.settings import QualitySettings
from modelloop_monitor.dashboard.views.quality import quality_view

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _report(version: str, hour: int, **changes: Any) -> QualityReport:
    window = {"since": NOON.replace(hour=hour), "until": NOON.replace(hour=hour + 1)}
    return QualityReport.model_validate(
        {"version": version, "window": window, "predictions": 10, "labelled": 5, **changes}
    )


def _quality(*reports: QualityReport) -> ModelQuality:
    return ModelQuality(namespace="shop", name="churn", reports=reports, generated=NOON)


def test_each_measure_is_a_chart_with_a_line_for_each_version() -> None:
    auc = {"auc": {"value": 0.8, "low": 0.7, "high": 0.9}}
    quality = _quality(
        _report("1.0.0", 9, metrics={"brier": {"value": 0.1}, **auc}),
        _report("1.1.0", 10, metrics=auc),
        _report("1.0.0", 10, metrics={"auc": {"value": None}, "zeta": {"value": 1}}),
    )
    view = quality_view(quality, QualitySettings(metric="auc", min=0.75))
    assert [chart.title for chart in view.measured] == ["AUC", "Brier score", "zeta"]
    first, second = view.measured[0].series
    assert (first.name, first.values, first.low) == ("1.0.0", (0.8, None), (0.7, None))
    assert (second.name, second.values, second.high) == ("1.1.0", (None, 0.8), (None, 0.9))
    assert view.measured[0].limits == (("at least", 0.75),)
    assert view.measured[1].limits == ()
    assert [one.version for one in view.last] == ["1.0.0", "1.1.0"]


def test_what_followed_is_told_as_a_rate_or_as_a_mean() -> None:
    business = {
        "clicked": {"kind": "rate", "requests": 10, "events": 3, "rate": {"value": 0.3}},
        "revenue": {"kind": "sum", "requests": 10, "events": 2, "mean": {"value": 1.5}, "total": {"value": 15}},
    }
    view = quality_view(_quality(_report("1.0.0", 9, business=business)), None)
    assert [chart.title for chart in view.business] == [
        "clicked: share of requests",
        "revenue: mean for each request",
    ]


def test_what_an_estimate_assumes_is_said_as_of_the_last_window() -> None:
    reports = [_report("1.0.0", 9 + place, estimate_note=note) for place, note in enumerate(["too few", "blind"])]
    assert quality_view(_quality(*reports), None).estimate_notes == ("blind",)


def test_without_reports_there_is_nothing_to_say() -> None:
    view = quality_view(_quality(), None)
    assert view.is_empty
    assert (view.measured, view.estimated, view.business) == ((), (), ())
