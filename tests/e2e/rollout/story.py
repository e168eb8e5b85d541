"""One MLModel that goes from one version towards another under load, and what can be said of it afterwards."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e.gateway.load import Answer, Load
from e2e.install.installation import Installation
from e2e.install.machine import Object, eventually
from e2e.rollout.statuses import Statuses
from e2e.rollout.versions import LIVE

LONGEST_SECONDS = 900
# On two cores that also start a dozen pods; what is tested here is who gets which request, not how fast it is answered.
TIMEOUT = "5s"
ANALYSIS: Object = {"interval": "1s", "minRequests": 20, "maxLatencyIncrease": 20}


@dataclass(frozen=True)
class Story:
    """The MLModel `name`, its traffic, and every status that it had."""

    installation: Installation
    statuses: Statuses
    name: str
    load: Load

    @property
    def status(self) -> dict[str, Any]:
        """The newest status."""
        looks = self.statuses.of(self.name)
        return looks[-1].status if looks else {}

    def until(self, what: str, holds: Callable[[dict[str, Any]], object], deadline: float = 300) -> None:
        """Wait for a status; else say what the last one says."""

        def seen() -> object:
            status = self.status
            return True if holds(status) else (status.get("message"), status.get("rollout"))

        eventually(f"{self.name}: {what}", seen, deadline)

    def until_live(self, version: str) -> None:
        """Until the version has all traffic, confirmed by the gateway."""
        self.until(f"{version} serves", lambda status: _share(status, version) == 100 and "candidate" not in status)

    def until_share(self, version: str, weight: int) -> None:
        """Until the version is held at a share."""
        self.until(f"{version} at {weight} %", lambda status: _share(status, version) == weight)

    def until_refused(self, version: str) -> dict[str, str]:
        """Until the version was taken back and the one before has all traffic; why it was."""
        self.until(f"{version} is refused", lambda status: self._failure(status, version))
        self.until_live(LIVE)
        failure: dict[str, str] = self._failure(self.status, version)
        return failure

    def try_version(self, version: str, **rollout: str) -> None:
        """What a person does: name it in the spec."""
        patch = json.dumps({"spec": {"version": version, "rollout": rollout}})
        where = ("-n", self.installation.namespace, "--type=merge", "-p", patch)
        self.installation.machine.kubectl("patch", "mlmodel", self.name, *where)

    def ask(self, verb: str) -> str:
        """A person's command, by the program that people use; what it answered."""
        environment = self.installation.machine.environment
        program = str(Path(sys.executable).with_name("kubectl-mlmodel"))
        where = ("-n", self.installation.namespace, "--context", environment["MODELLOOP_CONTEXT"])
        done = subprocess.run(
            [program, verb, self.name, *where], env=dict(environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pods(self, version: str) -> dict[str, Object]:
        """Its pods by uid."""
        label = f"modelloop.dev/model={self.name},modelloop.dev/version={version}"
        return {pod["metadata"]["uid"]: pod for pod in self.installation.get("pods", "-l", label)["items"]}

    def shares(self, version: str) -> list[int]:
        """Every share that the gateway confirmed for a version, in their order, repetitions left out."""
        confirmed = (_share(look.status, version) for look in self.statuses.of(self.name))
        return [weight for weight, _ in itertools.groupby(weight for weight in confirmed if weight is not None)]

    def verdicts(self, verdict: str) -> list[int]:
        """The shares at which the evidence said so."""
        looks = [look.status for look in self.statuses.of(self.name)]
        found = [look["candidate"]["requestedWeight"] for look in looks if _verdict(look) == verdict]
        return [weight for weight, _ in itertools.groupby(found)]

    def decided(self, reason: str) -> float:
        """When the operator told of its decision, by the wall clock."""
        events = self.installation.get("events.events.k8s.io")["items"]
        ours = [one for one in events if one["regarding"]["name"] == self.name and one["reason"] == reason]
        return max(datetime.fromisoformat(one["eventTime"]).timestamp() for one in ours)

    def answers(self, version: str) -> list[Answer]:
        """What this version answered."""
        return [answer for answer in self.load.answers if answer.version == f"v{version}"]

    def seconds_to_last_answer(self, version: str, reason: str) -> float:
        """From the decision to the end of the last request that the version answered; below 0 when there was none."""
        since_boot = time.time() - time.monotonic()
        return max(answer.answered for answer in self.answers(version)) + since_boot - self.decided(reason)

    def failed_after(self, reason: str, seconds: float) -> list[Answer]:
        """Requests that failed although they were sent so long after a decision."""
        since_boot = time.time() - time.monotonic()
        return [answer for answer in self.load.failed if answer.sent + since_boot > self.decided(reason) + seconds]

    def _failure(self, status: Mapping[str, Any], version: str) -> Any:
        return next((one for one in status.get("failedVersions", ()) if one["version"] == version), None)


def mlmodel(installation: Installation, name: str, *, replicas: int, steps: Sequence[Object], **rollout: Any) -> Object:
    """An MLModel pinned to what is live, behind the shared Gateway, with steps of seconds."""
    spec = {
        "registry": {
            "uri": installation.registry,
            "endpoint": installation.machine.pod_endpoint,
            "secretName": "store",
        },
        "version": LIVE,
        "serving": {
            "replicas": replicas,
            "timeout": TIMEOUT,
            "resources": {"requests": {"cpu": "30m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        },
        "traffic": {
            "gateway": {
                "parentRefs": [{"name": "modelloop", "namespace": "modelloop-gateway"}],
                "hostnames": [host_of(installation, name)],
            }
        },
        "rollout": {"steps": list(steps), "analysis": ANALYSIS, "keepWarm": "10m", **rollout},
    }
    return installation.mlmodel(name, spec)


def host_of(installation: Installation, name: str) -> str:
    """The host name by which a story's requests find it."""
    return f"{name}.{installation.namespace}.example.com"


def callers(seed: int) -> Iterator[dict[str, object]]:
    """Pairs of numbers between 0 and 1, for ever."""
    drawn = random.Random(seed)
    while True:
        yield {"features": [round(drawn.random(), 4), round(drawn.random(), 4)]}


def created(pod: Object) -> datetime:
    """When a pod was made."""
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def restarts(pods: Mapping[str, Object]) -> int:
    """How often their containers were started again."""
    return sum(one["restartCount"] for pod in pods.values() for one in pod["status"]["containerStatuses"])


def _share(status: Mapping[str, Any], version: str) -> int | None:
    blocks = (status.get("stable"), status.get("candidate"))
    found = next((block for block in blocks if block and block["version"] == version), {})
    weight: int | None = found.get("effectiveWeight")
    return weight


def _verdict(status: Mapping[str, Any]) -> str:
    verdict: str = (status.get("rollout") or {}).get("verdict", "")
    return verdict if "candidate" in status else ""
