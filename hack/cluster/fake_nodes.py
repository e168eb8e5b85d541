"""kwok: nodes and pods that exist only in the API, for tests of controllers without containers."""

import yaml

from .binaries import module_folder
from .control_plane import command, probe
from .kubectl import Kubectl
from .processes import Server
from .profiles import Profile

STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
)
NODES = 2
PORT = 20247


def server(profile: Profile) -> Server:
    """Pods on its nodes become Ready, Jobs' pods succeed; real Services and EndpointSlices follow from that."""
    flags: dict[str, object] = {
        "kubeconfig": profile.kubeconfig,
        "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
        "cidr": "10.245.0.0/16",
        "node-ip": "127.0.0.1",
        "node-lease-duration-seconds": 40,
        "server-address": f"127.0.0.1:{PORT}",
    }
    stages = module_folder("sigs.k8s.io/kwok") / "kustomize/stage"
    configs = [f"--config={stages / stage}.yaml" for stage in STAGES]
    return Server("kwok", command(["kwok", *configs], flags), probe(profile, f"http://127.0.0.1:{PORT}/healthz"))


def create_nodes(kubectl: Kubectl) -> None:
    """Two nodes with room for thousands of pods."""
    kubectl.apply("---\n".join(yaml.safe_dump(_node(f"fake-{number}")) for number in range(NODES)))


def _node(name: str) -> dict[str, object]:
    room = {"cpu": "1000", "memory": "1000Gi", "pods": "10000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "type": "kwok",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "status": {"allocatable": room, "capacity": room},
    }
