"""Whether a model's quality is below what its owner asked for, in words for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from modelloop_core.drift.quality_verdict import QualityVerdict, judge_quality
from modelloop_core.wire.reports import Level, QualityReport, VersionFeedback
from modelloop_core.wire.settings import QualitySettings
from modelloop_monitor.incidents import Finding
from modelloop_monitor.quality.times import moment
from modelloop_monitor.store import quality
from modelloop_monitor.store.models import Model

_MOST = 20
"""So many of the last windows are looked through for one with enough labels."""


def find_quality(
    connection: Connection, model: Model, settings: QualitySettings | None, now: float, *, open_features: Sequence[str]
) -> Finding | None:
    """What the last window with labels says, else what the last one promises; `open_features` are those of an incident.

    An incident that is open stays so while a window leaves it in doubt.
    """
    if settings is None:
        return None
    due = _read(connection, model, now - settings.label_delay_seconds)
    labelled = _leading(due, lambda report: report.labelled if settings.metric in report.metrics else 0)
    if labelled is not None:
        verdict = judge_quality(labelled, settings, moment(now))
        in_doubt = verdict.level in (Level.TREND, Level.INSUFFICIENT) and settings.metric in open_features
        if verdict.level is Level.DRIFT or in_doubt:
            return quality_finding(model, labelled, verdict, settings.metric, _feedback(connection, model, labelled))
    promised = _leading(_read(connection, model, now), lambda report: report.predictions)
    if promised is None:
        return None
    verdict = judge_quality(promised, settings, moment(now))
    if verdict.level is not Level.MODERATE:
        return None
    return quality_finding(model, promised, verdict, f"estimated {settings.metric}", None)


def quality_finding(
    model: Model, report: QualityReport, verdict: QualityVerdict, metric: str, feedback: VersionFeedback | None
) -> Finding:
    """What is told of a window whose quality is too low."""
    grown = feedback.worsened if feedback is not None else None
    more = "" if grown is None else f"; errors grew from {grown.before:.3g} to {grown.after:.3g}"
    when = "" if grown is None else f" on {grown.since:%F %H:%MZ}"
    window = f"{report.window.since:%F %H:%MZ} to {report.window.until:%F %H:%MZ}"
    return Finding(
        level=Level.MODERATE if verdict.level is Level.MODERATE else Level.DRIFT,
        features=(metric,),
        version=report.version,
        what=f"{verdict.message}, from {window}{more}{when}",
        since=report.window.since.timestamp(),
        sure=_sureness(verdict),
        action=f"`kubectl mlmodel status {model[1]} -n {model[0]}` shows what is live; if the world has changed, "
        "retrain; if labels are wrong or come from another population, mend them",
    )


def _sureness(verdict: QualityVerdict) -> str:
    if verdict.level is Level.MODERATE:
        return "an estimate from calibrated scores: it holds as long as the same case still has the same outcome"
    if verdict.level is Level.DRIFT:
        return "the whole 95 % interval lies beyond the limit"
    return "in doubt: the last window's interval holds the limit"


def _read(connection: Connection, model: Model, ended: float) -> list[QualityReport]:
    return [QualityReport.model_validate_json(text) for text in quality.latest(connection, model, _MOST, ended=ended)]


def _leading(reports: Sequence[QualityReport], weight: Callable[[QualityReport], int]) -> QualityReport | None:
    """The report with the most weight in the last window that has any."""
    some = [report for report in reports if weight(report) > 0]
    return max(some, key=lambda report: (report.window.since, weight(report)), default=None)


def _feedback(connection: Connection, model: Model, report: QualityReport) -> VersionFeedback | None:
    found = [VersionFeedback.model_validate_json(text) for text in quality.versions(connection, model)]
    return next((item for item in found if item.version == report.version), None)
