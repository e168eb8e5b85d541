"""Has Prometheus count what a rollout's metrics ask for, all of them at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from modelloop_core.wire.evidence import Verdict
from modelloop_operator.cluster.prometheus import Prometheus, PrometheusError
from modelloop_operator.decide.measures import NO_PROMETHEUS, UNREADABLE, Measure, judged
from modelloop_operator.decide.observation import Measured


@dataclass(frozen=True)
class Measurements:
    """What each metric said; `reason` is why one has no number, if one has none."""

    measured: tuple[Measured, ...]
    reason: str = NO_PROMETHEUS


async def measure_all(prometheus: Prometheus | None, measures: Sequence[Measure], beyond: Counter[str]) -> Measurements:
    """Ask for each number; `beyond` counts by name how many in a row were beyond their limits."""
    # At once: a Prometheus that is slow takes as long for ten as for one.
    found = await asyncio.gather(*(_measured(prometheus, measure, beyond) for measure in measures))
    reasons = [reason for _, reason in found if reason]
    return Measurements(tuple(measured for measured, _ in found), reasons[-1] if reasons else NO_PROMETHEUS)


def unmeasured(measures: Sequence[Measure], why: str) -> Measurements:
    """No number at all."""
    return Measurements(tuple(_without(measure, why) for measure in measures), UNREADABLE)


async def _measured(prometheus: Prometheus | None, measure: Measure, beyond: Counter[str]) -> tuple[Measured, str]:
    if prometheus is None:
        missing = "the installation names no Prometheus (operator.prometheusURL of charts/modelloop)"
        return _without(measure, missing), NO_PROMETHEUS
    try:
        value = await prometheus.value(measure.promql)
    except PrometheusError as error:
        # Neither within nor beyond: what was counted so far stays.
        return _without(measure, str(error)), error.reason
    beyond[measure.name] = 0 if measure.is_within(value) else beyond[measure.name] + 1
    return judged(measure, value, beyond[measure.name]), ""


def _without(measure: Measure, why: str) -> Measured:
    return Measured(measure.name, Verdict.ERROR, f"{measure.name}: {why}", measure.dry_run)
