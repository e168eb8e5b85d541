"""Composes and runs the operator: `python -m modelloop_operator`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import kopf
from prometheus_client import CollectorRegistry
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from pydantic import ValidationError

from modelloop_operator import handlers, health, logs
from modelloop_operator.cluster import discovery
from modelloop_operator.cluster.alert_secrets import ReadSecrets
from modelloop_operator.cluster.apply import Applier
from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.captures import Captures
from modelloop_operator.cluster.catalogs import Catalogs
from modelloop_operator.cluster.chronicle import Chronicle
from modelloop_operator.cluster.commit import Committer
from modelloop_operator.cluster.connection import api_client, served_kinds
from modelloop_operator.cluster.credentials import Credentials
from modelloop_operator.cluster.judgements import Judgements
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.kubernetes_api import KubernetesApi
from modelloop_operator.cluster.lanes import Lanes
from modelloop_operator.cluster.lease import LeaderElection, LeadershipLost
from modelloop_operator.cluster.monitor import HttpMonitor, Monitor
from modelloop_operator.cluster.observe import Observer
from modelloop_operator.cluster.pods import Prober
from modelloop_operator.cluster.port import Cluster, ClusterError
from modelloop_operator.cluster.predictor_token import PredictorToken
from modelloop_operator.cluster.prometheus import HttpPrometheus, Prometheus
from modelloop_operator.cluster.registries import open_registry
from modelloop_operator.cluster.reports import Reports
from modelloop_operator.cluster.runs import Runs
from modelloop_operator.cluster.tales import Tales
from modelloop_operator.cluster.work_queue import WorkQueue
from modelloop_operator.decide.observation import Policy
from modelloop_operator.lifetime import leaves, until
from modelloop_operator.loop import Loop, resync, resync_forever
from modelloop_operator.metrics import Metrics
from modelloop_operator.naming import MANAGER
from modelloop_operator.reconcile import Reconciler
from modelloop_operator.render.installation import Installation
from modelloop_operator.settings import Settings

log = logging.getLogger("modelloop_operator")

_RETRY_SECONDS = 2.0
EXIT_RESTART = 3
"""Exit code of a process that ends so that a fresh one starts: leadership lost, or the cluster's APIs changed."""


