"""The node's static volumes: no provisioner comes with Kubernetes, and the charts' claims need something to bind."""

from typing import Any

import yaml

from .kubectl import Kubectl
from .profiles import NODE_NAME, Profile

COUNT = 8
SIZE = "10Gi"


def create(profile: Profile, kubectl: Kubectl) -> None:
    """Make the folders and their volumes; a bound volume stays as it is."""
    for number in range(COUNT):
        folder = profile.state / f"volumes/{number}"
        folder.mkdir(parents=True, exist_ok=True)
        # Pods are not root, and an fsGroup changes nothing in a host's folder.
        folder.chmod(0o777)
    kubectl.apply(yaml.safe_dump_all(_volume(profile, number) for number in range(COUNT)))


def _volume(profile: Profile, number: int) -> dict[str, Any]:
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"modelloop-{number}"},
        "spec": {
            "storageClassName": "standard",
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Recycle",
            "hostPath": {"path": str(profile.state / f"volumes/{number}"), "type": "Directory"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        },
    }
