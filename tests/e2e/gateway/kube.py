"""kubectl for the gateway tests: apply, wait with a deadline and a telling failure, and nothing else."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cluster:
    """A cluster that a person allowed by naming its context, and where its Gateway answers."""

    kubeconfig: str
    context: str
    gateway_url: str
    kubectl: str = "kubectl"

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed; a failure shows what it said."""
        command = [self.kubectl, "--kubeconfig", self.kubeconfig, "--context", self.context, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side, as the operator does it."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run("apply", "--server-side", "--field-manager=gateway-e2e", "-f", "-", stdin=json.dumps(listed))

    def get(self, *arguments: str) -> Any:
        """An object or a list."""
        return json.loads(self.run("get", *arguments, "-o", "json"))


def from_environment() -> Cluster:
    """The cluster of `python -m hack.cluster env`, or of the variables that are set already."""
    found = dict(os.environ)
    if "MODELLOOP_GATEWAY_URL" not in found:
        root = Path(__file__).resolve().parents[3]
        python = root / ".venv/bin/python"
        done = subprocess.run(
            [python, "-m", "hack.cluster", "env", "--json"], capture_output=True, text=True, cwd=root, check=False
        )
        if done.returncode:
            raise AssertionError(f"no cluster to test: {done.stderr.strip()}; bring one up: python -m hack.cluster up")
        found |= json.loads(done.stdout)
    kubectl = str(Path(found["MODELLOOP_BIN"], "kubectl")) if "MODELLOOP_BIN" in found else "kubectl"
    return Cluster(found["KUBECONFIG"], found["MODELLOOP_CONTEXT"], found["MODELLOOP_GATEWAY_URL"], kubectl)


def eventually(what: str, condition: Callable[[], object], deadline: float = 60) -> float:
    """Wait for a condition to hold; returns the seconds it took, else says what was last seen."""
    started = time.monotonic()
    while True:
        seen = condition()
        if seen is True:
            return time.monotonic() - started
        if time.monotonic() - started > deadline:
            raise AssertionError(f"{what}: not within {deadline:.0f} s; last seen: {seen!r}")
        time.sleep(0.05)
