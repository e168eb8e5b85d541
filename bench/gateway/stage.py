"""What the bench needs on the cluster: its own operator, one MLModel behind the shared Gateway, and CPU counts."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hack.demo.cluster import ROOT, Cluster, DemoFailed, Object

from bench.online.plan import Contender, inherited
from bench.online.pool import Pool
from bench.online.process import ask
from bench.online.wires import MODEL, VERSION
from modelloop_core.storage.directory import DirectoryStore

NAMESPACE = "bench-gateway"
HOST = "bench"
PODS = 2
ENVOY = "gateway.envoyproxy.io/owning-gateway-name=modelloop"
OPERATOR = "app.kubernetes.io/name=modelloop,app.kubernetes.io/component=operator"
SERVE_SECONDS = 180.0
_CPU = re.compile(r'^container_cpu_usage_seconds_total\{.*pod="([^"]+)"\} (\S+) (\d+)$', re.MULTILINE)


@dataclass(frozen=True)
class Model:
    """The MLModel as the load reaches it; `contender` says of which size its answers are."""

    cluster: Cluster
    contender: Contender

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the shared Gateway."""
        url = urlsplit(self.cluster["MODELLOOP_GATEWAY_URL"])
        return url.hostname or "", url.port or 80

    def ask(self, request: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """One request on a connection of its own."""
        return ask(self.address[1], request, host=self.address[0])

    def cpu_seconds(self) -> tuple[float, float]:
        """CPU that the kernel has booked on the predictors and on Envoy until now, all containers of the pods."""
        predictors = self._pods("-n", NAMESPACE, "-l", f"modelloop.dev/model={MODEL}")
        proxies = self._pods("--all-namespaces", "-l", ENVOY)
        booked = self._booked({**predictors, **proxies}, time.time())
        return sum(booked[pod] for pod in predictors), sum(booked[pod] for pod in proxies)

    def _pods(self, *where: str) -> dict[str, str]:
        """Names of pods with their nodes."""
        listed = self.cluster.get("pods", *where).get("items", [])
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in listed}

    def _booked(self, pods: Mapping[str, str], since: float) -> Counter[str]:
        """By pod, counted no earlier than `since`: a kubelet may answer with an older count."""
        found: Counter[str] = Counter()

        def stale() -> str:
            found.clear()
            stamps = dict.fromkeys(pods, math.inf)
            for node in set(pods.values()):
                page = self.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/resource")
                for pod, seconds, stamp in _CPU.findall(page):
                    found[pod] += float(seconds)
                    stamps[pod] = min(stamps.get(pod, math.inf), int(stamp) / 1e3)
            late = [pod for pod in pods if pod not in found or stamps[pod] < since]
            return f"none of {', '.join(late)}" if late else ""

        until("a CPU count of now", stale, 60)
        return found


@contextmanager
def serving(folder: Path, contender: Contender) -> Iterator[tuple[Model, Pool]]:
    """The model on its pods behind the Gateway, and rows with their answers; all of it goes afterwards."""
    cluster = Cluster.find()
    _refuse_a_second_operator(cluster)
    subprocess.run([sys.executable, "-m", "bench.online.models", folder], check=True, env=inherited())
    registry = f"s3://{cluster['MODELLOOP_S3_BUCKET']}/{NAMESPACE}"
    try:
        _clear(cluster, registry)
        _install(cluster)
        _publish(cluster, registry, folder / "small-onnx")
        cluster.apply(_mlmodel(cluster, registry))
        until("the model to serve", lambda: _not_serving(cluster), SERVE_SECONDS)
        model = Model(cluster, contender)
        until("the Gateway to have the route", lambda: _not_routed(model, Pool.read(folder / "pool.npz")), 60)
        yield model, Pool.read(folder / "pool.npz")
    finally:
        _clear(cluster, registry)


def _refuse_a_second_operator(cluster: Cluster) -> None:
    for one in cluster.get("deployments", "--all-namespaces", "-l", OPERATOR).get("items", []):
        environment = one["spec"]["template"]["spec"]["containers"][0]["env"]
        watched = {entry["name"]: entry.get("value") for entry in environment}.get("MODELLOOP_WATCH_NAMESPACES")
        if not watched:
            name = f"{one['metadata']['namespace']}/{one['metadata']['name']}"
            raise DemoFailed(f"operator {name} watches every namespace; `make demo-down` ends the demo's")


def _install(cluster: Cluster) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    keys = {key: cluster[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store", "namespace": NAMESPACE},
         "stringData": keys},
    )  # fmt: skip
    place = ("--namespace", NAMESPACE)
    crds = str(ROOT / "charts/modelloop-crds")
    cluster.helm("upgrade", "--install", "modelloop-crds", crds, *place, "--take-ownership")
    watched = ("--set-json", f"watchNamespaces={json.dumps([NAMESPACE])}")
    chart = str(ROOT / "charts/modelloop")
    cluster.helm("upgrade", "--install", "modelloop", chart, *place, *watched, "--wait", "--timeout", "180s")


def _publish(cluster: Cluster, registry: str, source: Path) -> None:
    written, store = DirectoryStore(source), cluster.store(registry)
    # The manifest last: with it the version exists.
    for key in sorted((info.key for info in written.list("")), key=lambda key: key.endswith("manifest.json")):
        store.create(key, written.read(key))


def _mlmodel(cluster: Cluster, registry: str) -> Object:
    parents = [{"name": "modelloop", "namespace": "modelloop-gateway"}]
    spec = {
        "registry": {"uri": registry, "endpoint": cluster.pod_endpoint, "secretName": "store"},
        "version": VERSION,
        "serving": {"replicas": PODS},
        "traffic": {"gateway": {"parentRefs": parents, "hostnames": [HOST]}},
    }
    head = {"name": MODEL, "namespace": NAMESPACE}
    return {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": head, "spec": spec}


def _not_serving(cluster: Cluster) -> str:
    status = cluster.get("mlmodel", MODEL, "-n", NAMESPACE).get("status", {})
    stable = status.get("stable", {})
    done = stable.get("readyReplicas") == PODS and stable.get("effectiveWeight") == 100
    return "" if done else status.get("message", "the operator has not seen it yet")


def _not_routed(model: Model, pool: Pool) -> str:
    status, _, body = model.ask(pool.first_request(model.contender))
    return "" if status == 200 else f"{status} {body[:200]!r}"


def _clear(cluster: Cluster, registry: str) -> None:
    if cluster.get("customresourcedefinition", "mlmodels.modelloop.dev"):
        cluster.kubectl("delete", "mlmodels", "--all", "-n", NAMESPACE, "--timeout=120s")
    cluster.helm("uninstall", "modelloop", "modelloop-crds", "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    store = cluster.store(registry)
    for info in list(store.list("")):
        store.delete(info.key)


def until(what: str, missing: Callable[[], str], seconds: float) -> None:
    """Until nothing is missing; raises DemoFailed with what still is."""
    deadline = time.monotonic() + seconds
    while said := missing():
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {seconds:g} s for {what}: {said}")
        time.sleep(0.2)
