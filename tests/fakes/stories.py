"""Stories that an MLModel lives through on the fake cluster, what is checked at each write, and how they must end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fakes.cluster import EVERYTHING, Events, FakeCluster, Write
from fakes.monitor import FakeMonitor
from fakes.operator import Stage
from fakes.prometheus import FakePrometheus
from fakes.virtual_time import run_virtually
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_operator.cluster.kinds import DEPLOYMENT, MLMODEL, Kind
from modelloop_operator.cluster.ownership import rendered_digest
from modelloop_operator.cluster.port import Object
from modelloop_operator.naming import VERSION_LABEL
from support.versions import a_version

MODEL: Object = {
    "apiVersion": "modelloop.dev/v1alpha1",
    "kind": "MLModel",
    "metadata": {"name": "churn", "namespace": "shop"},
    "spec": {
        "registry": {"uri": "s3://models/churn"},
        "traffic": {"gateway": {"parentRefs": [{"name": "edge"}]}},
    },
}
SETTLED_SECONDS = 45
MOST_WRITES = 80

Story = Callable[[Stage], Awaitable[None]]


def publish(folder: Path, number: str) -> None:
    """Put a version into the registry that MODEL names."""
    Registry(DirectoryStore(folder / "models/churn")).publish(*a_version(number))


def shared(route: Object) -> list[Object]:
    """The rules of a route by which traffic is shared out; those that a header picks are for tests."""
    return [rule for rule in route["spec"]["rules"] if not any("headers" in match for match in rule["matches"])]


class Watchdog:
    """Looks at each write at the moment it is made."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.faults: list[str] = []
        cluster.on_write = self

    def __call__(self, write: Write, body: Object) -> None:
        if write.kind == "MLModel" and write.verb != "status":
            self.faults.append(f"{write} touches more than status")
        if write.verb == "apply" and write.kind == "HTTPRoute":
            (rule,) = shared(body)
            if sum(ref["weight"] for ref in rule["backendRefs"]) != 100:
                self.faults.append(f"{write} has weights that do not add to 100")
            self._check(write, [ref["name"] for ref in rule["backendRefs"] if ref["weight"]])
        if write.verb == "apply" and (write.kind, write.name) == ("Service", "churn"):
            self._check(write, [f"churn-v{body['spec']['selector'][VERSION_LABEL].replace('.', '-')}"])

    def _check(self, write: Write, targets: list[str]) -> None:
        deployments = self.cluster.of(DEPLOYMENT)
        for target in targets:
            if not deployments.get(target, {}).get("status", {}).get("readyReplicas"):
                self.faults.append(f"{write} sends traffic to {target}, which has no ready pod")


def summary(cluster: FakeCluster) -> dict[str, Any]:
    """What must be the same in the end, however it came about: all but names of moments and revisions."""
    models = cluster.of(MLMODEL)
    status = models["churn"]["status"] if models else {}
    kept = {key: value for key, value in status.items() if key in ("replicas", "selector", "phase", "message")}
    roles = {role: status.get(role, {}).get("version") for role in ("stable", "candidate")}
    weights = {role: status.get(role, {}).get("effectiveWeight") for role in ("stable", "candidate")}
    conditions = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status.get("conditions", ())}
    owned = {
        f"{kind.kind}/{name}": rendered_digest(
            {**live, "status": None, "metadata": {"labels": live["metadata"]["labels"]}}
        )
        for (kind, _, name), live in cluster.objects.items()
        if live["metadata"].get("labels", {}).get("modelloop.dev/model")
    }
    lists = {key: [entry["version"] for entry in status.get(key, ())] for key in ("warm", "failedVersions")}
    return {"roles": roles, "weights": weights, "conditions": conditions, "owned": owned, **lists, **kept}


async def served_and_replaced(stage: Stage) -> None:
    """1.0.0 is served, then 1.1.0 comes."""
    publish(stage.folder, "1.0.0")
    stage.cluster.put(MLMODEL, MODEL)
    await stage.wait(SETTLED_SECONDS)
    publish(stage.folder, "1.1.0")
    await stage.wait(SETTLED_SECONDS)


async def served_replaced_and_deleted(stage: Stage) -> None:
    """The same, and then it is deleted."""
    await served_and_replaced(stage)
    stage.notes.append(summary(stage.cluster))
    stage.cluster.remove(MLMODEL, "shop", "churn")
    await stage.wait(SETTLED_SECONDS)


async def deleted_and_made_again_at_once(stage: Stage) -> None:
    """An MLModel of the same name comes while the children of the first one are still there."""
    publish(stage.folder, "1.0.0")
    stage.cluster.put(MLMODEL, MODEL)
    await stage.wait(SETTLED_SECONDS)
    stage.cluster.remove(MLMODEL, "shop", "churn")
    stage.cluster.put(MLMODEL, MODEL)
    await stage.wait(SETTLED_SECONDS)


def check_killed_after_any_write(
    folder: Path, story: Story, events: Events, monitor: Callable[[], FakeMonitor | None] = lambda: None
) -> int:
    """Kill the operator after write 1, 2, … until the story has no more; returns how often that was."""
    expected = run(folder / "undisturbed", story, Events.IMMEDIATE, monitor=monitor()).ending
    for write in range(1, MOST_WRITES):
        stage = run(folder / str(write), story, events, crash_after=write, monitor=monitor())
        assert stage.ending == expected, f"killed after write {write}: {stage.cluster.writes}"
        assert stage.faults == [], f"killed after write {write}"
        if not stage.deaths:
            return write - 1
    raise AssertionError(f"a story of {MOST_WRITES} writes is not one that ends")


class Watched(Stage):
    """A stage on which every write is looked at, and whose ending can be compared."""

    @property
    def faults(self) -> list[str]:
        """Writes that must never happen."""
        return self.watchdog.faults

    @property
    def ending(self) -> list[dict[str, Any]]:
        """What the story noted, and what is true in the end."""
        return [*self.notes, summary(self.cluster)]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.watchdog = Watchdog(self.cluster)


def run(
    folder: Path,
    story: Story,
    events: Events,
    crash_after: int | None = None,
    served: frozenset[Kind] = EVERYTHING,
    monitor: FakeMonitor | None = None,
    prometheus: FakePrometheus | None = None,
) -> Watched:
    """Play a story on a fresh stage."""

    async def main(clock: Callable[[], float]) -> Watched:
        stage = Watched(folder, clock, FakeCluster(served=served), monitor, prometheus)
        stage.cluster.events = events
        stage.cluster.crash_after = crash_after
        await stage.play(story)
        return stage

    return run_virtually(main)
