"""Answers about a rollout's evidence as charts: of each check what was seen, shown, and not excluded yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from modelloop_core.wire.evidence import CheckName, RolloutEvidence
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
    CheckName.QUALITY_DROP: _Shown("Quality that the live version has more", "in units of the metric"),
    CheckName.BUSINESS_DROP: _Shown("Events that the live version has more", "% of its own", 100),
}


def shown_name(check: str) -> str:
    """What a check is called."""
    return _CHECKS[check].title if check in _CHECKS else check


def evidence_charts(answers: Sequence[RolloutEvidence]) -> tuple[Chart, ...]:
    """A chart for each check that was ever answered with a number."""
    names = dict.fromkeys(check.name for one in answers for check in one.checks if check.value is not None)
    return tuple(_chart(str(name), answers) for name in names)


def _chart(name: str, answers: Sequence[RolloutEvidence]) -> Chart:
    shown = _CHECKS.get(name, _Shown(name, ""))
    found = [_numbers(name, one) for one in answers]
    line = Series(
        answers[-1].candidate.version,
        tuple(_scaled(one.value, shown) for one in found),
        low=tuple(_scaled(one.low, shown) for one in found),
        high=tuple(_scaled(one.high, shown) for one in found),
    )
    limit = next((one.limit for one in reversed(found) if one.limit is not None), None)
    limits = (("limit", limit * shown.factor),) if limit is not None else ()
    times = tuple(one.until.timestamp() for one in answers)
    return Chart(shown.title, shown.unit, times, (line,), limits=limits)


def _numbers(name: str, evidence: RolloutEvidence) -> _Numbers:
    check = next((check for check in evidence.checks if check.name == name), None)
    if check is None:
        return _Numbers()
    # Nothing is shown yet: it may be as low as it can be.
    low = None if check.at_most is None else check.at_least or 0.0
    return _Numbers(check.value, low, check.at_most, check.limit)


def _scaled(value: float | None, shown: _Shown) -> float | None:
    return None if value is None else value * shown.factor
