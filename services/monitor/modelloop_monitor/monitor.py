"""What the pages work with: the parts of one monitor, put together once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from modelloop_monitor.access import Access
from modelloop_monitor.checking import Clock, References
from modelloop_monitor.erasing import Eraser
from modelloop_monitor.evaluation import Evaluator, Patience
from modelloop_monitor.folding import Folder
from modelloop_monitor.gauges import ModelGauges
from modelloop_monitor.ingest import Ingest
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.notifying import Notifier
from modelloop_monitor.outcomes.joining import Joiner
from modelloop_monitor.outcomes.taking import Taker
from modelloop_monitor.quality.gauges import QualityGauges
from modelloop_monitor.quality.judge import QualityJudge
from modelloop_monitor.retention import Pruner
from modelloop_monitor.rollouts.comparing import Comparer
from modelloop_monitor.rollouts.tallies import Tallies
from modelloop_monitor.sending import Send, send
from modelloop_monitor.settings import MonitorSettings
from modelloop_monitor.store.engine import Store


@dataclass(frozen=True)
class Monitor:
    """The parts; `now` is the clock, in seconds since 1970 UTC."""

    settings: MonitorSettings
    store: Store
    metrics: Metrics
    references: References
    ingest: Ingest
    folder: Folder
    taker: Taker
    joiner: Joiner
    comparer: Comparer
    quality: QualityJudge
    access: Access
    clock: Clock
    evaluator: Evaluator
    notifier: Notifier
    pruner: Pruner
    eraser: Eraser
    gauges: ModelGauges
    quality_gauges: QualityGauges
    tallies: Tallies
    now: Callable[[], float] = time.time


def assemble(settings: MonitorSettings, now: Callable[[], float] = time.time, send: Send = send) -> Monitor:
    """A monitor by its settings; it opens and starts nothing."""
    store = Store(settings.database, max_bytes=settings.database_max_bytes, busy_seconds=settings.busy_seconds)
    metrics = Metrics(CollectorRegistry())
    references = References(store)
    folder = Folder(store, metrics, settings.traffic_seconds)
    gauges = ModelGauges(store)
    quality_gauges = QualityGauges(store)
    metrics.registry.register(gauges)
    metrics.registry.register(quality_gauges)
    return Monitor(
        settings=settings,
        store=store,
        metrics=metrics,
        references=references,
        ingest=Ingest(store, metrics, max_queue=settings.max_queue),
        folder=folder,
        taker=Taker(store, references, settings.clock_tolerance_seconds),
        joiner=Joiner(store),
        comparer=Comparer(store, references, settings.traffic_seconds),
        quality=QualityJudge(store, references, metrics, grace_seconds=settings.grace_seconds),
        access=Access(
            token=None if settings.token is None else settings.token.get_secret_value(),
            user_header=settings.user_header.lower(),
            namespaces_header=settings.namespaces_header.lower(),
            groups_header=settings.groups_header.lower(),
            grants=settings.grants,
        ),
        clock=Clock(settings.clock_tolerance_seconds, settings.late_seconds),
        evaluator=Evaluator(store, references, Patience(settings.grace_seconds, settings.stale_windows), metrics),
        notifier=Notifier(store, metrics, send),
        pruner=Pruner(store, settings),
        eraser=Eraser(store, folder),
        gauges=gauges,
        quality_gauges=quality_gauges,
        tallies=Tallies(),
        now=now,
    )
