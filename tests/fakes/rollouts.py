"""Stories of versions that earn their traffic on the fake cluster, and what is looked at while they do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fakes.monitor import FakeMonitor
from fakes.operator import Stage
from fakes.stories import MODEL, SETTLED_SECONDS, publish, shared
from modelloop_core.api import REQUEST_ANNOTATION
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, MLMODEL
from modelloop_operator.cluster.port import Object

ROLLOUT: dict[str, Any] = {
    "steps": [{"weight": 5, "hold": "10s"}, {"weight": 50, "hold": "10s"}],
    "analysis": {"interval": "1s"},
    "keepWarm": "30s",
    "inconclusiveDeadline": "2m",
}
ENDED_SECONDS = 150
# A sum of these is exact, so that virtual time never stands still before a moment that it cannot reach.
LOOK_SECONDS = 0.125


def a_monitor(**verdicts: Verdict) -> FakeMonitor:
    """A monitor that says Passed of all versions but these (`v1_1_0`)."""
    monitor = FakeMonitor()
    monitor.verdicts = {f"1.{minor}.0": Verdict.PASSED for minor in range(4)}
    monitor.verdicts |= {name.removeprefix("v").replace("_", "."): verdict for name, verdict in verdicts.items()}
    return monitor


def model(**rollout: Any) -> Object:
    """An MLModel whose versions go by two steps; `rollout` changes how."""
    return {**MODEL, "spec": {**MODEL["spec"], "serving": {"replicas": 4}, "rollout": {**ROLLOUT, **rollout}}}


def weights(stage: Stage) -> dict[str, int]:
    """Shares of the traffic by backend, as the route has them now."""
    (rule,) = shared(stage.cluster.of(HTTP_ROUTE)["churn"])
    return {ref["name"].removeprefix("churn-v").replace("-", "."): ref["weight"] for ref in rule["backendRefs"]}


def status(stage: Stage) -> Object:
    """The MLModel's status now."""
    found: Object = stage.cluster.of(MLMODEL)["churn"].get("status", {})
    return found


def live(stage: Stage) -> str:
    """The version that serves."""
    return str(status(stage).get("stable", {}).get("version", ""))


def uids(stage: Stage) -> dict[str, str]:
    """Deployments, by which a pod's restart would show."""
    return {name: found["metadata"]["uid"] for name, found in stage.cluster.of(DEPLOYMENT).items()}


async def until(stage: Stage, look: Any, what: str, seconds: float = ENDED_SECONDS) -> None:
    """Let time pass until `look()` holds."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        if look():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError(f"waited {seconds} s for {what}: {json.dumps(status(stage), indent=1)}")


async def at(stage: Stage, weight: int, version: str = "1.1.0") -> None:
    """Wait until the version has this share, confirmed."""
    await until(stage, lambda: held(stage) == (version, weight), f"{version} at {weight} %")


def held(stage: Stage) -> tuple[str, int]:
    """The version that is tried, and its confirmed share while that is held; 0 before."""
    found, rollout = status(stage).get("candidate", {}), status(stage).get("rollout", {})
    begun = bool(rollout.get("stepStartedAt")) and not rollout["advancing"]
    return found.get("version", ""), found.get("effectiveWeight", 0) if begun else 0


async def begun(stage: Stage, **rollout: Any) -> None:
    """1.0.0 serves, and 1.1.0 is published."""
    publish(stage.folder, "1.0.0")
    stage.cluster.put(MLMODEL, model(**rollout))
    await stage.wait(SETTLED_SECONDS)
    publish(stage.folder, "1.1.0")


async def ended(stage: Stage) -> None:
    """1.1.0 comes, and the story has all the time that it needs."""
    await begun(stage)
    await stage.wait(ENDED_SECONDS)


async def failed_after_its_promotion(stage: Stage) -> None:
    """1.1.0 passes all steps, and fails while 1.0.0 is still warm."""
    await begun(stage)
    await until(stage, lambda: live(stage) == "1.1.0" or status(stage).get("failedVersions"), "the promotion")
    assert stage.monitor is not None
    stage.monitor.verdicts["1.1.0"] = Verdict.FAILED
    await stage.wait(ENDED_SECONDS)


async def deleted_in_mid_rollout(stage: Stage) -> None:
    """The MLModel goes while two versions have traffic."""
    await begun(stage)
    await at(stage, 5)
    stage.cluster.remove(MLMODEL, "shop", "churn")
    await stage.wait(SETTLED_SECONDS)


def ask(stage: Stage, verb: str, identity: str = "1") -> None:
    """A person's command."""

    def asks(live: Object) -> None:
        live["metadata"].setdefault("annotations", {})[REQUEST_ANNOTATION] = json.dumps({"id": identity, "verb": verb})

    stage.cluster.edit(MLMODEL, "shop", "churn", asks)


def respec(stage: Stage, **spec: Any) -> None:
    """A person's change of spec."""

    def changes(live: Object) -> None:
        live["spec"] = {**live["spec"], **spec}

    stage.cluster.edit(MLMODEL, "shop", "churn", changes)
