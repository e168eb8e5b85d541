"""Asks the monitor about versions that earn their traffic, in turns beside the passes; a pass takes what was read last.

Unlike a report, which may be late, silence is told at once: a verdict that cannot be had any more holds the rollout.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, Verdict
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.monitor import Monitor, MonitorError
from modelloop_operator.decide.observation import UNJUDGED, Judgement

log = logging.getLogger(__name__)

_AT_A_TIME = 8
_TICK_SECONDS = 0.25


@dataclass
class _Entry:
    query: EvidenceQuery
    seconds: float
    due: float
    found: Judgement = UNJUDGED
    told: Judgement | None = None
    busy: bool = False


class Judgements:
    """What the evidence says, by MLModel; `on_change` is called with the keys that were told something else."""

    def __init__(
        self,
        monitor: Monitor | None,
        *,
        on_change: Callable[[Key], None],
        on_read: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._monitor = monitor
        self._on_change = on_change
        self._on_read = on_read
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}

    def of(self, key: Key, query: EvidenceQuery | None, seconds: float) -> Judgement | None:
        """What is known by now, None without a monitor; without a query nothing is asked any more."""
        if self._monitor is None:
            return None
        if query is None:
            self.release(key)
            return UNJUDGED
        entry = self._entries.get(key)
        if entry is None or entry.query != query:
            # What was said of another step or version says nothing about this one.
            entry = self._entries[key] = _Entry(query, seconds, due=self._clock())
        entry.due = min(entry.due, self._clock() + seconds)
        entry.seconds, entry.told = seconds, entry.found
        return entry.found

    def release(self, key: Key) -> None:
        """Ask no more about an MLModel."""
        self._entries.pop(key, None)

    async def poll(self) -> None:
        """Ask each question when it is due, for ever."""
        if self._monitor is None:
            return
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry in self._next():
                    entry.busy = True
                    turns.create_task(self._turn(self._monitor, key, entry))
                await asyncio.sleep(_TICK_SECONDS)

    def _next(self) -> list[tuple[Key, _Entry]]:
        now = self._clock()
        due = [(key, entry) for key, entry in self._entries.items() if entry.due <= now and not entry.busy]
        due.sort(key=lambda found: found[1].due)
        busy = sum(entry.busy for entry in self._entries.values())
        return due[: max(0, _AT_A_TIME - busy)]

    async def _turn(self, monitor: Monitor, key: Key, entry: _Entry) -> None:
        try:
            self._tell(key, entry, _read(await monitor.evidence(*key, entry.query)))
            self._on_read("read")
        except MonitorError as error:
            self._on_read(type(error).__name__)
            self._tell(key, entry, Judgement(Verdict.ERROR, error.reason, str(error)))
        except Exception as error:
            log.exception("evidence not read", extra={"model": "/".join(key)})
            self._tell(key, entry, Judgement(Verdict.ERROR, "EvidenceUnreadable", f"{type(error).__name__}: {error}"))
        finally:
            entry.busy, entry.due = False, self._clock() + entry.seconds

    def _tell(self, key: Key, entry: _Entry, found: Judgement) -> None:
        # The first words of a verdict stay: numbers change with every answer, and status would never come to rest.
        if (found.verdict, found.reason) != (entry.found.verdict, entry.found.reason):
            entry.found = found
        if self._entries.get(key) is entry and entry.told != entry.found:
            self._on_change(key)


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
            undecided = ", ".join(concerned) or "the number of requests"
            return Judgement(Verdict.INCONCLUSIVE, "Inconclusive", f"not enough evidence yet about {undecided}")
        case Verdict.ERROR:
            return Judgement(Verdict.ERROR, "EvidenceError", evidence.message)
