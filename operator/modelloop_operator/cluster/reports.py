"""What the monitor says of each MLModel, read beside the passes and never waited for by one.

Each model has its turn every `poll_seconds`, jittered: its settings are put when they are new or long ago, then its
report is read. While the monitor is away one model at a time tries it; the others have their turn when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from modelloop_core.api import MLModel
from modelloop_core.feature_schema import Task
from modelloop_core.wire.reports import DriftReport, Level
from modelloop_core.wire.settings import RENEWED_SECONDS, ModelSettings
from modelloop_operator.cluster.alert_secrets import AlertSecrets
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.monitor import Monitor, MonitorAway, MonitorError
from modelloop_operator.cluster.port import ClusterError
from modelloop_operator.decide.observation import NO_MONITOR, NOT_YET_READ, FallbackUse, NoReport, Report
from modelloop_operator.decide.watch_settings import settings_of, unfit_metric
from modelloop_operator.decide.watching import fallback_use

log = logging.getLogger(__name__)

_AT_A_TIME = 8
_TICK_SECONDS = 0.25
_REST_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
"""How long a monitor may be away, as when its pod moves, before that is told."""

_WORST_FIRST = {Level.DRIFT: 0, Level.MODERATE: 1}


@dataclass(frozen=True)
class Watch:
    """What is known of a model's traffic, and why a part of spec.monitoring cannot be obeyed, if one cannot."""

    found: Report | NoReport
    problem: NoReport | None = None


@dataclass
class _Entry:
    model: MLModel
    task: Task | None
    due: float
    renew_at: float = 0.0
    put: ModelSettings | None = None
    watch: Watch = Watch(NOT_YET_READ)
    told: Watch | None = None
    failing_since: float | None = None
    busy: bool = False


class Reports:
    """The reports of all MLModels that serve; `on_change` is called with the keys that were told something else."""

    def __init__(
        self,
        monitor: Monitor | None,
        secrets: AlertSecrets,
        *,
        on_change: Callable[[Key], None],
        on_read: Callable[[str], None],
        clock: Callable[[], float],
        poll_seconds: float,
    ) -> None:
        self._monitor = monitor
        self._secrets = secrets
        self._on_change = on_change
        self._on_read = on_read
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._entries: dict[Key, _Entry] = {}
        self._away = ""
        self._tried = float("-inf")

    @property
    def idle(self) -> Watch:
        """What is known of a model that does not serve yet."""
        return Watch(NO_MONITOR if self._monitor is None else NOT_YET_READ)

    def of(self, key: Key, model: MLModel, task: Task | None) -> Watch:
        """What is known by now of a model whose live version is of `task`; from now on it has its turns."""
        if self._monitor is None:
            return self.idle
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(model, task, due=self._clock())
        elif (entry.model.spec, entry.task) != (model.spec, task):
            entry.due = self._clock()
        entry.model, entry.task, entry.told = model, task, entry.watch
        return entry.watch

    def release(self, key: Key) -> None:
        """Ask no more about an MLModel that is gone."""
        self._entries.pop(key, None)

    async def poll(self) -> None:
        """Give each model its turn, for ever."""
        if self._monitor is None:
            return
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry in self._next():
                    entry.busy = True
                    turns.create_task(self._turn(self._monitor, key, entry))
                await asyncio.sleep(_TICK_SECONDS)

    def _next(self) -> list[tuple[Key, _Entry]]:
        """Whose turn it is, the longest due first; only one while the monitor is away."""
        now = self._clock()
        due = sorted(
            ((key, entry) for key, entry in self._entries.items() if entry.due <= now and not entry.busy),
            key=lambda found: found[1].due,
        )
        if self._away:
            for key, entry in due:
                self._failed(key, entry, NoReport(MonitorAway.reason, self._away))
        busy = sum(entry.busy for entry in self._entries.values())
        most = int(self._tried + _REST_SECONDS <= now) if self._away else _AT_A_TIME
        return due[: max(0, most - busy)]

    async def _turn(self, monitor: Monitor, key: Key, entry: _Entry) -> None:
        try:
            watch = await self._ask(monitor, key, entry)
            entry.failing_since, self._away = None, ""
            self._tell(key, entry, watch)
            self._on_read("read")
        except MonitorError as error:
            # The first words stay: a status that follows each new wording would never come to rest.
            self._away = (self._away or str(error)) if isinstance(error, MonitorAway) else ""
            self._on_read(type(error).__name__)
            self._failed(key, entry, NoReport(error.reason, self._away or str(error)))
        except ClusterError as error:
            log.warning("alert Secret not read", extra={"model": "/".join(key), "error": str(error)})
        except Exception:
            log.exception("report not read", extra={"model": "/".join(key)})
        finally:
            entry.busy, self._tried = False, self._clock()
            # Jitter: a thousand models that were first seen together must not be asked about together for ever.
            entry.due = self._clock() + self._poll_seconds * random.uniform(0.8, 1.2)  # noqa: S311

    async def _ask(self, monitor: Monitor, key: Key, entry: _Entry) -> Watch:
        secrets, problem = await self._secrets.of(entry.model)
        settings = settings_of(entry.model, entry.task, secrets)
        if settings != entry.put or entry.renew_at <= self._clock():
            await monitor.put_settings(*key, settings)
            entry.put, entry.renew_at = settings, self._clock() + RENEWED_SECONDS / 2
        report = await monitor.drift(*key)
        return Watch(_read(report), problem or unfit_metric(entry.model, entry.task))

    def _failed(self, key: Key, entry: _Entry, why: NoReport) -> None:
        now = self._clock()
        entry.failing_since = now if entry.failing_since is None else entry.failing_since
        if now - entry.failing_since >= _PATIENCE_SECONDS and _differs(entry.watch.found, why):
            self._tell(key, entry, replace(entry.watch, found=why))

    def _tell(self, key: Key, entry: _Entry, watch: Watch) -> None:
        entry.watch = watch
        if self._entries.get(key) is entry and entry.told != watch:
            self._on_change(key)


def _differs(found: Report | NoReport, why: NoReport) -> bool:
    return not isinstance(found, NoReport) or found.reason != why.reason


def _read(report: DriftReport | None) -> Report | NoReport:
    if report is None:
        return NoReport("NoReportYet", "the monitor has judged no window of this model yet")
    incident = report.incident if report.incident is not None and report.incident.closed is None else None
    recent = report.recent
    return Report(
        level=report.verdict,
        incident=incident.level if incident is not None else None,
        version=report.version,
        features=incident.features if incident is not None else _moved(report),
        fallback=fallback_use(recent.requests, recent.fallbacks) if recent is not None else FallbackUse.UNKNOWN,
    )


def _moved(report: DriftReport) -> tuple[str, ...]:
    found = [column for column in report.columns if column.verdict in _WORST_FIRST and column.role != "ignore"]
    found.sort(key=lambda column: (_WORST_FIRST[column.verdict], -(column.psi or 0.0), column.name))
    return tuple(column.name for column in found)
