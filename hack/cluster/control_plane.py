"""etcd, API server, controller manager and scheduler: their command lines and how to ask whether they serve."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from . import pki
from .binaries import binary
from .processes import Server
from .profiles import MODULE, SERVICE_RANGE, Profile

ISSUER = "https://kubernetes.default.svc.cluster.local"


def prepare(profile: Profile) -> None:
    """Certificates and kubeconfigs, made once."""
    pki.create(profile)
    pki.kubeconfig(profile, "admin", profile.kubeconfig)
    for client in ("kube-controller-manager", "kube-scheduler"):
        pki.kubeconfig(profile, client, profile.state / f"{client}.kubeconfig")


def servers(profile: Profile) -> list[Server]:
    """In the order in which they start; they stop in the reverse one."""
    return [etcd(profile), api_server(profile), controllers(profile), scheduler(profile)]


def etcd(profile: Profile) -> Server:
    """Client certificates guard it: whoever reaches etcd owns the cluster."""
    client, peer = f"https://127.0.0.1:{profile.etcd_port}", f"http://127.0.0.1:{profile.etcd_peer_port}"
    flags = {
        "data-dir": profile.state / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "trusted-ca-file": profile.pki / "etcd-ca.crt",
        "cert-file": profile.pki / "etcd.crt",
        "key-file": profile.pki / "etcd.key",
        "client-cert-auth": "true",
        # A throw-away cluster: a power cut may cost it, a slow disk must not.
        "unsafe-no-fsync": "true",
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "5m",
        "log-level": "warn",
    }
    ask = probe(profile, f"{client}/health", ca="etcd-ca", client="etcd")
    return Server("etcd", command(["etcd"], flags), ask)


def api_server(profile: Profile) -> Server:
    """Bound to the profile's own address alone; the box's other addresses stay closed."""
    folder = profile.pki
    flags = {
        "bind-address": profile.address,
        "secure-port": profile.api_port,
        "advertise-address": profile.advertise,
        "endpoint-reconciler-type": "lease" if profile.runs_pods else "none",
        "service-cluster-ip-range": SERVICE_RANGE,
        **_etcd_client(profile),
        "client-ca-file": folder / "ca.crt",
        "tls-cert-file": folder / "apiserver.crt",
        "tls-private-key-file": folder / "apiserver.key",
        "service-account-issuer": ISSUER,
        "service-account-key-file": folder / "service-account.key",
        "service-account-signing-key-file": folder / "service-account.key",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        **_kubelet_client(folder),
        "shutdown-delay-duration": "0s",
        "profiling": "false",
        **_aggregation(folder),
    }
    return Server("kube-apiserver", command(["kube-apiserver"], flags), probe(profile, f"{profile.server}/readyz"))


def _etcd_client(profile: Profile) -> dict[str, object]:
    return {
        "etcd-servers": f"https://127.0.0.1:{profile.etcd_port}",
        "etcd-cafile": profile.pki / "etcd-ca.crt",
        "etcd-certfile": profile.pki / "etcd.crt",
        "etcd-keyfile": profile.pki / "etcd.key",
    }


def _kubelet_client(folder: Path) -> dict[str, object]:
    return {
        "kubelet-certificate-authority": folder / "ca.crt",
        "kubelet-client-certificate": folder / "apiserver-kubelet.crt",
        "kubelet-client-key": folder / "apiserver-kubelet.key",
        # Otherwise `kubectl logs` looks the node's name up in DNS.
        "kubelet-preferred-address-types": "InternalIP",
    }


def _aggregation(folder: Path) -> dict[str, object]:
    return {
        "requestheader-client-ca-file": folder / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": folder / "front-proxy.crt",
        "proxy-client-key-file": folder / "front-proxy.key",
    }


def controllers(profile: Profile) -> Server:
    """All built-in controllers; quick where the defaults are made for a thousand nodes."""
    flags: dict[str, object] = {
        **_component(profile, "kube-controller-manager", profile.controllers_port),
        "service-account-private-key-file": profile.pki / "service-account.key",
        "root-ca-file": profile.pki / "ca.crt",
        "cluster-signing-cert-file": profile.pki / "ca.crt",
        "cluster-signing-key-file": profile.pki / "ca.key",
        "use-service-account-credentials": "true",
        "horizontal-pod-autoscaler-sync-period": "5s",
    }
    if profile.runs_pods:
        # Empties a volume whose claim is gone, so that a handful of static volumes serve any number of claims.
        flags["pv-recycler-pod-template-filepath-hostpath"] = MODULE / "manifests/recycler.yaml"
    else:
        # After an outage of the API server its watches come back at different times, up to a minute apart: a node may
        # be taken for dead that is not, and no kubelet makes the pods of a fake node ready again.
        flags["node-monitor-grace-period"] = "24h"
    return _checked(profile, "kube-controller-manager", profile.controllers_port, flags)


def scheduler(profile: Profile) -> Server:
    """Binds pods to the one node, or to kwok's."""
    return _checked(
        profile, "kube-scheduler", profile.scheduler_port, _component(profile, "kube-scheduler", profile.scheduler_port)
    )


def _component(profile: Profile, name: str, port: int) -> dict[str, object]:
    config = profile.state / f"{name}.kubeconfig"
    return {
        "kubeconfig": config,
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "tls-cert-file": profile.pki / "apiserver.crt",
        "tls-private-key-file": profile.pki / "apiserver.key",
        # One instance each: an election would only add its lease's expiry to every restart.
        "leader-elect": "false",
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "profiling": "false",
    }


def _checked(profile: Profile, name: str, port: int, flags: dict[str, object]) -> Server:
    return Server(name, command([name], flags), probe(profile, f"https://127.0.0.1:{port}/healthz"))


def command(words: list[str], flags: dict[str, object]) -> tuple[str, ...]:
    """The full command line of one of our binaries."""
    return (binary(words[0]), *words[1:], *(f"--{name}={value}" for name, value in flags.items()))


def probe(profile: Profile, url: str, ca: str = "ca", client: str = "admin") -> Callable[[], bool]:
    """A question with the cluster's own certificates; any refusal means not yet."""

    def ask() -> bool:
        try:
            context = ssl.create_default_context(cafile=profile.pki / f"{ca}.crt")
            context.load_cert_chain(profile.pki / f"{client}.crt", profile.pki / f"{client}.key")
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ssl.SSLError, urllib.error.URLError):
            return False

    return ask
