"""Opens the database, starts the work, listens, and stops without losing what was answered."""

from __future__ import annotations

import gc
import logging
import math
import signal
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client import disable_created_metrics

from modelloop_monitor.app import create_app
from modelloop_monitor.logs import event
from modelloop_monitor.monitor import Monitor, assemble
from modelloop_monitor.rounds import Rounds, Work
from modelloop_monitor.settings import MonitorSettings
from modelloop_monitor.store.errors import StoreError


def serve(settings: MonitorSettings) -> int:
    """Run until asked to stop; exit code 1 when the database cannot be opened, as another try may help."""
    # Creation times would double the series; a restart shows in the process's own start time.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in prometheus_client
    monitor = assemble(settings)
    try:
        monitor.store.open()
    except StoreError as error:
        event("store-unopened", logging.ERROR, reason=type(error).__name__, message=str(error))
        return 1
    _spare_the_collector()
    rounds = Rounds(_work(monitor), monitor.metrics)
    monitor.ingest.start()
    rounds.start()
    _Server(_config(monitor)).run()
    rounds.stop()
    monitor.ingest.stop()
    monitor.store.close()
    event("stopped", reason="Asked")
    return 0


def _spare_the_collector() -> None:
    """A post is thousands of tuples that are gone with it; looking among them for cycles took a sixth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        event("listening", host=self.config.host, port=port, reason="Started")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: that raises the signal again after serving, and what waits would never be written.
        event("stopping", reason=signal.Signals(sig).name)
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _work(monitor: Monitor) -> tuple[Work, ...]:
    settings = monitor.settings

    def fold() -> None:
        monitor.metrics.folded.inc(monitor.folder.fold(monitor.now()))

    def evaluate() -> None:
        now = monitor.now()
        monitor.metrics.judged.inc(monitor.evaluator.evaluate(now))
        monitor.gauges.refresh(now)

    def notify() -> None:
        monitor.notifier.notify(monitor.now())

    def prune() -> None:
        monitor.pruner.prune(monitor.now())

    def join() -> None:
        monitor.joiner.join(monitor.now())

    def compare() -> None:
        monitor.comparer.compare(monitor.now())

    def judge_quality() -> None:
        now = monitor.now()
        monitor.quality.judge(now)
        monitor.quality_gauges.refresh(now)

    return (
        Work("fold", fold, settings.fold_seconds),
        Work("evaluate", evaluate, settings.evaluate_seconds),
        Work("notify", notify, settings.evaluate_seconds),
        Work("prune", prune, settings.prune_seconds),
        Work("join", join, settings.join_seconds),
        Work("compare", compare, settings.join_seconds),
        Work("quality", judge_quality, settings.evaluate_seconds),
    )


def _config(monitor: Monitor) -> uvicorn.Config:
    settings = monitor.settings
    return uvicorn.Config(
        create_app(monitor),
        host=settings.host,
        port=settings.port,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        backlog=2048,
    )
