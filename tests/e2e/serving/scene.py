"""One MLModel on real pods behind a real gateway or Ingress controller, and versions to move it through."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from e2e.gateway.load import Load
from e2e.install.installation import Installation
from e2e.install.machine import Object, eventually
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Files, Registry, describe
from support import model_files
from support.published import pair

NAME = "model"
LONGEST_SECONDS = 240
BODY = {"features": {"first": 0.5, "second": 1.2}}


def through_gateway(host: str) -> Object:
    """`spec.traffic` for the shared Gateway."""
    parents = [{"name": "modelloop", "namespace": "modelloop-gateway"}]
    return {"gateway": {"parentRefs": parents, "hostnames": [host]}}


def through_ingress(host: str) -> Object:
    """`spec.traffic` for the Ingress controller of `hack.cluster ingress`."""
    return {"ingress": {"className": "contour", "host": host}}


@dataclass(frozen=True)
class Scene:
    """An installation that watches one namespace, a registry of its own, and the MLModel `model`."""

    installation: Installation
    scratch: Path
    url: str
    host: str
    traffic: Object

    def load(self, body: Mapping[str, object] = BODY, pause: float = 0.02) -> Load:
        """Predictions through the gateway or the Ingress controller while the test acts."""
        return Load(self.url, self.host, body=body, pause=pause, longest=LONGEST_SECONDS)

    def load_inside(self) -> Load:
        """Predictions through the model's Service alone; needs a cluster whose addresses this machine reaches."""
        address = self.installation.get("service", NAME)["spec"]["clusterIP"]
        return Load(f"http://{address}", self.host, body=BODY, pause=0.02, longest=LONGEST_SECONDS)

    def publish(self, version: str, *, damaged: bool = False) -> None:
        """Make a version exist; a damaged one has other bytes than its manifest says, from the first moment."""
        model = model_files.onnx_logistic(self.scratch / f"{version}.onnx", 2)
        files: Files = {ModelFormat.ONNX.value: model.read_bytes()}
        manifest = Manifest(
            version=version,
            format=ModelFormat.ONNX,
            signature=pair(),
            files=describe(files),
            example=(1.0, 2.0),
            created=datetime.now(UTC),
        )
        if not damaged:
            Registry(self.installation.store).publish(manifest, files)
            return
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1
        self.installation.store.create(f"versions/{version}/{ModelFormat.ONNX.value}", bytes(content))
        self.installation.store.create(f"versions/{version}/manifest.json", manifest.model_dump_json().encode())

    def apply(self, **serving: Any) -> None:
        """Apply the MLModel with these serving fields."""
        requests = {"requests": {"cpu": "50m", "memory": "128Mi"}}
        number = {} if "autoscaling" in serving else {"replicas": 2}
        spec = {
            "registry": {
                "uri": self.installation.registry,
                "endpoint": self.installation.machine.pod_endpoint,
                "secretName": "store",
            },
            "serving": {**number, "resources": requests, **serving},
            "traffic": self.traffic,
            # Versions replace each other at once here, whatever judges them.
            "rollout": {"strategy": "BlueGreen", "keepWarm": "0s"},
        }
        self.installation.machine.apply(self.installation.mlmodel(NAME, spec))

    def status(self) -> dict[str, Any]:
        """The MLModel's status."""
        found: dict[str, Any] = self.installation.get("mlmodel", NAME).get("status", {})
        return found

    def condition(self, kind: str) -> dict[str, Any]:
        """One condition; empty when it is not there."""
        conditions = self.status().get("conditions", ())
        return next((one for one in conditions if one["type"] == kind), {})

    def pods(self) -> dict[str, str]:
        """Versions of the model's pods by pod name, those on their way out left aside."""
        listed = self.installation.get("pods", "-l", f"modelloop.dev/model={NAME}")["items"]
        alive = [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]
        return {pod["metadata"]["name"]: pod["metadata"]["labels"]["modelloop.dev/version"] for pod in alive}

    def wait_until_ended(self, pods: Collection[str]) -> None:
        """Until these pods are gone, the time in which they drain included."""

        def ended() -> object:
            listed = self.installation.get("pods", "-l", f"modelloop.dev/model={NAME}")["items"]
            left = {pod["metadata"]["name"] for pod in listed} & set(pods)
            return left or True

        eventually("the old pods are gone", ended, 120)

    def wait_for_version(self, version: str, deadline: float = 120) -> None:
        """Until the version is live and takes all traffic."""

        def live() -> object:
            stable = self.status().get("stable", {})
            done = stable.get("version") == version and stable.get("effectiveWeight") == 100
            return True if done else (self.status().get("message"), self.installation.operator_logs()[-1500:])

        eventually(f"{version} serves all traffic", live, deadline)

    def wait_until_settled(self, version: str, pods: int = 2) -> None:
        """Until only this version has pods, so many, all ready."""

        def settled() -> object:
            deployment = self.installation.get("deployments", "-l", f"modelloop.dev/model={NAME}")["items"]
            ready = [item["status"].get("readyReplicas", 0) for item in deployment]
            seen = (sorted(self.pods().values()), ready)
            return True if seen == ([version] * pods, [pods]) else seen

        eventually(f"only {version} has pods", settled, 120)
