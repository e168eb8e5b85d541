"""The two clusters this tool can run, with every address, port and folder that belongs to each."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = Path(__file__).resolve().parent
SERVICE_RANGE = "10.96.0.0/12"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
POD_RANGE = "10.244.0.0/16"
BRIDGE = "modelloop0"
NODE_NAME = "modelloop"
CGROUP = "modelloop"


class ClusterError(Exception):
    """Something a person must read: what was tried, on what, and what was found."""


def cache_folder() -> Path:
    """Where binaries, wheels and image archives stay between clusters."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelloop"


def _bases() -> tuple[Path, Path]:
    if os.geteuid() == 0:
        return Path("/var/lib/modelloop"), Path("/run/modelloop")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state / "modelloop", Path(os.environ.get("XDG_RUNTIME_DIR") or state) / "modelloop-run"


@dataclass(frozen=True)
class Home:
    """Where the files of one cluster are."""

    name: str

    @property
    def state(self) -> Path:
        """Everything that survives a crash: certificates, data, logs, whose it is."""
        return _bases()[0] / self.name

    @property
    def run(self) -> Path:
        """Everything that is worthless once the processes are gone: pid files, sockets, mounts."""
        return _bases()[1] / self.name

    @property
    def logs(self) -> Path:
        """One file per server."""
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, mode 0600."""
        return self.state / "kubeconfig"


@dataclass(frozen=True)
class Profile(Home):
    """One cluster of our own: the address it listens on and its ports."""

    address: str
    # What the API server tells others it is; it refuses a loopback address here.
    advertise: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    controllers_port: int
    scheduler_port: int

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def context(self) -> str:
        """The kubeconfig context; tests allow-list it by this name."""
        return f"modelloop-{self.name}"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def runs_pods(self) -> bool:
        """Whether a kubelet runs real containers here (otherwise kwok plays the nodes)."""
        return self.name == NODE.name


NODE = Profile("node", "10.250.0.1", "10.250.0.1", 6443, 2379, 2380, 10257, 10259)
# 198.51.100.1 is a documentation address: with the endpoint reconciler off, nobody ever dials it.
CONTROL_PLANE = Profile("control-plane", "127.0.0.1", "198.51.100.1", 16443, 12379, 12380, 20257, 20259)
PROFILES = {profile.name: profile for profile in (NODE, CONTROL_PLANE)}
KIND = Home("kind")
HOMES: dict[str, Home] = {home.name: home for home in (NODE, CONTROL_PLANE, KIND)}
