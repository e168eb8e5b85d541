"""Bringing one of our own clusters up and down again; every step may be repeated, and heals what it finds."""

import os
import time
from pathlib import Path

from . import (
    binaries,
    control_plane,
    fake_nodes,
    gateway,
    images,
    ingress,
    network,
    node,
    object_store,
    owner,
    packages,
    processes,
    sweep,
    volumes,
)
from .kubectl import Kubectl
from .lock import alone
from .owner import WATCHER, Claim, Owner
from .processes import Server
from .profiles import DNS_SERVICE, MODULE, ClusterError, Profile
from .shell import listens, say, wait_until


def client(profile: Profile) -> Kubectl:
    """kubectl as the cluster's administrator."""
    return Kubectl(binaries.binary("kubectl"), profile.kubeconfig, profile.context)


def up(profile: Profile, asked: Owner | None = None) -> None:
    """Leave the profile running and complete, whatever state it was in; it ends with its first owner."""
    with alone(profile.name):
        _up(profile, asked)


def _up(profile: Profile, asked: Owner | None) -> None:
    started = time.monotonic()
    say(f"hack/cluster: profile {profile.name}")
    if profile.runs_pods:
        _require_root()
        packages.ensure()
    binaries.build()
    archives = images.system_archives() if profile.runs_pods else {}
    if not any(processes.running(profile, name) for name in processes.known(profile) if name != WATCHER):
        sweep.orphans(profile)
    profile.state.mkdir(parents=True, exist_ok=True, mode=0o711)
    owner.claim(profile, asked)
    if profile.runs_pods:
        network.up()
    for server in _control_plane(profile):
        processes.ensure(profile, server)
    if profile.runs_pods:
        _start_node(profile, archives)
    else:
        _start_fake_nodes(profile)
    say(f"profile {profile.name} is up after {time.monotonic() - started:.1f} s")


def ingress_controller(profile: Profile) -> str:
    """Contour in the running node profile; returns its URL."""
    if not (profile.runs_pods and processes.running(profile, "kubelet")):
        raise ClusterError(
            f"an Ingress controller needs pods, and profile {profile.name} runs none: bring up node first"
        )
    with alone(profile.name):
        binaries.ensure([binaries.CONTOUR])
        images.import_all(profile, images.ingress_archives())
        ingress.install(client(profile), profile.address, ingress.LOCAL_IMAGES)
    return ingress.url(profile.address)


def down(profile: Profile, only_of: Owner | None = None) -> None:
    """Stop everything, remove every trace, and raise ClusterError naming whatever is still there."""
    with alone(profile.name):
        if only_of is None or owner.read(profile) == Claim(only_of):
            _down(profile)


def _down(profile: Profile) -> None:
    owner.dismiss_watcher(profile)
    if profile.runs_pods and profile.run.exists():
        _require_root()
    for name in _stop_order(processes.known(profile)):
        # All its state goes with it: a server that drains its clients first would drain them for nothing.
        processes.stop(profile, name, patience=2)
    sweep.everything(profile)
    left = sweep.leftovers(profile)
    if left:
        raise ClusterError(f"profile {profile.name} left behind:\n" + "\n".join(left))
    say(f"profile {profile.name} is down; nothing is left of it")


def start(profile: Profile, name: str) -> None:
    """Start one stopped server again, exactly as it was."""
    command, environment = processes.recorded(profile, name)
    ready = {server.name: server for server in all_servers(profile)}
    known = ready.get(name, Server(name, command, lambda: True))
    processes.ensure(profile, Server(name, command, known.ready, known.deadline, tuple(environment.items())))


def stop(profile: Profile, name: str) -> None:
    """Stop one server and leave the rest as they are."""
    processes.recorded(profile, name)
    say(f"  {name} {'stopped' if processes.stop(profile, name) else 'was not running'}")


def all_servers(profile: Profile) -> list[Server]:
    """Every server of the profile, in the order in which they start."""
    if not profile.runs_pods:
        return [*control_plane.servers(profile), fake_nodes.server(profile)]
    pods = [node.containerd(profile), node.kubelet(profile), node.kube_proxy(profile)]
    return [*control_plane.servers(profile), object_store.server(profile), *pods]


def _control_plane(profile: Profile) -> list[Server]:
    control_plane.prepare(profile)
    return control_plane.servers(profile)


def _start_node(profile: Profile, archives: dict[str, Path]) -> None:
    kubectl = client(profile)
    node.prepare(profile)
    processes.ensure(profile, object_store.server(profile))
    processes.ensure(profile, node.containerd(profile))
    images.import_all(profile, archives)
    processes.ensure(profile, node.kubelet(profile))
    processes.ensure(profile, node.kube_proxy(profile))
    node.wait_ready(kubectl)
    for manifest in ("storage", "coredns", "metrics-server"):
        kubectl.apply((MODULE / f"manifests/{manifest}.yaml").read_text())
    volumes.create(profile, kubectl)
    gateway.install(kubectl, binaries.binary("helm"), gateway.local_values(), profile.address)
    system = ("deployment/coredns", "deployment/metrics-server")
    kubectl("rollout", "status", *system, "-n", "kube-system", "--timeout=90s")
    wait_until("DNS", lambda: listens(DNS_SERVICE, 53), 60)


def _start_fake_nodes(profile: Profile) -> None:
    kubectl = client(profile)
    processes.ensure(profile, fake_nodes.server(profile))
    fake_nodes.create_nodes(kubectl)
    gateway.install_crds(kubectl)
    kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=30s")


def _stop_order(names: list[str]) -> list[str]:
    # The API server before etcd: without etcd it waits up to a minute and keeps its port. Containers end in the sweep.
    last = [
        "kubelet",
        "kube-proxy",
        "kwok",
        "kube-scheduler",
        "kube-controller-manager",
        "kube-apiserver",
        "etcd",
        "containerd",
    ]
    return sorted(
        (name for name in names if name != WATCHER), key=lambda name: last.index(name) if name in last else -1
    )


def _require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("the node profile runs containers and needs root; control-plane does not")
