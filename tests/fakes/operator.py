"""The whole operator on the fake cluster, in virtual time: killed at any write, it starts again from nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from fakes.cluster import Crashed, FakeCluster
from fakes.controllers import Controllers
from fakes.monitor import FakeMonitor
from fakes.prometheus import FakePrometheus
from fakes.seen import NOW
from fakes.virtual_time import Inline
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import AlreadyExists
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from modelloop_operator.cluster import discovery
from modelloop_operator.cluster.alert_secrets import ReadSecrets
from modelloop_operator.cluster.apply import Applier
from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.captures import Captures
from modelloop_operator.cluster.catalogs import Catalogs
from modelloop_operator.cluster.chronicle import Chronicle
from modelloop_operator.cluster.commit import Committer
from modelloop_operator.cluster.credentials import Credentials, Keys
from modelloop_operator.cluster.judgements import Judgements
from modelloop_operator.cluster.kinds import CHILD_KINDS, MLMODEL, OPTIONAL_CHILD_KINDS, Kind
from modelloop_operator.cluster.lanes import Endpoint, Lanes
from modelloop_operator.cluster.monitor import Monitor
from modelloop_operator.cluster.observe import Observer
from modelloop_operator.cluster.pods import Prober
from modelloop_operator.cluster.port import Object
from modelloop_operator.cluster.prometheus import Prometheus
from modelloop_operator.cluster.reports import Reports
from modelloop_operator.cluster.runs import Runs
from modelloop_operator.cluster.tales import Tales
from modelloop_operator.cluster.work_queue import WorkQueue
from modelloop_operator.decide.observation import Policy
from modelloop_operator.handlers import absorb
from modelloop_operator.loop import Loop, resync, resync_forever
from modelloop_operator.metrics import Metrics
from modelloop_operator.naming import MANAGED_BY_LABEL, MANAGER
from modelloop_operator.reconcile import Reconciler
from modelloop_operator.render.installation import Installation

INSTALLATION = Installation("localhost/modelloop/runtime:dev")
RESYNC_SECONDS = 10.0
POLL_SECONDS = 5.0
STEP_SECONDS = 1.0
WORKERS = 8
KEY = ("shop", "churn")


@dataclass
class Life:
    """One process: everything it knows is lost with it."""

    cluster: FakeCluster
    folder: Path
    clock: Callable[[], float]
    policy: Policy = field(default_factory=lambda: Policy(drain=timedelta(seconds=5)))
    monitor: Monitor | None = None
    prometheus: Prometheus | None = None

    def __post_init__(self) -> None:
        self.threads_of: Callable[[Endpoint], Executor] = lambda _: Inline(max_workers=1)
        self.open: Callable[[RegistryRef, Keys], Registry] = self._open
        self.cache = Cache()
        self.queue: WorkQueue[Key] = WorkQueue(self.clock)
        self.metrics = Metrics(CollectorRegistry())
        credentials = Credentials(self.cluster, clock=self.clock, own_identity_endpoints=["http://silent"])
        self.catalogs = Catalogs(
            credentials,
            lambda ref, keys: self.open(ref, keys),
            Lanes(self.clock, lambda endpoint: self.threads_of(endpoint)),
            on_change=self.queue.add,
            clock=self.clock,
            poll_seconds=POLL_SECONDS,
        )
        self.captures = Captures(
            credentials,
            lambda ref, keys: self.open(ref, keys),
            Lanes(self.clock, lambda endpoint: self.threads_of(endpoint)),
            on_change=self.queue.add,
            on_removed=self.metrics.captures_removed.inc,
            clock=self.clock,
            now=self._now,
        )
        self.reports = Reports(
            self.monitor,
            ReadSecrets(credentials),
            on_change=self.queue.add,
            on_read=self.metrics.asked,
            clock=self.clock,
            poll_seconds=POLL_SECONDS,
        )
        self.tales = Tales(self.monitor, self.clock)
        self.judgements = Judgements(
            self.monitor, self.prometheus, on_change=self.queue.add, on_read=self.metrics.asked, clock=self.clock
        )
        self.runs = Runs(
            credentials,
            lambda ref, keys: self.open(ref, keys),
            Lanes(self.clock, lambda endpoint: self.threads_of(endpoint)),
            on_change=self.queue.add,
            clock=self.clock,
        )
        self.reconciler = self._reconciler()
        self.loop = Loop(self.queue, self.reconciler, self.metrics, self.clock)

    async def sync(self) -> None:
        """The first list of all objects."""
        await resync(self.cluster, self.cache, self._kinds(), (), self.queue.add)

    async def live(self) -> None:
        """List, watch and work until it is killed or cancelled."""
        self.cluster.listen(self.on_event)
        await self.sync()
        repair = resync_forever(
            self.cluster, self.cache, self._kinds(), namespaces=(), dirty=self.queue.add, seconds=RESYNC_SECONDS
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (
                    repair,
                    self.catalogs.poll(),
                    self.reports.poll(),
                    self.captures.prune(),
                    self.judgements.poll(),
                    self.runs.poll(),
                    *(self.loop.work() for _ in range(WORKERS)),
                ):
                    tasks.create_task(work)
        finally:
            self.catalogs.stop()
            self.reconciler.chronicle.stop()

    def _kinds(self) -> list[Kind]:
        return [kind for kind in (MLMODEL, *CHILD_KINDS, *OPTIONAL_CHILD_KINDS) if kind in self.cluster.served]

    def _reconciler(self) -> Reconciler:
        offered = replace(discovery.capabilities(self.cluster.served), prometheus=self.prometheus is not None)
        prober = Prober(self.cluster, clock=self.clock)
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
                "test",
            ),
            committer=Committer(self.cluster, self.cache, self.metrics.wrote),
            applier=Applier(self.cluster, self.cache, self.metrics.wrote),
            chronicle=Chronicle(self.cluster, self.catalogs, self.tales, now=self._now),
            installation=INSTALLATION,
            policy=self.policy,
            metrics=self.metrics,
            now=self._now,
        )

    def _open(self, ref: RegistryRef, keys: Keys) -> Registry:
        return Registry(DirectoryStore(self.folder / ref.uri.removeprefix("s3://")))

    def _now(self) -> datetime:
        return NOW + timedelta(seconds=self.clock())

    def on_event(self, kind: Kind, event: str, live: Object) -> None:
        """A watch event, filtered as the handlers filter."""
        watched = kind in (MLMODEL, *CHILD_KINDS, *OPTIONAL_CHILD_KINDS)
        ours = kind == MLMODEL or live["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) == MANAGER
        if watched and ours:
            key = absorb(self.cache, kind, event, live)
            if key is not None:
                self.queue.add(key)


@dataclass
class Stage:
    """The fake cluster with its controllers, and an operator that is started again whenever it dies."""

    folder: Path
    clock: Callable[[], float]
    cluster: FakeCluster = field(default_factory=FakeCluster)
    monitor: FakeMonitor | None = None
    prometheus: FakePrometheus | None = None
    deaths: int = 0
    notes: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.controllers = Controllers(self.cluster, on_job=self._replay)
        self.replays: dict[str, Any] = {"asked": 500, "compared": 500}
        self.life = self._new_life()

    async def play(self, story: Callable[[Stage], Awaitable[None]]) -> None:
        """Run `story` while controllers and operator run beside it."""
        helpers = [asyncio.create_task(self._control()), asyncio.create_task(self._operate())]
        told = asyncio.ensure_future(story(self))
        done, _ = await asyncio.wait([told, *helpers], return_when=asyncio.FIRST_COMPLETED)
        for task in (told, *helpers):
            task.cancel()
        await asyncio.gather(told, *helpers, return_exceptions=True)
        for task in done:
            task.result()

    async def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def _replay(self, job: Object) -> None:
        """What the Job's pod would leave in the registry, once."""
        run = job["metadata"]["name"]
        words = job["spec"]["template"]["spec"]["containers"][0]["command"]
        about = {"run": run, "version": "1.1.0", "against": words[words.index("--against") + 1]}
        outcome = ReplayOutcome(**about, began=NOW, ended=NOW, **self.replays)
        with contextlib.suppress(AlreadyExists):
            self.registry().store.create(outcome_key(run), outcome.model_dump_json().encode())

    def registry(self) -> Registry:
        """The registry that the MLModel names."""
        return Registry(DirectoryStore(self.folder / "models/churn"))

    async def _operate(self) -> None:
        while True:
            try:
                await self.life.live()
            except* Crashed:
                self.deaths += 1
            self.life = self._new_life()

    def _new_life(self) -> Life:
        return Life(self.cluster, self.folder, self.clock, monitor=self.monitor, prometheus=self.prometheus)

    async def _control(self) -> None:
        while True:
            await asyncio.sleep(STEP_SECONDS)
            self.cluster.deliver()
            self.controllers.step()
