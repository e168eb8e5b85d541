"""The demo's MLModel as its users see it: manifest, status, pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from hack.demo.cluster import ROOT, Cluster, Object

from modelloop_core.registry import Registry
from modelloop_core.storage.port import ObjectStore

NAMESPACE, NAME = "demo", "employment"
WINDOW_SECONDS = 30
EXAMPLE = "examples/employment/mlmodel.yaml"
WEBHOOK_SECRET = "on-call-webhook"  # noqa: S105 a name


@dataclass(frozen=True)
class Model:
    """One MLModel of one cluster."""

    cluster: Cluster

    @property
    def registry_uri(self) -> str:
        """Where its versions are published."""
        return f"s3://{self.cluster['MODELLOOP_S3_BUCKET']}/demo/{NAME}"

    @property
    def url(self) -> str:
        """Where callers send predictions."""
        return f"{self._address}/predict"

    @property
    def infer_url(self) -> str:
        """Where callers that speak V2 send theirs."""
        return f"{self._address}/v2/models/{NAME}/infer"

    @property
    def _address(self) -> str:
        return f"{self.cluster['MODELLOOP_GATEWAY_URL']}/{NAMESPACE}/{NAME}"

    def store(self) -> ObjectStore:
        """The registry's object store."""
        return self.cluster.store(self.registry_uri)

    def registry(self) -> Registry:
        """The registry."""
        return Registry(self.store())

    def manifest(self) -> Object:
        """The example's manifest with this cluster's addresses."""
        manifest: Object = yaml.safe_load((ROOT / EXAMPLE).read_text())
        manifest["metadata"]["namespace"] = NAMESPACE
        manifest["spec"]["registry"] |= {"uri": self.registry_uri, "endpoint": self.cluster.pod_endpoint}
        # An hour in thirty seconds, of which two in a row are enough.
        manifest["spec"]["monitoring"] |= {
            "window": f"{WINDOW_SECONDS}s",
            "alerts": {"webhook": {"secretName": WEBHOOK_SECRET}},
        }
        manifest["spec"]["monitoring"]["drift"] |= {"consecutiveWindows": 2}
        rollout = manifest["spec"]["rollout"]
        # A day in five seconds, and then as long as the evidence takes. Latency is not judged: pods start all the time
        # on cores that also send the requests.
        manifest["spec"]["rollout"] |= {
            "steps": [{**step, "hold": "5s"} for step in rollout["steps"]],
            "analysis": {"interval": "2s", "minRequests": 50, "maxLatencyIncrease": 100},
            "keepWarm": "20s",
        }
        return manifest

    def surroundings(self) -> tuple[Object, Object]:
        """A namespace that admits only restricted pods, and in it the store's keys."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.manifest()["spec"]["registry"]["secretName"], "namespace": NAMESPACE},
            "stringData": {key: self.cluster[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        }
        return namespace, secret

    def status(self) -> dict[str, Any]:
        """What the operator says; empty before it said anything."""
        found: dict[str, Any] = self.cluster.get("mlmodel", NAME, "-n", NAMESPACE).get("status", {})
        return found

    def drift_condition(self) -> dict[str, str]:
        """The condition Drifted; empty before there is one."""
        conditions: list[dict[str, str]] = self.status().get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == "Drifted"), {})

    def pods(self, *selectors: str) -> list[Object]:
        """Its pods that are not on their way out, by more labels where given."""
        selector = ",".join((f"modelloop.dev/model={NAME}", *selectors))
        listed: list[Object] = self.cluster.get("pods", "-n", NAMESPACE, "-l", selector).get("items", [])
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def cpu_seconds(self, version: str) -> float:
        """CPU time that the predictors of a version have used so far, by their own metrics."""
        return sum(self._metric(pod, "process_cpu_seconds_total") for pod in self.ready_pods(version))

    def _metric(self, pod: str, name: str) -> float:
        # Through the API server: not every cluster's pods can be reached from here.
        page = self.cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics")
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))

    def ready_pods(self, version: str) -> list[str]:
        """Names of the ready pods of a version."""
        pods = self.pods(f"modelloop.dev/version={version}")
        return sorted(pod["metadata"]["name"] for pod in pods if _ready(pod))


def message_of(status: dict[str, Any]) -> str:
    """The operator's sentence about the model."""
    return str(status.get("message", "the operator has not seen it yet"))


def not_serving(status: dict[str, Any], version: str) -> str:
    """Empty once all traffic goes to `version`; else what the operator says."""
    stable = status.get("stable", {})
    done = stable.get("version") == version and stable.get("effectiveWeight") == 100
    return "" if done else message_of(status)


def failure_of(status: dict[str, Any], version: str) -> dict[str, str] | None:
    """Why a version was refused or taken back, if it was."""
    failures: list[dict[str, str]] = status.get("failedVersions", [])
    return next((failure for failure in failures if failure["version"] == version), None)


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
