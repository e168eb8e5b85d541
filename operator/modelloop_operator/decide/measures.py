"""Numbers that a rollout has somebody else count: what Prometheus is asked, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelloop_core.api.analysis import Metric
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.observation import Judgement, Measured, Observation
from modelloop_operator.decide.plan import plan_of

BEYOND_BEFORE_FAILED = 3
"""How many measurements in a row must be beyond the limit: one alone is chance too often, looked at every minute."""

NO_PROMETHEUS, UNREADABLE, UNREACHABLE = "NoPrometheus", "MetricUnreadable", "PrometheusUnreachable"
"""Reasons for which a metric has no number."""

_PLACEHOLDER = re.compile(r"\{\{ *([a-z]+) *\}\}")
_WORST_FIRST = tuple(Verdict)


@dataclass(frozen=True)
class Measure:
    """One question to Prometheus, with its placeholders filled in, and what the answer is held against."""

    name: str
    promql: str
    most: float | None
    least: float | None
    dry_run: bool = False

    @property
    def limit(self) -> str:
        """What is allowed, in words."""
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"

    def is_within(self, value: float) -> bool:
        """Whether a number is allowed."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


def measures(seen: Observation, version: str, against: str) -> tuple[Measure, ...]:
    """What is asked about a version that is tried, or was promoted, in place of the one `against`."""
    meta, analysis = seen.model.metadata, plan_of(seen).rollout.analysis
    words = {"namespace": meta.namespace, "name": meta.name, "version": version, "stable": against}
    words["interval"] = analysis.interval
    return tuple(_measure(metric, words) for metric in analysis.metrics or ())


def judged(measure: Measure, value: float, beyond: int) -> Measured:
    """What a number says; `beyond` of them in a row, this one included, were beyond the limit."""
    told = f"{measure.name} is {value:.6g} ({measure.limit})"
    verdict = Verdict.PASSED
    if not measure.is_within(value):
        verdict = Verdict.FAILED if beyond >= BEYOND_BEFORE_FAILED else Verdict.INCONCLUSIVE
        of = "times in a row" if verdict is Verdict.FAILED else f"of {BEYOND_BEFORE_FAILED} times"
        told += f", {beyond} {of}"
    return Measured(measure.name, verdict, told, measure.dry_run)


def together(evidence: Judgement | None, reason: str, measured: Sequence[Measured]) -> Judgement:
    """The whole verdict: the first of Failed, Error, Inconclusive and Passed that the evidence or a metric has.

    `reason` is why a metric has no number. Dry runs are told and change nothing.
    """
    told = tuple(measured)
    found = [] if evidence is None else [evidence]
    for one in (one for one in told if not one.dry_run):
        why = {Verdict.ERROR: reason, Verdict.FAILED: "MetricFailed"}.get(one.verdict, one.verdict.value)
        found.append(Judgement(one.verdict, why, one.message))
    if not found:
        return Judgement(Verdict.PASSED, "Passed", "nothing but dry runs is measured", told)
    worst = min(found, key=lambda one: _WORST_FIRST.index(one.verdict))
    alike = [one.message for one in found if one.verdict is worst.verdict]
    whole = Judgement(worst.verdict, worst.reason, "; ".join(alike), told)
    if evidence is None:
        return whole
    return replace(whole, winner=evidence.winner, experiment=evidence.experiment, figures=evidence.figures)


def _measure(metric: Metric, words: dict[str, str]) -> Measure:
    promql = _PLACEHOLDER.sub(lambda found: words[found[1]], metric.promql)
    return Measure(metric.name, promql, metric.max, metric.min, metric.dryRun)