class Operator:
    """All parts of one process, wired; nothing runs before `run`."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        *,
        served: frozenset[Kind],
        registry: CollectorRegistry,
        monitor: Monitor | None,
        prometheus: Prometheus | None = None,
    ) -> None:
        self.cluster, self.settings, self.served = cluster, settings, served
        self.cache = Cache()
        self.queue: WorkQueue[Key] = WorkQueue(time.monotonic)
        self.metrics = Metrics(registry)
        credentials = Credentials(cluster, clock=time.monotonic, own_identity_endpoints=settings.trusted_endpoints)
        self.catalogs = Catalogs(
            credentials,
            open_registry,
            Lanes(time.monotonic),
            on_change=self.queue.add,
            clock=time.monotonic,
            poll_seconds=settings.registry_poll_seconds,
        )
        self.captures = Captures(
            credentials,
            open_registry,
            Lanes(time.monotonic),
            on_change=self.queue.add,
            on_removed=self.metrics.captures_removed.inc,
            clock=time.monotonic,
            now=_now,
        )
        self.reports = Reports(
            monitor,
            ReadSecrets(credentials, _predictor_token(settings)),
            on_change=self.queue.add,
            on_read=self.metrics.asked,
            clock=time.monotonic,
            poll_seconds=settings.monitor_poll_seconds,
        )
        self.tales = Tales(monitor, time.monotonic)
        self.judgements = Judgements(
            monitor, prometheus, on_change=self.queue.add, on_read=self.metrics.asked, clock=time.monotonic
        )
        self.runs = Runs(
            credentials, open_registry, Lanes(time.monotonic), on_change=self.queue.add, clock=time.monotonic
        )
        self.loop = Loop(self.queue, self._reconciler(), self.metrics, time.monotonic)
        self.synced = False

    def _reconciler(self) -> Reconciler:
        settings = self.settings
        offered = replace(discovery.capabilities(self.served), prometheus=bool(settings.prometheus_url))
        prober = Prober(self.cluster, clock=time.monotonic)
        return Reconciler(
            cache=self.cache,
            catalogs=self.catalogs,
            reports=self.reports,
            observer=Observer(
                self.cache,
                self.catalogs,
                prober,
                self.reports,
                self.captures,
                self.judgements,
                self.runs,
                lambda: offered,
                settings.cluster_name,
            ),
            committer=Committer(self.cluster, self.cache, self.metrics.wrote),
            applier=Applier(self.cluster, self.cache, self.metrics.wrote),
            chronicle=Chronicle(self.cluster, self.catalogs, self.tales, now=_now),
            installation=_installation(settings),
            policy=Policy(drain=timedelta(seconds=settings.drain_seconds)),
            metrics=self.metrics,
            now=_now,
        )

    def readiness(self) -> str:
        """What this replica still waits for; a warm standby is ready."""
        return "" if self.synced else "the first list of all objects"

    async def lead(self, election: LeaderElection) -> None:
        """Wait for the lease, then act until it is lost."""
        await election.acquire()
        log.info("leading", extra={"identity": self.settings.pod_name})
        self.metrics.leading.set(1)
        for key in tuple(self.cache.models):
            self.queue.add(key)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(election.hold())
            tasks.create_task(self.catalogs.poll())
            tasks.create_task(self.reports.poll())
            tasks.create_task(self.captures.prune())
            tasks.create_task(self.judgements.poll())
            tasks.create_task(self.runs.poll())
            for _ in range(self.settings.workers):
                tasks.create_task(self.loop.work())

    async def watch(self, stop: asyncio.Event) -> None:
        """Run kopf's watches until the process is told to stop."""
        await kopf.operator(
            registry=handlers.registry(self.cache, self.queue.add, self.served),
            standalone=True,
            clusterwide=not self.settings.namespaces,
            namespaces=self.settings.namespaces,
        )
        stop.set()

    async def run(self) -> int:
        """Serve until told to stop (0) or until a fresh process is needed (EXIT_RESTART)."""
        stop = asyncio.Event()
        settings = self.settings
        election = LeaderElection(
            self.cluster,
            namespace=settings.pod_namespace,
            name=settings.lease_name,
            identity=settings.pod_name or f"pid-{os.getpid()}",
            clock=time.monotonic,
        )
        code = 0
        try:
            async with until(stop) as tasks:
                tasks.create_task(self.watch(stop))
                await self._first_list()
                tasks.create_task(self._repair())
                tasks.create_task(self._notice_new_apis())
                tasks.create_task(self.lead(election))
        except* (LeadershipLost, discovery.CapabilitiesChanged) as errors:
            log.warning("restarting", extra={"reason": "; ".join(str(error) for error in leaves(errors))})
            code = EXIT_RESTART
        finally:
            with contextlib.suppress(ClusterError):
                await election.release()
        return code

    async def _first_list(self) -> None:
        """Fill the cache before anything is decided on it; an API server that is away is waited for."""
        while not self.synced:
            try:
                await resync(self.cluster, self.cache, self.served, self.settings.namespaces, self.queue.add)
                self.synced = True
            except ClusterError as error:
                log.warning("waiting for the first list", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)

    async def _notice_new_apis(self) -> None:
        where, seconds = self.settings.probe_namespace, self.settings.discovery_seconds
        await discovery.watch_for_change(self.cluster, self.served, namespace=where, seconds=seconds)

    async def _repair(self) -> None:
        await resync_forever(
            self.cluster,
            self.cache,
            tuple(self.served),
            namespaces=self.settings.namespaces,
            dirty=self.queue.add,
            seconds=self.settings.resync_seconds,
        )


def _installation(settings: Settings) -> Installation:
    return Installation(
        settings.predictor_image,
        settings.image_pull_policy,
        settings.predictor_drain_seconds,
        settings.progress_deadline_seconds,
        settings.monitor_url or None,
        settings.monitor_secret or None,
    )


def _predictor_token(settings: Settings) -> PredictorToken:
    return PredictorToken(settings.monitor_secret, settings.monitor_token.get_secret_value().strip())


def _monitor(settings: Settings, session: aiohttp.ClientSession) -> Monitor | None:
    if not settings.monitor_url:
        return None
    return HttpMonitor(session, settings.monitor_url, settings.monitor_token.get_secret_value().strip())


def _prometheus(settings: Settings, session: aiohttp.ClientSession) -> Prometheus | None:
    if not settings.prometheus_url:
        return None
    return HttpPrometheus(session, settings.prometheus_url, settings.prometheus_token.get_secret_value().strip())


def _now() -> datetime:
    return datetime.now(UTC)


async def run(settings: Settings) -> int:
    """One operator process from connection to exit code."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    operator: list[Operator] = []
    # Before all else: while the API server is away, probes must hear that this process lives and what it waits for.
    pages = await health.serve(
        health.application(registry, lambda: operator[0].readiness() if operator else "the API server"),
        settings.health_port,
    )
    try:
        async with await api_client() as api, aiohttp.ClientSession() as session:
            cluster = KubernetesApi(api, MANAGER)
            served = await served_kinds(cluster, settings.probe_namespace)
            monitor, prometheus = _monitor(settings, session), _prometheus(settings, session)
            operator.append(
                Operator(cluster, settings, served=served, registry=registry, monitor=monitor, prometheus=prometheus)
            )
            return await operator[0].run()
    finally:
        await pages.cleanup()


def main() -> int:
    """Read the settings and run; a bad setting is one line and exit code 2."""
    logs.configure()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = f"MODELLOOP_{fault['loc'][0]}".upper()
            log.error("bad setting", extra={"setting": name, "error": fault["msg"], "found": str(fault["input"])[:100]})
        return 2
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
