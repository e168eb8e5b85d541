"""Asks the monitor, and Prometheus for metrics of the spec's own, about versions that earn their traffic.

It does so in turns beside the passes; a pass takes what was read last. The two are asked each in its own turns: what
is slow of one, or of another MLModel's metrics, does not keep the evidence from taking a version back.

Unlike a report, which may be late, silence is told at once: a verdict that cannot be had any more holds the rollout.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, Verdict
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.measuring import Measurements, measure_all, unmeasured
from modelloop_operator.cluster.monitor import Monitor, MonitorError
from modelloop_operator.cluster.prometheus import Prometheus
from modelloop_operator.decide.figures import figures_of
from modelloop_operator.decide.measures import Measure, together
from modelloop_operator.decide.observation import UNJUDGED, Judgement

log = logging.getLogger(__name__)

_AT_A_TIME = 8
_TICK_SECONDS = 0.25


Answer = TypeVar("Answer")


@dataclass
class _Side(Generic[Answer]):
    """One of the two that are asked about a question: when it is again, and what it said last, None before."""

    due: float
    busy: bool = False
    said: Answer | None = None


@dataclass
class _Entry:
    """A question, and what is known of it; a side that nobody asks is None."""

    query: EvidenceQuery
    measures: tuple[Measure, ...]
    seconds: float
    evidence: _Side[Judgement] | None
    metrics: _Side[Measurements] | None
    beyond: Counter[str] = field(default_factory=Counter)
    found: Judgement = UNJUDGED
    told: Judgement | None = None


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
            entry = self._entries[key] = self._entry(query, measures, seconds)
        for side in (entry.evidence, entry.metrics):
            if side is not None:
                side.due = min(side.due, self._clock() + seconds)
        entry.seconds, entry.told = seconds, entry.found
        return entry.found

    def release(self, key: Key) -> None:
        """Ask no more about an MLModel."""
        self._entries.pop(key, None)

    async def poll(self) -> None:
        """Ask each question when it is due, for ever."""
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry, evidence in self._next(lambda entry: entry.evidence):
                    turns.create_task(self._ask_monitor(key, entry, evidence))
                for key, entry, metrics in self._next(lambda entry: entry.metrics):
                    turns.create_task(self._ask_prometheus(key, entry, metrics))
                await asyncio.sleep(_TICK_SECONDS)

    def _entry(self, query: EvidenceQuery, measures: tuple[Measure, ...], seconds: float) -> _Entry:
        now = self._clock()
        evidence: _Side[Judgement] | None = _Side(now) if self._monitor is not None else None
        metrics: _Side[Measurements] | None = _Side(now) if measures else None
        return _Entry(query, measures, seconds, evidence, metrics)

    def _next(self, of: Callable[[_Entry], _Side[Answer] | None]) -> list[tuple[Key, _Entry, _Side[Answer]]]:
        """Whom to ask now about one side, marked as busy: who is due longest goes first, as far as there are slots."""
        now = self._clock()
        sides = [(key, entry, side) for key, entry in self._entries.items() if (side := of(entry)) is not None]
        due = sorted((one for one in sides if one[2].due <= now and not one[2].busy), key=lambda one: one[2].due)
        chosen = due[: max(0, _AT_A_TIME - sum(side.busy for _, _, side in sides))]
        for _, _, side in chosen:
            side.busy = True
        return chosen

    async def _ask_monitor(self, key: Key, entry: _Entry, side: _Side[Judgement]) -> None:
        try:
            side.said = await self._evidence(key, entry.query)
        except Exception as error:
            log.exception("evidence not read", extra={"model": "/".join(key)})
            side.said = Judgement(Verdict.ERROR, "EvidenceUnreadable", f"{type(error).__name__}: {error}")
        finally:
            side.busy, side.due = False, self._clock() + entry.seconds
        self._tell(key, entry)

    async def _ask_prometheus(self, key: Key, entry: _Entry, side: _Side[Measurements]) -> None:
        try:
            side.said = await measure_all(self._prometheus, entry.measures, entry.beyond)
        except Exception as error:
            log.exception("metrics not read", extra={"model": "/".join(key)})
            side.said = unmeasured(entry.measures, f"{type(error).__name__}: {error}")
        finally:
            side.busy, side.due = False, self._clock() + entry.seconds
        self._tell(key, entry)

    async def _evidence(self, key: Key, query: EvidenceQuery) -> Judgement:
        assert self._monitor is not None  # noqa: S101 without one this side is not asked
        try:
            found = _told(await self._monitor.evidence(*key, query))
            self._on_read("read")
        except MonitorError as error:
            self._on_read(type(error).__name__)
            return Judgement(Verdict.ERROR, error.reason, str(error))
        return found

    def _tell(self, key: Key, entry: _Entry) -> None:
        found, before = _known(entry), entry.found
        if found is None:
            return
        if found.figures is None:
            found = replace(found, figures=before.figures, winner=before.winner, experiment=before.experiment)
        # The first words of a verdict stay: status would say another sentence each time. The numbers are in `figures`.
        if _gist(found) == _gist(before):
            found = replace(found, message=before.message, metrics=before.metrics)
        if found != before:
            entry.found = found
        if self._entries.get(key) is entry and entry.told != entry.found:
            self._on_change(key)


def _known(entry: _Entry) -> Judgement | None:
    """The whole verdict once both sides have spoken; what has failed by the evidence alone waits for no metric."""
    evidence = entry.evidence.said if entry.evidence is not None else None
    if entry.metrics is None:
        return evidence
    if entry.metrics.said is None:
        return evidence if evidence is not None and evidence.verdict is Verdict.FAILED else None
    if entry.evidence is not None and evidence is None:
        return None
    return together(evidence, entry.metrics.said.reason, entry.metrics.said.measured)


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
            live = f"; the live version {evidence.stable.version} fails by itself" if evidence.stable_failing else ""
            found = f"not enough evidence yet about {undecided}{hints}{live}"
            return Judgement(Verdict.INCONCLUSIVE, "Inconclusive", found)
        case Verdict.ERROR:
            return Judgement(Verdict.ERROR, "EvidenceError", evidence.message)
