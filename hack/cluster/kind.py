"""kind, for machines with a Docker daemon: the same charts and names on top of another cluster."""

import os
import shutil
from pathlib import Path

from . import gateway, ingress, kind_store, owner
from .kubectl import Kubectl
from .lock import alone
from .owner import Claim, Owner
from .profiles import KIND, MODULE, ROOT, ClusterError, Home
from .shell import run, say, succeeds

NAME = "modelloop"
CONTEXT = f"kind-{NAME}"
PROGRAMS = ("kind", "kubectl", "helm")
TARGETS = ("control", "runtime")
METRICS_IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.9.0"


def docker_answers() -> bool:
    """Whether there is a daemon; a client alone says nothing."""
    return shutil.which("docker") is not None and succeeds(
        ["docker", "version", "--format", "{{.Server.Version}}"], timeout=10
    )


class Kind:
    """One kind cluster, described by kind-config.yaml, whose ports answer at `address`."""

    def __init__(self, home: Home = KIND, address: str = "127.0.0.1") -> None:
        self.home = home
        self.address = address
        self.kubectl = Kubectl("kubectl", home.kubeconfig, CONTEXT)

    def up(self, asked: Owner | None = None) -> None:
        """Leave it running with gateway, metrics and object store; it ends with its first owner."""
        if missing := [program for program in PROGRAMS if not shutil.which(program)]:
            raise ClusterError(f"Docker answers, but kind needs {', '.join(missing)} on the PATH: install, try again")
        with alone(self.home.name):
            self.home.state.mkdir(parents=True, exist_ok=True)
            owner.claim(self.home, asked)
            self._start()
            gateway.install(self.kubectl, "helm", {}, self.address)
            self.kubectl.apply(_metrics_server())
            kind_store.install(self.kubectl, kind_store.access(self.home, self.address))
            self.kubectl("rollout", "status", "deployment/metrics-server", "-n", "kube-system", "--timeout=90s")

    def down(self, only_of: Owner | None = None) -> None:
        """Delete the cluster and its files."""
        with alone(self.home.name):
            if only_of is None or owner.read(self.home) == Claim(only_of):
                self._down()

    def status(self) -> str:
        """Its nodes."""
        return self.kubectl("get", "nodes", "-o", "wide")

    def images(self) -> None:
        """Build with Docker, load into the node."""
        given = {name: os.environ.get(name) for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
        options = [word for name, value in given.items() if value for word in ("--build-arg", f"{name}={value}")]
        for target in TARGETS:
            reference = f"localhost/modelloop/{target}:dev"
            say(f"  building {reference}")
            command = ["docker", "build", "--target", target, "--tag", reference, *options, str(ROOT)]
            # The Dockerfile mounts caches, which Docker's old builder does not know.
            run(command, env={"DOCKER_BUILDKIT": "1"}, timeout=3600)
            run(["kind", "load", "docker-image", reference, "--name", NAME])

    def ingress(self) -> str:
        """Contour from its own registry; its manifests travel in the Go module."""
        ingress.install(self.kubectl, self.address, {})
        return ingress.url(self.address)

    def environment(self) -> dict[str, str]:
        """kind maps the ports of Gateway and store to this machine; kubectl and helm are those of the PATH."""
        if not self.home.kubeconfig.exists():
            raise ClusterError(f"the kind cluster {NAME} is not up: {self.home.kubeconfig} does not exist")
        return {
            "KUBECONFIG": str(self.home.kubeconfig),
            "MODELLOOP_CONTEXT": CONTEXT,
            "MODELLOOP_GATEWAY_URL": gateway.url(self.address),
            **kind_store.access(self.home, self.address).environment(),
        }

    def _start(self) -> None:
        if NAME in run(["kind", "get", "clusters"]).split():
            # A machine that was restarted may have left it stopped.
            run(["docker", "start", f"{NAME}-control-plane"])
            run(["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", self.home.kubeconfig])
            return
        say("  creating the kind cluster")
        config = ["--config", str(ROOT / "kind-config.yaml"), "--kubeconfig", str(self.home.kubeconfig)]
        run(["kind", "create", "cluster", *config, "--wait", "120s"])

    def _down(self) -> None:
        owner.dismiss_watcher(self.home)
        run(["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", self.home.kubeconfig])
        for folder in (self.home.run, self.home.state):
            shutil.rmtree(folder, ignore_errors=True)
        say(f"the kind cluster {NAME} is deleted")


def _metrics_server() -> str:
    """Upstream's image; and kind's kubelets show certificates that no authority of the cluster has signed."""
    manifest = Path(MODULE, "manifests/metrics-server.yaml").read_text()
    authority = "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    ours = manifest.replace("localhost/modelloop/metrics-server:dev", METRICS_IMAGE)
    return ours.replace(authority, "--kubelet-insecure-tls")
