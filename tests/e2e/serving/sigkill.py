"""A pod's process ended by SIGKILL from its node, as the kernel's out-of-memory killer does it.

Forced deletion is gentler: the pod leaves its Service first, and its preStop hook still runs.
"""

from __future__ import annotations

import secrets

from e2e.gateway.objects import IMAGE
from e2e.install.installation import Installation
from e2e.install.machine import eventually

# Seen from the node: inside its own process namespace nothing can kill process 1.
_PROGRAM = """
import contextlib, os, pathlib, signal, sys
for group in pathlib.Path("/proc").glob("[0-9]*/cgroup"):
    with contextlib.suppress(OSError):
        if sys.argv[1] in group.read_text():
            os.kill(int(group.parent.name), signal.SIGKILL)
"""


def sigkill(installation: Installation, pod: str) -> None:
    """Return when the pod's container is dead and was started again."""
    victim = installation.get("pod", pod)
    (container,) = victim["status"]["containerStatuses"]
    killer = {
        "name": "kill",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _PROGRAM, container["containerID"].rpartition("/")[2]],
        "securityContext": {"runAsUser": 0},
    }
    spec = {"nodeName": victim["spec"]["nodeName"], "hostPID": True, "restartPolicy": "Never", "containers": [killer]}
    # Not in the tests' own namespace, which admits only restricted pods.
    name, where = f"kill-{secrets.token_hex(3)}", "default"
    head = {"name": name, "namespace": where}
    installation.machine.apply({"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec})
    try:
        eventually(f"{pod} runs again after SIGKILL", lambda: _restarts(installation, pod) > container["restartCount"])
    finally:
        installation.machine.kubectl("-n", where, "delete", "pod", name, "--wait=false")


def _restarts(installation: Installation, pod: str) -> int:
    (container,) = installation.get("pod", pod)["status"]["containerStatuses"]
    count: int = container["restartCount"]
    return count
