"""A namespace with a registry and an operator, and what tests ask of them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from cluster.control_plane import ControlPlane, Object, eventually
from cluster.operator_process import OperatorProcess
from modelloop_core.registry import Registry
from modelloop_core.storage.s3 import S3Store
from support.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from support.versions import a_version

CHILDREN = (
    "deployments,jobs,services,serviceaccounts,poddisruptionbudgets,horizontalpodautoscalers,httproutes,ingresses"
)
OURS = "app.kubernetes.io/managed-by=modelloop"
SETTLE_SECONDS = 60.0


@dataclass
class Scene:
    """Everything that one test plays with."""

    plane: ControlPlane
    namespace: str
    s3: S3Server
    bucket: str
    operators: list[OperatorProcess] = field(default_factory=list)

    @property
    def operator(self) -> OperatorProcess:
        """The first replica."""
        return self.operators[0]

    def secret(self, name: str = "store", *, key: str = SECRET_KEY) -> None:
        """The store's credentials as a Secret."""
        texts = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": key}
        data = {field_: base64.b64encode(text.encode()).decode() for field_, text in texts.items()}
        metadata = {"name": name, "namespace": self.namespace}
        self.plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def registry(self, prefix: str = "churn") -> Registry:
        """The registry as a publisher sees it."""
        store = S3Store(self.bucket, prefix, endpoint=self.s3.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        return Registry(store)

    def publish(self, number: str, prefix: str = "churn") -> None:
        """A new version."""
        self.registry(prefix).publish(*a_version(number))

    def manifest(self, name: str = "churn", *, prefix: str = "churn", **spec: Any) -> Object:
        """An MLModel as a person writes it."""
        uri = f"s3://{self.bucket}/{prefix}"
        registry = {"uri": uri, "endpoint": self.s3.endpoint, "secretName": "store"}
        return {
            "apiVersion": "modelloop.dev/v1alpha1",
            "kind": "MLModel",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"registry": registry, **spec},
        }

    def model(self, name: str = "churn") -> Object:
        """The MLModel as it is."""
        return self.plane.get("mlmodel", self.namespace, name) or {}

    def status(self, name: str = "churn") -> Object:
        """Its status."""
        found: Object = self.model(name).get("status", {})
        return found

    def condition(self, kind: str, name: str = "churn") -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty texts while there is none."""
        for found in self.status(name).get("conditions", ()):
            if found["type"] == kind:
                return found["status"], found["reason"], found.get("message", "")
        return "", "", ""

    def live(self, name: str = "churn") -> str:
        """The version that serves."""
        return str(self.status(name).get("stable", {}).get("version", ""))

    def serving(self, version: str, name: str = "churn") -> None:
        """Wait until exactly this version serves and nothing is under way."""

        def settled() -> bool:
            status = self.status(name)
            alone = not status.get("candidate") and not status.get("warm")
            return alone and self.live(name) == version and self.condition("Ready", name)[0] == "True"

        self.until(settled, f"{name} to serve {version}")

    def until(self, look: Any, what: str, seconds: float = SETTLE_SECONDS) -> Any:
        """Wait; on failure show the MLModels and the operators' logs."""
        return eventually(look, what, seconds=seconds, explain=self.explain)

    def children(self) -> dict[str, Object]:
        """All children by kind and name."""
        found = self.plane.items(CHILDREN, self.namespace, "-l", OURS, "--show-managed-fields")
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}

    def child(self, kind: str, name: str) -> Object:
        """One object; empty when it is not there."""
        return self.plane.get(kind, self.namespace, name) or {}

    def selected(self, name: str = "churn") -> str:
        """The version to which the model's Service leads."""
        return str(self.child("service", name).get("spec", {}).get("selector", {}).get("modelloop.dev/version", ""))

    def revisions(self) -> dict[str, str]:
        """Revision of each child and MLModel."""
        models = {f"MLModel/{m['metadata']['name']}": m for m in self.plane.items("mlmodels", self.namespace)}
        return {name: item["metadata"]["resourceVersion"] for name, item in {**self.children(), **models}.items()}

    def nudge(self, times: int) -> None:
        """Make the operator look at every MLModel that often, by changes that mean nothing."""
        for number in range(times):
            before = self.operator.metric("modelloop_operator_passes_total")
            self.plane.must("annotate", "mlmodels", "--all", "-n", self.namespace, f"test={number}", "--overwrite")
            self.until(lambda: self.operator.metric("modelloop_operator_passes_total") > before, "another pass")  # noqa: B023

    def explain(self) -> str:
        """What a person needs to see when a wait failed."""
        models = self.plane.items("mlmodels", self.namespace)
        told = json.dumps([{m["metadata"]["name"]: m.get("status")} for m in models], indent=1)
        return "\n".join([told, f"children: {sorted(self.children())}", *(found.tail() for found in self.operators)])
