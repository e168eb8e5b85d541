"""Whether a version's quality in one window is below what its owner asked for: labels decide, estimates only warn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelloop_core.wire.reports import Interval, Level, QualityReport
from modelloop_core.wire.settings import QualitySettings


@dataclass(frozen=True)
class QualityVerdict:
    """A level with a one-word reason and a sentence for people."""

    level: Level
    reason: str
    message: str


def judge_quality(report: QualityReport, settings: QualitySettings, now: datetime) -> QualityVerdict:
    """Judge by labels once they had `label_delay_seconds`; before, an estimate that is surely bad is moderate."""
    metric, limit = settings.metric, _limit(settings)
    found = report.metrics.get(metric)
    due = report.window.until + timedelta(seconds=settings.label_delay_seconds)
    if now < due or found is None or found.value is None:
        return _by_estimate(report, settings)
    said = f"{metric} {_shown(found)} of {report.labelled} labelled predictions against {limit}"
    if found.low is None or found.high is None:
        return QualityVerdict(Level.INSUFFICIENT, "TooFewLabels", said)
    if _surely_bad(found, settings):
        return QualityVerdict(Level.DRIFT, "QualityTooLow", said)
    if _is_bad(found.value, settings):
        return QualityVerdict(Level.TREND, "QualityInDoubt", f"{said}, which the interval does not settle")
    return QualityVerdict(Level.STABLE, "QualityHolds", said)


def _by_estimate(report: QualityReport, settings: QualitySettings) -> QualityVerdict:
    estimated = report.estimated.get(settings.metric)
    if estimated is not None and _surely_bad(estimated, settings):
        said = f"{settings.metric} is estimated at {_shown(estimated)} against {_limit(settings)}, before labels"
        return QualityVerdict(Level.MODERATE, "EstimateTooLow", said)
    return QualityVerdict(Level.NO_DATA, "WaitingForLabels", f"{report.labelled} of {report.predictions} have labels")


def _surely_bad(found: Interval, settings: QualitySettings) -> bool:
    """Whether even the better end of the interval is."""
    better = found.high if settings.min is not None else found.low
    return better is not None and _is_bad(better, settings)


def _is_bad(value: float, settings: QualitySettings) -> bool:
    below = settings.min is not None and value < settings.min
    return below or (settings.max is not None and value > settings.max)


def _limit(settings: QualitySettings) -> str:
    return f"at least {settings.min:g}" if settings.min is not None else f"at most {settings.max:g}"


def _shown(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.4g}"
    return f"{found.value:.4g} ({found.low:.4g} to {found.high:.4g})"
