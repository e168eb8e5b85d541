"""Answers about a rollout's evidence as charts: of each check what was seen, shown, and not excluded yet.

Of an A/B test, and of what else both versions are worth, the difference with what holds it at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from modelloop_core.wire.evidence import Check, CheckName, Comparison, RolloutEvidence
from modelloop_monitor.dashboard.charts import Chart, Series


class _Shown(NamedTuple):
    title: str
    unit: str
    factor: float = 1.0


class _Numbers(NamedTuple):
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


_CHECKS: dict[str, _Shown] = {
    CheckName.ERROR_RATE: _Shown("Errors", "% of requests", 100),
    CheckName.ERROR_INCREASE: _Shown("Errors against the live version", "times"),
    CheckName.REFUSAL_INCREASE: _Shown("Refusals against the live version", "times"),
    CheckName.LATENCY_P95: _Shown("95th percentile of latency", "ms", 1000),
    CheckName.LATENCY_INCREASE: _Shown("Latency against the live version", "times"),
    CheckName.PREDICTION_PSI: _Shown("Outputs against the live version", "PSI"),
    CheckName.DISAGREEMENT: _Shown("Copies answered otherwise than by the live version", "%", 100),
    CheckName.QUALITY_DROP: _Shown("Quality that the live version has more", "in units of the metric"),
    CheckName.BUSINESS_DROP: _Shown("Events that the live version has more", "% of its own", 100),
}


def shown_name(check: str) -> str:
    """What a check is called."""
    return _CHECKS[check].title if check in _CHECKS else check


_COMPARED: dict[str, _Shown] = {
    "quality": _Shown("", "in units of the metric"),
    "rate": _Shown("", "points of requests", 100),
    "sum": _Shown("", "for each request"),
    "output": _Shown("", "in units of the answers"),
}


def comparisons(answer: RolloutEvidence) -> tuple[Comparison, ...]:
    """What both versions are worth: the A/B test first, whose metric is not told twice."""
    if answer.experiment is None:
        return answer.comparisons
    others = (one for one in answer.comparisons if one.metric != answer.experiment.metric)
    return (answer.experiment, *others)


def evidence_charts(answers: Sequence[RolloutEvidence]) -> tuple[Chart, ...]:
    """The A/B test if there is one, each metric that is compared, each check that was answered with a number."""
    compared = dict.fromkeys(one.metric for answer in answers for one in comparisons(answer) if _is_there(one))
    checked = dict.fromkeys(_key(check) for one in answers for check in one.checks if check.value is not None)
    return (*(_difference(metric, answers) for metric in compared), *(_chart(*key, answers) for key in checked))


def _key(check: Check) -> tuple[str, str]:
    return str(check.name), check.subject


def _chart(name: str, subject: str, answers: Sequence[RolloutEvidence]) -> Chart:
    shown = _CHECKS.get(name, _Shown(name, ""))
    found = [_numbers((name, subject), one) for one in answers]
    limit = next((one.limit for one in reversed(found) if one.limit is not None), None)
    limits = (("limit", limit * shown.factor),) if limit is not None else ()
    title = f"{shown.title}: {subject}" if subject else shown.title
    return Chart(title, shown.unit, _times(answers), (_line(answers, found, shown),), limits=limits)


def _numbers(key: tuple[str, str], evidence: RolloutEvidence) -> _Numbers:
    check = next((check for check in evidence.checks if _key(check) == key), None)
    if check is None:
        return _Numbers()
    # Nothing is shown yet: it may be as low as it can be.
    low = None if check.at_most is None else check.at_least or 0.0
    return _Numbers(check.value, low, check.at_most, check.limit)


def _difference(metric: str, answers: Sequence[RolloutEvidence]) -> Chart:
    """By how much the candidate has more of a metric than the live version."""
    found = [next((one for one in comparisons(answer) if one.metric == metric), None) for answer in answers]
    last = next(one for one in reversed(found) if one is not None)
    shown, newest = _COMPARED[last.kind], answers[-1]
    numbers = [_Numbers() if one is None else _Numbers(one.difference, one.low, one.high) for one in found]
    test = newest.experiment is not None and newest.experiment.metric == metric
    better = "more" if last.higher else "less"
    title = f"{'A/B test: ' if test else ''}{metric}, against {newest.stable.version} ({better} is better)"
    line, limits = _line(answers, numbers, shown), (("no difference", 0.0),)
    return Chart(title, shown.unit, _times(answers), (line,), limits=limits, zoom=True)


def _is_there(comparison: Comparison) -> bool:
    return comparison.difference is not None


def _line(answers: Sequence[RolloutEvidence], found: Sequence[_Numbers], shown: _Shown) -> Series:
    return Series(
        answers[-1].candidate.version,
        tuple(_scaled(one.value, shown) for one in found),
        low=tuple(_scaled(one.low, shown) for one in found),
        high=tuple(_scaled(one.high, shown) for one in found),
    )


def _times(answers: Sequence[RolloutEvidence]) -> tuple[float, ...]:
    return tuple(one.until.timestamp() for one in answers)


def _scaled(value: float | None, shown: _Shown) -> float | None:
    return None if value is None else value * shown.factor
