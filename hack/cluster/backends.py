"""Which cluster a command means: a person's own, kind where a Docker daemon answers, else ours. It says which."""

import json
import os
import shlex
from pathlib import Path
from typing import Protocol

from . import binaries, gateway, images, kind, local, object_store, packages, processes, sweep
from .kubectl import Kubectl
from .owner import Owner
from .profiles import PROFILES, ClusterError, Home, Profile
from .shell import say


class Backend(Protocol):
    """What every kind of cluster can do."""

    def up(self, asked: Owner | None = None) -> None:
        """Make it ready for use; if this brings it up, it ends with the owner that asks."""

    def down(self, only_of: Owner | None = None) -> None:
        """Remove it, or only if it is this owner's."""

    def status(self) -> str:
        """What runs, for people."""

    def images(self) -> None:
        """Build the project's images and bring them in."""

    def ingress(self) -> str:
        """Bring an Ingress controller in, if there is none; returns its URL."""

    def environment(self) -> dict[str, str]:
        """Variables with which a shell or a test uses it."""


class Local:
    """hack/cluster's own processes."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def up(self, asked: Owner | None = None) -> None:
        """Start or heal."""
        local.up(self.profile, asked)

    def down(self, only_of: Owner | None = None) -> None:
        """Stop and remove all traces."""
        local.down(self.profile, only_of)

    def status(self) -> str:
        """One line per server that was ever started."""
        pids = {name: processes.running(self.profile, name) for name in processes.known(self.profile)}
        lines = [f"{name:26}{f'running (pid {pid})' if pid else 'stopped'}" for name, pid in pids.items()]
        return (
            "\n".join(lines)
            or f"profile {self.profile.name} is down; leftovers: {sweep.leftovers(self.profile) or 'none'}"
        )

    def images(self) -> None:
        """Build with buildah, import into containerd."""
        archives = images.project_archives()
        if processes.running(self.profile, "containerd"):
            images.import_all(self.profile, archives)
        else:
            say("  containerd is not running: built, not imported")

    def ingress(self) -> str:
        """Contour, built when it is first asked for."""
        return local.ingress_controller(self.profile)

    def environment(self) -> dict[str, str]:
        """PATH gets the cache's kubectl and helm first."""
        if not self.profile.kubeconfig.exists():
            raise ClusterError(f"profile {self.profile.name} is not up: {self.profile.kubeconfig} does not exist")
        found = {
            "KUBECONFIG": str(self.profile.kubeconfig),
            "MODELLOOP_CONTEXT": self.profile.context,
            "MODELLOOP_BIN": str(binaries.folder()),
        }
        if self.profile.runs_pods:
            found |= {
                "MODELLOOP_GATEWAY_URL": gateway.url(self.profile.address),
                **object_store.access(self.profile).environment(),
            }
        return found


class External:
    """A cluster that a person brought, allowed by the name of its context; it is never created or removed."""

    def __init__(self, kubeconfig: Path, context: str) -> None:
        self.kubectl = Kubectl("kubectl", kubeconfig, context)

    def up(self, asked: Owner | None = None) -> None:
        """Check that it answers; it is its owner's, whoever asks."""
        self.kubectl("version")

    def down(self, only_of: Owner | None = None) -> None:
        """Refuse; it never is a process's own."""
        if only_of is not None:
            return
        raise ClusterError("this cluster is not ours to take down; unset MODELLOOP_CONTEXT to use hack/cluster")

    def status(self) -> str:
        """Its nodes."""
        return self.kubectl("get", "nodes", "-o", "wide")

    def images(self) -> None:
        """Nothing: images are pushed to where that cluster pulls from."""
        say("  images of an external cluster come from its registry; nothing to do")

    def ingress(self) -> str:
        """The controller that a person names."""
        given = os.environ.get("MODELLOOP_INGRESS_URL")
        if not given:
            raise ClusterError("MODELLOOP_INGRESS_URL is not set: name the URL at which this cluster's Contour answers")
        return given

    def environment(self) -> dict[str, str]:
        """What was given."""
        return {"KUBECONFIG": str(self.kubectl.kubeconfig), "MODELLOOP_CONTEXT": self.kubectl.context}


def choose(profile: Profile) -> Backend:
    """A named context wins, then Docker, then our own; control-plane is always ours."""
    if external := _external():
        say(f"cluster: KUBECONFIG, context {external.kubectl.context!r}")
        return external
    if profile.runs_pods and kind.docker_answers():
        say("cluster: kind (a Docker daemon answers)")
        return kind.Kind()
    say("cluster: hack/cluster" + ("" if not profile.runs_pods else " (no Docker daemon answers)"))
    return Local(profile)


def obstacle(profile: Profile) -> str:
    """Why this machine cannot have the profile; empty when it can."""
    if not profile.runs_pods or _external() or kind.docker_answers() or packages.installable():
        return ""
    return "needs root on Debian, or a Docker daemon for kind (docs/cluster.md)"


def of(home: Home) -> Backend:
    """The kind of cluster that lives there, whatever this machine would choose now."""
    return Local(home) if isinstance(home, Profile) else kind.Kind()


def shell_lines(environment: dict[str, str]) -> str:
    """Lines for `eval`."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    folder = environment.get("MODELLOOP_BIN")
    return "\n".join(lines + ([f'export PATH={shlex.quote(folder)}:"$PATH"'] if folder else []))


def as_json(environment: dict[str, str]) -> str:
    """The same for tests."""
    return json.dumps(environment, indent=2)


def _external() -> External | None:
    context, kubeconfig = os.environ.get("MODELLOOP_CONTEXT"), os.environ.get("KUBECONFIG")
    ours = {profile.context for profile in PROFILES.values()} | {kind.CONTEXT}
    return External(Path(kubeconfig), context) if context and kubeconfig and context not in ours else None
