"""The machine as a Kubernetes node: containerd, kubelet, kube-proxy and the pod network's configuration."""

import json
from pathlib import Path

import yaml

from . import pki
from .control_plane import command
from .kubectl import Kubectl
from .packages import cni_folder
from .processes import Server
from .profiles import CGROUP, DNS_SERVICE, NODE_NAME, POD_RANGE, Profile
from .shell import answers, succeeds, write

PAUSE_IMAGE = "localhost/modelloop/pause:dev"


def containerd_socket(profile: Profile) -> Path:
    """Our own containerd's socket; a distribution's daemon is left alone."""
    return profile.run / "containerd/containerd.sock"


def prepare(profile: Profile) -> None:
    """Write every configuration file and make the cgroup that all pods live under."""
    for client in ("kubelet", "kube-proxy"):
        pki.kubeconfig(profile, client, profile.state / f"{client}.kubeconfig")
    write(profile.state / "containerd.toml", _containerd_config(profile))
    write(profile.state / "cni/net.d/10-modelloop.conflist", json.dumps(_cni_config(profile), indent=2))
    write(profile.state / "kubelet.yaml", yaml.safe_dump(_kubelet_config(profile)))
    write(profile.state / "kube-proxy.yaml", yaml.safe_dump(_proxy_config(profile)))
    write(profile.state / "resolv.conf", "")
    for parent in cgroup_parents():
        (parent / CGROUP).mkdir(exist_ok=True)


def cgroup_parents() -> list[Path]:
    """The roots of the cgroup hierarchies: one per controller on v1, a single one on v2."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [folder for folder in root.iterdir() if folder.is_dir() and (folder / "cgroup.procs").exists()]


def containerd(profile: Profile) -> Server:
    """Ready when it answers on its socket."""
    address = str(containerd_socket(profile))
    words = ("containerd", "--config", str(profile.state / "containerd.toml"))
    return Server("containerd", words, lambda: succeeds(["ctr", "--address", address, "version"], timeout=5))


def kubelet(profile: Profile) -> Server:
    """Ready when healthy; the node object follows a moment later."""
    flags: dict[str, object] = {
        "config": profile.state / "kubelet.yaml",
        "kubeconfig": profile.state / "kubelet.kubeconfig",
        "root-dir": profile.state / "kubelet",
        "node-ip": profile.address,
        "hostname-override": NODE_NAME,
    }
    return Server("kubelet", command(["kubelet"], flags), lambda: answers("http://127.0.0.1:10248/healthz"))


def kube_proxy(profile: Profile) -> Server:
    """Services and NodePorts by nftables."""
    flags: dict[str, object] = {"config": profile.state / "kube-proxy.yaml"}
    return Server("kube-proxy", command(["kube-proxy"], flags), lambda: answers("http://127.0.0.1:10256/livez"))


def wait_ready(kubectl: Kubectl) -> None:
    """Wait for the node to report Ready, with the kubelet's reason if it does not."""
    kubectl.wait_condition("node", NODE_NAME, "Ready", deadline=60)


def _containerd_config(profile: Profile) -> str:
    return f"""version = 2
root = "{profile.state}/containerd"
state = "{profile.run}/containerd"
# The opt plugin would make /opt/containerd; the others need devices that a small box lacks.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{containerd_socket(profile)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE a lower score is refused and every sandbox dies with "can't get final child's PID".
  restrict_oom_score_adj = true
  disable_apparmor = {str(not Path("/sys/module/apparmor").exists()).lower()}
  # Under our folder, so that `down` finds every network namespace.
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_folder()}"
    conf_dir = "{profile.state}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{profile.run}/runc"
"""


def _cni_config(profile: Profile) -> dict[str, object]:
    ranges = [[{"subnet": POD_RANGE}]]
    ipam = {
        "type": "host-local",
        "dataDir": str(profile.run / "cni"),
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # Routed links instead of a bridge: pod to Service to pod works without br_netfilter, and a link dies with its pod.
    return {"cniVersion": "0.4.0", "name": "modelloop", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}]}


def _kubelet_config(profile: Profile) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": profile.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(profile.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(profile.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(profile.pki / "kubelet-server.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE],
        # The box's own resolver must not reach into pods: nothing outside is to be looked up.
        "resolvConf": str(profile.state / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{containerd_socket(profile)}",
        "podLogsDir": str(profile.state / "pod-logs"),
        "volumePluginDir": str(profile.state / "volume-plugins"),
        "cgroupRoot": f"/{CGROUP}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        # kube-proxy speaks nftables; these would only be chains that nobody removes.
        "makeIPTablesUtilChains": False,
        # Images come from an archive, not from a registry: one that is collected cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "serializeImagePulls": False,
        "maxPods": 200,
        "shutdownGracePeriod": "0s",
        "nodeStatusReportFrequency": "1m",
    }


def _proxy_config(profile: Profile) -> dict[str, object]:
    unlimited = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(profile.state / "kube-proxy.kubeconfig")},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE_NAME,
        # NodePorts answer on the node's address alone, not on every interface of the box.
        "nodePortAddresses": [f"{profile.address}/32"],
        "conntrack": unlimited,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nftables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
    }
