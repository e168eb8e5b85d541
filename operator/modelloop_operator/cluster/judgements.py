"""Asks the monitor, and Prometheus for metrics of the spec's own, about versions that earn their traffic.

It does so in turns beside the passes; a pass takes what was read last.

Unlike a report, which may be late, silence is told at once: a verdict that cannot be had any more holds the rollout.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, Verdict
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.monitor import Monitor, MonitorError
from modelloop_operator.cluster.prometheus import Prometheus, PrometheusError
from modelloop_operator.decide.figures import figures_of
from modelloop_operator.decide.measures import NO_PROMETHEUS, Measure, judged, together
from modelloop_operator.decide.observation import UNJUDGED, Judgement, Measured

log = logging.getLogger(__name__)

_AT_A_TIME = 8
_TICK_SECONDS = 0.25


@dataclass
class _Entry:
    query: EvidenceQuery
    measures: tuple[Measure, ...]
    seconds: float
    due: float
    beyond: Counter[str] = field(default_factory=Counter)
    found: Judgement = UNJUDGED
    told: Judgement | None = None
    busy: bool = False


class Judgements:
    """What the evidence says, by MLModel; `on_change` is called with the keys that were told something else.

    Numbers are something else, too: there is at most one answer, and so one write, in each interval.
    """

    def __init__(
        self,
        monitor: Monitor | None,
        prometheus: Prometheus | None = None,
        *,
        on_change: Callable[[Key], None],
        on_read: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._monitor = monitor
        self._prometheus = prometheus
        self._on_change = on_change
        self._on_read = on_read
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}

    def of(
        self, key: Key, query: EvidenceQuery | None, seconds: float, measures: tuple[Measure, ...] = ()
    ) -> Judgement | None:
        """What is known by now, None where nobody can be asked; without a query nothing is asked any more."""
        if self._monitor is None and not measures:
            self.release(key)
            return None
        if query is None:
            self.release(key)
            return UNJUDGED
        entry = self._entries.get(key)
        if entry is None or (entry.query, entry.measures) != (query, measures):
            # What was said of another step or version says nothing about this one.
            entry = self._entries[key] = _Entry(query, measures, seconds, due=self._clock())
        entry.due = min(entry.due, self._clock() + seconds)
        entry.seconds, entry.told = seconds, entry.found
        return entry.found

    def release(self, key: Key) -> None:
        """Ask no more about an MLModel."""
        self._entries.pop(key, None)

    async def poll(self) -> None:
        """Ask each question when it is due, for ever."""
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry in self._next():
                    entry.busy = True
                    turns.create_task(self._turn(key, entry))
                await asyncio.sleep(_TICK_SECONDS)

    def _next(self) -> list[tuple[Key, _Entry]]:
        now = self._clock()
        due = [(key, entry) for key, entry in self._entries.items() if entry.due <= now and not entry.busy]
        due.sort(key=lambda found: found[1].due)
        busy = sum(entry.busy for entry in self._entries.values())
        return due[: max(0, _AT_A_TIME - busy)]

    async def _turn(self, key: Key, entry: _Entry) -> None:
        try:
            evidence = await self._evidence(key, entry.query)
            self._tell(key, entry, await self._with_metrics(evidence, entry))
        except Exception as error:
            log.exception("evidence not read", extra={"model": "/".join(key)})
            self._tell(key, entry, Judgement(Verdict.ERROR, "EvidenceUnreadable", f"{type(error).__name__}: {error}"))
        finally:
            entry.busy, entry.due = False, self._clock() + entry.seconds

    async def _evidence(self, key: Key, query: EvidenceQuery) -> Judgement | None:
        if self._monitor is None:
            return None
        try:
            found = _told(await self._monitor.evidence(*key, query))
            self._on_read("read")
        except MonitorError as error:
            self._on_read(type(error).__name__)
            return Judgement(Verdict.ERROR, error.reason, str(error))
        return found

    async def _with_metrics(self, evidence: Judgement | None, entry: _Entry) -> Judgement:
        if evidence is not None and not entry.measures:
            return evidence
        reason, found = NO_PROMETHEUS, []
        for measure in entry.measures:
            try:
                found.append(await self._measured(measure, entry.beyond))
            except PrometheusError as error:
                reason = error.reason
                # Neither within nor beyond: what was counted so far stays.
                found.append(Measured(measure.name, Verdict.ERROR, f"{measure.name}: {error}", measure.dry_run))
        return together(evidence, reason, found)

    async def _measured(self, measure: Measure, beyond: Counter[str]) -> Measured:
        if self._prometheus is None:
            missing = "the installation names no Prometheus (operator.prometheusURL of charts/modelloop)"
            return Measured(measure.name, Verdict.ERROR, f"{measure.name}: {missing}", measure.dry_run)
        value = await self._prometheus.value(measure.promql)
        beyond[measure.name] = 0 if measure.is_within(value) else beyond[measure.name] + 1
        return judged(measure, value, beyond[measure.name])

    def _tell(self, key: Key, entry: _Entry, found: Judgement) -> None:
        before = entry.found
        if found.figures is None:
            found = replace(found, figures=before.figures, winner=before.winner, experiment=before.experiment)
        # The first words of a verdict stay: status would say another sentence each time. The numbers are in `figures`.
        if _gist(found) == _gist(before):
            found = replace(found, message=before.message, metrics=before.metrics)
        if found != before:
            entry.found = found
        if self._entries.get(key) is entry and entry.told != entry.found:
            self._on_change(key)


def _gist(found: Judgement) -> tuple[object, ...]:
    return found.verdict, found.reason, tuple((one.name, one.verdict) for one in found.metrics)


def _told(evidence: RolloutEvidence | None) -> Judgement:
    found = _read(evidence)
    if evidence is None:
        return found
    found, experiment = replace(found, figures=figures_of(evidence)), evidence.experiment
    return found if experiment is None else replace(found, winner=experiment.winner, experiment=experiment.message)


def _read(evidence: RolloutEvidence | None) -> Judgement:
    if evidence is None:
        missing = "the monitor has no evidence to give; is it of this release?"
        return Judgement(Verdict.ERROR, "NoEvidence", missing)
    concerned = [check.name.value for check in evidence.checks if check.verdict == evidence.verdict]
    match evidence.verdict:
        case Verdict.PASSED:
            return Judgement(Verdict.PASSED, "Passed", evidence.message)
        case Verdict.FAILED:
            return Judgement(Verdict.FAILED, "".join(concerned[:1]) or "Failed", evidence.message)
        case Verdict.INCONCLUSIVE:
            # Without the numbers, which grow with every answer: they are read where they are, at the monitor.
            undecided = ", ".join(dict.fromkeys(concerned)) or "the number of requests"
            hints = "".join(f"; {check.hint}" for check in evidence.checks if check.hint)
            return Judgement(Verdict.INCONCLUSIVE, "Inconclusive", f"not enough evidence yet about {undecided}{hints}")
        case Verdict.ERROR:
            return Judgement(Verdict.ERROR, "EvidenceError", evidence.message)
