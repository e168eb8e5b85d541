"""kind, for machines with a Docker daemon: the same charts and names on top of another cluster."""

import shutil
from pathlib import Path

from . import gateway, owner
from .kubectl import Kubectl
from .lock import alone
from .owner import Claim, Owner
from .profiles import KIND, ROOT, ClusterError
from .shell import run, say, succeeds

NAME = "modelloop"
CONTEXT = f"kind-{NAME}"
TARGETS = ("control", "runtime")


def docker_answers() -> bool:
    """Whether there is a daemon; a client alone says nothing."""
    return shutil.which("docker") is not None and succeeds(
        ["docker", "version", "--format", "{{.Server.Version}}"], timeout=10
    )


class Kind:
    """One kind cluster, described by kind-config.yaml."""

    def __init__(self) -> None:
        self.kubeconfig = KIND.kubeconfig
        self.kubectl = Kubectl("kubectl", self.kubeconfig, CONTEXT)

    def up(self, asked: Owner | None = None) -> None:
        """Create it unless it is there, then the gateway."""
        with alone(KIND):
            self._up(asked)

    def _up(self, asked: Owner | None) -> None:
        for program in ("kind", "kubectl", "helm"):
            if not shutil.which(program):
                raise ClusterError(f"Docker answers, but {program} is not installed")
        owner.claim(KIND, asked)
        if NAME not in run(["kind", "get", "clusters"]).split():
            options: list[str | Path] = [
                "--config",
                ROOT / "kind-config.yaml",
                "--wait",
                "120s",
                "--kubeconfig",
                self.kubeconfig,
            ]
            run(["kind", "create", "cluster", *options])
        run(["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", self.kubeconfig])
        gateway.install(self.kubectl, "helm", {}, "127.0.0.1")

    def down(self, only_of: Owner | None = None) -> None:
        """Delete the cluster and its files."""
        with alone(KIND):
            if only_of is None or owner.read(KIND) == Claim(only_of):
                self._down()

    def _down(self) -> None:
        owner.dismiss_watcher(KIND)
        run(["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", self.kubeconfig])
        for folder in (KIND.run, KIND.state):
            shutil.rmtree(folder, ignore_errors=True)

    def status(self) -> str:
        """Its nodes."""
        return self.kubectl("get", "nodes", "-o", "wide")

    def images(self) -> None:
        """Build with Docker, load into the node."""
        for target in TARGETS:
            reference = f"localhost/modelloop/{target}:dev"
            say(f"  building {reference}")
            run(["docker", "build", "--target", target, "-t", reference, ROOT], timeout=3600)
            run(["kind", "load", "docker-image", reference, "--name", NAME])

    def environment(self) -> dict[str, str]:
        """kind maps the Gateway's NodePort to this machine (kind-config.yaml)."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "MODELLOOP_CONTEXT": self.kubectl.context,
            "MODELLOOP_GATEWAY_URL": gateway.url("127.0.0.1"),
        }
