"""What the install tests act on: two releases, their operator, and MLModels."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.install.machine import ROOT, Machine, Object
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import ObjectStore
from support.killed_runs import run_label

CHART, CRDS = ROOT / "charts/modelloop", ROOT / "charts/modelloop-crds"
CRD = "customresourcedefinition/mlmodels.modelloop.dev"
OPERATOR = "app.kubernetes.io/instance=modelloop,app.kubernetes.io/component=operator"


@dataclass(frozen=True)
class Installation:
    """Releases `modelloop-crds` and `modelloop` in one namespace, which is also the only one that is watched:
    on a shared cluster an operator for all namespaces would take over other people's MLModels.
    """

    machine: Machine
    namespace: str
    registry: str

    def install_crds(self, chart: Path) -> None:
        """Install or upgrade the MLModel resource; an earlier run's release may have left it."""
        place = ("--namespace", self.namespace)
        self.machine.helm("upgrade", "--install", "modelloop-crds", str(chart), *place, "--take-ownership")

    def install(self, **values: Any) -> None:
        """Install or upgrade the operator and wait until all its pods are ready."""
        given = ["--set-json", f"watchNamespaces={json.dumps([self.namespace])}"]
        for path, value in {"operator.registryPollSeconds": 2, "operator.monitorPollSeconds": 2, **values}.items():
            given += ["--set-json", f"{path}={json.dumps(value)}"]
        place = ("--namespace", self.namespace, "--wait", "--timeout", "180s")
        self.machine.helm("upgrade", "--install", "modelloop", str(CHART), *place, *given)

    def uninstall(self, *options: str) -> None:
        """Uninstall both releases, and with them what lies outside the namespace."""
        place = ("--namespace", self.namespace, "--wait")
        self.machine.helm("uninstall", "modelloop", "modelloop-crds", *place, *options)

    def helm_test(self) -> str:
        """Run `helm test`; returns what its pod said."""
        return self.machine.helm("test", "modelloop", "--namespace", self.namespace, "--logs", "--timeout", "180s")

    def get(self, *arguments: str) -> Object:
        """An object of this namespace."""
        return self.machine.get("-n", self.namespace, *arguments)

    def leader(self) -> str:
        """The pod that holds the Lease; empty while none does."""
        holder: str = self.get("lease", "modelloop")["spec"].get("holderIdentity", "")
        return holder

    def ready_operators(self) -> int:
        """How many of the operator's pods are ready."""
        count: int = self.get("deployment", "modelloop")["status"].get("readyReplicas", 0)
        return count

    def operators(self) -> list[Object]:
        """The operator's pods that are not on their way out."""
        pods = self.get("pods", "-l", OPERATOR)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def may(self, verb: str, what: str, subject: str) -> bool:
        """Whether somebody may do something in this namespace."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": subject,
                "resourceAttributes": {
                    "namespace": self.namespace,
                    "verb": verb,
                    "resource": what,
                    "group": "modelloop.dev" if what == "mlmodels" else "",
                },
            },
        }
        answer = self.machine.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
        allowed: bool = json.loads(answer)["status"]["allowed"]
        return allowed

    def resident_bytes(self, pod: str) -> float:
        """Memory of an operator's process, as it says itself."""
        return self._measured(pod, "process_resident_memory_bytes")

    def monitor_reads(self) -> float:
        """How many reports the leading operator has read."""
        return self._measured(self.leader(), 'modelloop_operator_monitor_reads_total{outcome="read"}')

    def _measured(self, pod: str, series: str) -> float:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8081/proxy/metrics"
        lines = self.machine.kubectl("get", "--raw", path).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), 0.0)

    def operator_logs(self) -> str:
        """Everything the operator's pods said."""
        return self.machine.kubectl("-n", self.namespace, "logs", "-l", OPERATOR, "--tail=-1", "--prefix")

    def serve(self, name: str) -> None:
        """Apply an MLModel and wait until its version serves."""
        spec = {
            "registry": {
                "uri": self.registry,
                "endpoint": self.machine.pod_endpoint,
                "secretName": "store",
            },
            "serving": {"replicas": 1, "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}}},
        }
        self.machine.apply(self.mlmodel(name, spec))
        self.wait(name)

    def wait(self, name: str) -> None:
        """Until an MLModel is Ready; else say what its status and pods say."""
        try:
            self.machine.kubectl(
                "-n", self.namespace, "wait", f"mlmodel/{name}", "--for=condition=Ready", "--timeout=180s"
            )
        except AssertionError as error:
            seen = self.get("mlmodel", name).get("status")
            raise AssertionError(f"{error}\n{seen}\n{self.operator_logs()[-3000:]}") from error

    def mlmodel(self, name: str, spec: Object) -> Object:
        """An MLModel of this namespace."""
        head = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": head, "spec": spec}

    def restricted_namespace(self) -> Object:
        """Admission refuses every pod here that is not restricted."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", **run_label()}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}

    @property
    def store(self) -> ObjectStore:
        """The registry's object store, as this machine reaches it."""
        access = self.machine.environment
        return open_store(
            self.registry,
            endpoint=access["MODELLOOP_S3_ENDPOINT"],
            region=access.get("AWS_REGION"),
            access_key=access["AWS_ACCESS_KEY_ID"],
            secret_key=access["AWS_SECRET_ACCESS_KEY"],
        )

    def store_secret(self) -> Object:
        """The registry's keys."""
        keys = {key: self.machine.environment[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        head = {"name": "store", "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": keys}


def crds_with_status_field(folder: Path, field: str) -> Path:
    """A copy of the CRD chart whose MLModel status has one more field, as a newer release would."""
    chart = Path(shutil.copytree(CRDS, folder / "modelloop-crds"))
    template = chart / "templates/mlmodels.yaml"
    crd = yaml.safe_load(template.read_text())
    (version,) = crd["spec"]["versions"]
    version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"][field] = {"type": "string"}
    template.write_text(yaml.safe_dump(crd, sort_keys=False))
    return chart
