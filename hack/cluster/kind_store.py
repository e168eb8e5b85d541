"""The S3 store of a kind cluster: versitygw in a pod, its port mapped to this machine by kind-config.yaml."""

from pathlib import Path
from typing import Any

import yaml

from . import object_store
from .kubectl import Kubectl
from .object_store import Access
from .profiles import MODULE, Home
from .shell import answers, wait_until

NAMESPACE = "modelloop-store"
NODE_PORT = 30070


def access(home: Home, address: str) -> Access:
    """Two addresses for one store: a container of Docker's is not reachable from every machine that runs Docker."""
    inside = f"http://object-store.{NAMESPACE}.svc.cluster.local:{object_store.PORT}"
    return Access(f"http://{address}:{NODE_PORT}", inside, *object_store.keys(home))


def install(kubectl: Kubectl, found: Access) -> None:
    """Leave it answering this machine; what is in it stays as long as the cluster."""
    kubectl.apply(yaml.safe_dump_all(_keys(found)))
    kubectl.apply(Path(MODULE, "manifests/kind-object-store.yaml").read_text())
    kubectl("rollout", "status", "deployment/object-store", "-n", NAMESPACE, "--timeout=120s", timeout=150)
    wait_until(f"answer of the object store at {found.endpoint}", lambda: answers(found.endpoint), 60)


def _keys(found: Access) -> list[dict[str, Any]]:
    keys = {"ROOT_ACCESS_KEY_ID": found.access_key, "ROOT_SECRET_ACCESS_KEY": found.secret_key}
    where = {"name": "object-store", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": where, "stringData": keys},
    ]
