"""What the monitor's report means for an MLModel: its drift status, the conditions that follow, and what is news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import DRIFTED_FEATURES_LENGTH, Condition, DriftStatus
from modelloop_core.wire.reports import Level
from modelloop_operator.decide.observation import (
    AWAY,
    NO_MONITOR,
    NOT_YET_READ,
    REFUSED,
    FallbackUse,
    NoReport,
    Observation,
    Report,
)

Verdict = tuple[Literal["True", "False", "Unknown"], str, str]

_FEWEST_REQUESTS = 20
_DEGRADED_SHARE, _WELL_SHARE = 0.05, 0.01


@dataclass(frozen=True)
class News:
    """Something about the traffic that people should hear of once."""

    reason: str
    message: str
    warning: bool


def drift_status(seen: Observation, now: str) -> DriftStatus | None:
    """The drift block: a new one when the level changed, else as it is; what is not known changes nothing."""
    before = seen.model.status.drift
    if not isinstance(seen.watch, Report):
        return before
    level = level_of(seen.watch)
    if before is not None and before.level == level:
        return before
    features = list(seen.watch.features[:DRIFTED_FEATURES_LENGTH])
    return DriftStatus(level=level, since=now, version=seen.watch.version, features=features)


def fallback_use(requests: int, fallbacks: int) -> FallbackUse:
    """How much the fallback answers; a few requests say nothing about it."""
    if requests < _FEWEST_REQUESTS:
        return FallbackUse.UNKNOWN
    share = fallbacks / requests
    if share >= _DEGRADED_SHARE:
        return FallbackUse.MANY
    return FallbackUse.SOME if share > _WELL_SHARE else FallbackUse.FEW


def level_of(report: Report) -> Level:
    """Drift only once it lasted: a single window that shows it is no more than worth a look."""
    if report.incident is not None:
        return report.incident
    return Level.MODERATE if report.level is Level.DRIFT else report.level


def drifted(block: DriftStatus | None, seen: Observation, before: Condition | None) -> Verdict | None:
    """Whether what comes in no longer looks as in training; absent where nobody watches."""
    match seen.watch:
        case NoReport() if seen.watch == NOT_YET_READ:
            # A new leader knows nothing yet, which is no news about the model.
            return as_before(before)
        case NoReport() if seen.watch == NO_MONITOR:
            return None
        case NoReport(reason, message):
            return "Unknown", reason, message
        case Report() as report:
            # From the block, which changes with the level alone: a message that follows each window would be a write
            # with each window.
            worst = ", ".join(block.features) if block else ""
            return _drifted(level_of(report), worst, seen.model.metadata.name)


def _drifted(level: Level, worst: str, name: str) -> Verdict:
    numbers = f"`kubectl mlmodel drift {name}` shows the numbers"
    match level:
        case Level.DRIFT:
            return "True", "Drift", f"{worst or 'something'} drifted and has stayed so; {numbers}"
        case Level.MODERATE:
            return "False", "ModerateDrift", f"worth a look: {worst or 'something'} has moved; {numbers}"
        case Level.INSUFFICIENT:
            return "Unknown", "InsufficientData", "the last window had too few rows to judge"
        case Level.NO_DATA:
            return "Unknown", "NoData", "no traffic was counted in the last window"
        case Level.TREND:
            return "False", "Trend", "a small change is certain, and too small to matter"
        case Level.STABLE:
            return "False", "Stable", "what comes in looks as in training"


def degraded(seen: Observation, before: Condition | None) -> Verdict | None:
    """Whether the fallback answers in the model's place; absent without a fallback or a monitor."""
    if seen.model.spec.serving.fallback is None or seen.watch == NO_MONITOR:
        return None
    use = seen.watch.fallback if isinstance(seen.watch, Report) else FallbackUse.UNKNOWN
    if use is FallbackUse.UNKNOWN or (use is FallbackUse.SOME and before is not None):
        return as_before(before)
    if use is FallbackUse.MANY:
        found = f"{_DEGRADED_SHARE:.0%} of the last answers or more were the fallback's, in the model's place"
        return "True", "FallbackServes", f"{found}: see the pods' logs and spec.serving.timeout"
    return "False", "ModelServes", "the model itself answers"


def monitoring_available(seen: Observation, before: Condition | None) -> Verdict | None:
    """Whether what spec.monitoring asks for, or by default has, can be had here; absent where it asks for nothing."""
    problem = seen.watch_problem
    if seen.model.spec.monitoring is None and problem is None:
        return None
    if seen.watch == NO_MONITOR:
        more = "" if problem is None else f". {problem.message}"
        return "False", NO_MONITOR.reason, f"spec.monitoring needs the monitor; {NO_MONITOR.message}{more}"
    if problem is not None:
        return "False", problem.reason, problem.message
    if isinstance(seen.watch, NoReport) and seen.watch.reason in (AWAY, NOT_YET_READ.reason):
        return as_before(before) or ("Unknown", seen.watch.reason, seen.watch.message)
    if isinstance(seen.watch, NoReport) and seen.watch.reason == REFUSED:
        return "False", seen.watch.reason, seen.watch.message
    return "True", "Watched", "the monitor watches it as spec.monitoring says"


def as_before(condition: Condition | None) -> Verdict | None:
    """What was said before, if anything was."""
    return (condition.status, condition.reason, condition.message) if condition is not None else None


def news(before: MLModelStatus, after: MLModelStatus) -> list[News]:
    """What people should be told of when `before` becomes `after`."""
    return [found for found in (_drift_news(before, after), _fallback_news(before, after)) if found is not None]


def _drift_news(before: MLModelStatus, after: MLModelStatus) -> News | None:
    was, is_ = (status.drift.level if status.drift else "" for status in (before, after))
    condition = after.condition("Drifted")
    if was == is_ or condition is None:
        return None
    if is_ == Level.DRIFT:
        return News("Drifted", condition.message, warning=True)
    if was == Level.DRIFT:
        return News("DriftOver", f"now {is_}: {condition.message}", warning=False)
    if is_ == Level.MODERATE:
        return News(condition.reason, condition.message, warning=False)
    return None


def _fallback_news(before: MLModelStatus, after: MLModelStatus) -> News | None:
    was, is_ = (status.condition("Degraded") for status in (before, after))
    failed, fails = (condition is not None and condition.status == "True" for condition in (was, is_))
    if failed == fails or is_ is None:
        return None
    return News(is_.reason, is_.message, warning=fails)
