"""What the monitor's report makes of status: drift only once it lasted, and nothing where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.seen import NOW, POLICY, a_catalog, a_status, observed, ready, routed, stamp
from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import Condition, DriftStatus
from modelloop_core.feature_schema import Task
from modelloop_core.wire.reports import Level
from modelloop_operator.decide.decisions import Wait
from modelloop_operator.decide.observation import (
    NO_MONITOR,
    NOT_YET_READ,
    FallbackUse,
    NoReport,
    Report,
)
from modelloop_operator.decide.status import next_status
from modelloop_operator.decide.watch_settings import settings_of, unfit_metric
from modelloop_operator.decide.watching import fallback_use, level_of, news

WAIT = Wait("UpToDate", "1.0.0 serves", POLICY.idle)
AWAY = NoReport("MonitorUnreachable", "the monitor at http://m cannot be reached: refused")
REFUSED = NoReport("MonitorRefused", "PUT http://m/v1/models/shop/churn/settings answered 422: no")
KEPT = NoReport("CapturesKept", "what is older stays in s3://models/churn: AccessDenied")
FALLBACK = {"serving": {"fallback": {"constant": 0.5}}}
WATCHED: dict[str, Any] = {"monitoring": {"window": "1h"}}


def after(
    watch: Report | NoReport,
    *,
    spec: dict[str, Any] | None = None,
    before: MLModelStatus | None = None,
    problem: NoReport | None = None,
) -> MLModelStatus:
    """The status after a pass that saw this report."""
    status = before or a_status("1.0.0")
    seen = observed(
        status, spec=spec, pods={"1.0.0": ready()}, route=routed("1.0.0"), watch=watch, watch_problem=problem
    )
    return next_status(seen, WAIT, NOW)


def told(status: MLModelStatus, kind: str) -> tuple[str, str] | None:
    found = status.condition(kind)
    return (found.status, found.reason) if found else None


def having(kind: str, value: str, reason: str, level: str = "") -> MLModelStatus:
    """A status with one such condition."""
    block = DriftStatus(level=level, since=stamp(-600), version="1.0.0", features=["AGEP"]) if level else None
    condition = Condition(type=kind, status=value, reason=reason, message="…", lastTransitionTime=stamp(-600))
    return a_status("1.0.0").model_copy(update={"conditions": [condition], "drift": block})


LEVELS = [
    pytest.param(Report(Level.STABLE), "stable", ("False", "Stable"), id="nothing moved"),
    pytest.param(Report(Level.TREND), "trend", ("False", "Trend"), id="a small change"),
    pytest.param(Report(Level.MODERATE), "moderate", ("False", "ModerateDrift"), id="one window worth a look"),
    pytest.param(Report(Level.DRIFT), "moderate", ("False", "ModerateDrift"), id="one window of drift is no drift yet"),
    pytest.param(Report(Level.DRIFT, Level.DRIFT), "drift", ("True", "Drift"), id="drift that lasted"),
    pytest.param(
        Report(Level.STABLE, Level.DRIFT), "drift", ("True", "Drift"), id="a quiet window in an open incident"
    ),
    pytest.param(Report(Level.INSUFFICIENT, Level.DRIFT), "drift", ("True", "Drift"), id="a thin window in one"),
    pytest.param(
        Report(Level.DRIFT, Level.MODERATE), "moderate", ("False", "ModerateDrift"), id="an incident worth a look"
    ),
    pytest.param(
        Report(Level.INSUFFICIENT), "insufficient-data", ("Unknown", "InsufficientData"), id="too few rows are no drift"
    ),
    pytest.param(Report(Level.NO_DATA), "no-data", ("Unknown", "NoData"), id="no traffic is no drift"),
]


@pytest.mark.parametrize(("report", "level", "condition"), LEVELS)
def test_level_and_condition(report: Report, level: str, condition: tuple[str, str]) -> None:
    status = after(report)
    assert status.drift is not None
    assert (status.drift.level, status.drift.since, level_of(report)) == (level, stamp(), level)
    assert told(status, "Drifted") == condition


@pytest.mark.parametrize(("report", "level", "condition"), LEVELS)
def test_the_same_level_again_writes_nothing(report: Report, level: str, condition: tuple[str, str]) -> None:
    first = after(report)
    again = after(Report(report.level, report.incident, "9.9.9", ("other", "features")), before=first)
    assert again == first


def test_it_names_the_worst_features_and_where_the_numbers_are() -> None:
    status = after(Report(Level.DRIFT, Level.DRIFT, "1.0.0", ("AGEP", "SCHL", "A", "B", "C", "D")))
    condition = status.condition("Drifted")
    assert status.drift is not None
    assert condition is not None
    assert status.drift.features == ["AGEP", "SCHL", "A", "B", "C"]
    assert condition.message.startswith("AGEP, SCHL, A, B, C drifted")
    assert "kubectl mlmodel drift churn" in condition.message
    assert condition.message in status.message, "kubectl get -o wide shows no conditions"


NOTHING_KNOWN = [
    pytest.param(NO_MONITOR, "", None, id="no monitor, and none asked for"),
    pytest.param(AWAY, "", ("Unknown", "MonitorUnreachable"), id="a monitor that is away"),
    pytest.param(AWAY, "drift", ("Unknown", "MonitorUnreachable"), id="a monitor that went away during drift"),
    pytest.param(REFUSED, "stable", ("Unknown", "MonitorRefused"), id="a monitor that refuses"),
    pytest.param(NOT_YET_READ, "", None, id="a new operator, and nothing said before"),
]


@pytest.mark.parametrize(("watch", "level", "condition"), NOTHING_KNOWN)
def test_where_nothing_is_known_the_level_stays(watch: NoReport, level: str, condition: tuple[str, str] | None) -> None:
    before = having("Ready", "True", "Serving", level)
    status = after(watch, before=before)
    assert status.drift == before.drift
    assert told(status, "Drifted") == condition


def test_a_new_operator_says_what_the_old_one_said() -> None:
    before = after(Report(Level.DRIFT, Level.DRIFT))
    assert after(NOT_YET_READ, before=before) == before


def test_serving_does_not_depend_on_the_monitor() -> None:
    quiet, away = after(Report(Level.STABLE)), after(AWAY)
    assert told(away, "Ready") == told(quiet, "Ready") == ("True", "Serving")
    assert told(away, "Stalled") == told(quiet, "Stalled") == ("False", "Progressing")
    assert (away.phase, away.message) == (quiet.phase, quiet.message)


USES = [
    pytest.param(0, 0, FallbackUse.UNKNOWN, id="no requests"),
    pytest.param(19, 19, FallbackUse.UNKNOWN, id="one request too few"),
    pytest.param(20, 0, FallbackUse.FEW, id="just enough, all by the model"),
    pytest.param(100, 1, FallbackUse.FEW, id="one in a hundred"),
    pytest.param(1000, 11, FallbackUse.SOME, id="just above one in a hundred"),
    pytest.param(1000, 49, FallbackUse.SOME, id="just below one in twenty"),
    pytest.param(1000, 50, FallbackUse.MANY, id="one in twenty"),
]


@pytest.mark.parametrize(("requests", "fallbacks", "use"), USES)
def test_fallback_use(requests: int, fallbacks: int, use: FallbackUse) -> None:
    assert fallback_use(requests, fallbacks) is use


DEGRADED = ("True", "FallbackServes")
WELL = ("False", "ModelServes")
FALLBACKS = [
    pytest.param(FallbackUse.MANY, None, DEGRADED, id="many"),
    pytest.param(FallbackUse.FEW, None, WELL, id="few"),
    pytest.param(FallbackUse.SOME, None, WELL, id="some, and never degraded"),
    pytest.param(FallbackUse.SOME, DEGRADED, DEGRADED, id="some, and still degraded"),
    pytest.param(FallbackUse.SOME, WELL, WELL, id="some, and well before"),
    pytest.param(FallbackUse.FEW, DEGRADED, WELL, id="well again"),
    pytest.param(FallbackUse.UNKNOWN, DEGRADED, DEGRADED, id="no traffic says nothing"),
    pytest.param(FallbackUse.UNKNOWN, None, None, id="nothing was ever known"),
]


@pytest.mark.parametrize(("use", "before", "expected"), FALLBACKS)
def test_degraded(use: FallbackUse, before: tuple[str, str] | None, expected: tuple[str, str] | None) -> None:
    was = having("Degraded", *before) if before else None
    status = after(Report(Level.STABLE, fallback=use), spec=FALLBACK, before=was)
    assert told(status, "Degraded") == expected


def test_without_a_fallback_nothing_can_be_degraded() -> None:
    assert told(after(Report(Level.STABLE, fallback=FallbackUse.MANY)), "Degraded") is None


AVAILABLE = [
    pytest.param(None, NO_MONITOR, None, None, id="nothing asked for, nothing said"),
    pytest.param(WATCHED, NO_MONITOR, None, ("False", "NoMonitor"), id="asked for where there is none"),
    pytest.param(WATCHED, Report(Level.STABLE), None, ("True", "Watched"), id="asked for and had"),
    pytest.param(
        WATCHED,
        Report(Level.STABLE),
        NoReport("SecretNotFound", "Secret shop/hook named in spec.monitoring.alerts.webhook does not exist"),
        ("False", "SecretNotFound"),
        id="a part of it cannot be had",
    ),
    pytest.param(
        None,
        NoReport("NoReportYet", "…"),
        NoReport("TokenWrong", "Secret shop/monitor-token holds neither token"),
        ("False", "TokenWrong"),
        id="predictors are refused",
    ),
    pytest.param(None, Report(Level.STABLE), KEPT, ("False", "CapturesKept"), id="a default cannot be had"),
    pytest.param(WATCHED, NO_MONITOR, KEPT, ("False", "NoMonitor"), id="neither of two can be had"),
    pytest.param(WATCHED, REFUSED, None, ("False", "MonitorRefused"), id="the monitor refuses the settings"),
    pytest.param(WATCHED, AWAY, None, ("Unknown", "MonitorUnreachable"), id="it is away and nothing was said before"),
    pytest.param(WATCHED, NoReport("NoReportYet", "…"), None, ("True", "Watched"), id="watched, no window yet"),
]


@pytest.mark.parametrize(("spec", "watch", "problem", "expected"), AVAILABLE)
def test_monitoring_available(
    spec: dict[str, Any] | None, watch: Report | NoReport, problem: NoReport | None, expected: tuple[str, str] | None
) -> None:
    assert told(after(watch, spec=spec, problem=problem), "MonitoringAvailable") == expected


def test_where_two_cannot_be_had_both_are_said() -> None:
    condition = after(NO_MONITOR, spec=WATCHED, problem=KEPT).condition("MonitoringAvailable")
    assert condition is not None
    assert NO_MONITOR.message in condition.message
    assert KEPT.message in condition.message


NEWS = [
    pytest.param(Report(Level.STABLE), Report(Level.DRIFT, Level.DRIFT), [("Drifted", True)], id="drift begins"),
    pytest.param(Report(Level.DRIFT, Level.DRIFT), Report(Level.STABLE), [("DriftOver", False)], id="drift ends"),
    pytest.param(Report(Level.STABLE), Report(Level.MODERATE), [("ModerateDrift", False)], id="worth a look"),
    pytest.param(Report(Level.MODERATE), Report(Level.STABLE), [], id="no longer worth a look"),
    pytest.param(Report(Level.STABLE), Report(Level.INSUFFICIENT), [], id="a thin window"),
    pytest.param(Report(Level.DRIFT, Level.DRIFT), Report(Level.DRIFT, Level.DRIFT), [], id="drift goes on"),
    pytest.param(Report(Level.DRIFT, Level.DRIFT), AWAY, [], id="the monitor goes away during drift"),
    pytest.param(
        Report(Level.STABLE, fallback=FallbackUse.FEW),
        Report(Level.STABLE, fallback=FallbackUse.MANY),
        [("FallbackServes", True)],
        id="the fallback takes over",
    ),
    pytest.param(
        Report(Level.STABLE, fallback=FallbackUse.MANY),
        Report(Level.STABLE, fallback=FallbackUse.FEW),
        [("ModelServes", False)],
        id="the model is back",
    ),
]


@pytest.mark.parametrize(("first", "then", "expected"), NEWS)
def test_news(first: Report, then: Report | NoReport, expected: list[tuple[str, bool]]) -> None:
    before = after(first, spec=FALLBACK)
    found = news(before, after(then, spec=FALLBACK, before=before))
    assert [(each.reason, each.warning) for each in found] == expected


def test_a_metric_that_the_live_versions_task_lacks_is_told_and_not_sent() -> None:
    model = observed(spec={"monitoring": {"quality": {"metric": "auc", "min": 0.7}}}).model
    problem = unfit_metric(model, Task.REGRESSION)
    assert problem is not None
    assert problem.reason == "MetricUnfit"
    assert "mae, rmse" in problem.message
    assert settings_of(model, Task.REGRESSION, {}).quality is None
    assert unfit_metric(model, Task.BINARY) is None


def test_alerts_whose_secret_is_missing_reach_nobody_and_the_rest_is_sent() -> None:
    alerts = {"webhook": {"secretName": "gone"}, "alertmanager": {"url": "http://alertmanager:9093"}}
    settings = settings_of(observed(spec={"monitoring": {"alerts": alerts}}).model, None, {})
    assert settings.alerts.webhook is None
    assert settings.alerts.alertmanager is not None


def test_the_drift_of_a_model_that_serves_no_more_is_forgotten() -> None:
    seen = observed(MLModelStatus(), catalog=a_catalog(), watch=Report(Level.STABLE))
    assert next_status(seen, Wait("NoVersions", "…", POLICY.idle), NOW).drift is None
