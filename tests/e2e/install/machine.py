"""kubectl, helm and the object store of the cluster under test: each call has a deadline and a telling failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.killed_runs import RUN_LABEL, left_behind

ROOT = Path(__file__).resolve().parents[3]
OWN_CONTEXT = "modelloop-node"
HOW_TO = "bring one up: python -m hack.cluster up && python -m hack.cluster images"

Object = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """A cluster that a person allowed by naming its context; `environment` is that of `hack.cluster env`."""

    environment: Mapping[str, str]

    @property
    def pod_endpoint(self) -> str:
        """Where pods reach the object store; on kind that is not where this machine does."""
        return self.environment.get("MODELLOOP_S3_POD_ENDPOINT") or self.environment["MODELLOOP_S3_ENDPOINT"]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed."""
        context = ("--context", self.environment["MODELLOOP_CONTEXT"])
        return self._run("kubectl", *context, *arguments, stdin=stdin)

    def helm(self, *arguments: str) -> str:
        """What helm printed."""
        return self._run("helm", "--kube-context", self.environment["MODELLOOP_CONTEXT"], *arguments)

    def get(self, *arguments: str) -> Object:
        """An object or a list."""
        found: Object = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def apply(self, *objects: Object) -> None:
        """Server-side."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", "--field-manager=install-e2e", "-f", "-", stdin=json.dumps(listed))

    def sweep(self) -> None:
        """Take away what killed test runs left: their releases, which reach beyond a namespace, and the namespaces."""
        for name in left_behind(self.get("namespaces", "-l", RUN_LABEL)["items"]):
            releases = self.helm("list", "--namespace", name, "--all", "--short").split()
            if releases:
                self.helm("uninstall", *releases, "--namespace", name, "--ignore-not-found")
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    def watch(self, *arguments: str) -> subprocess.Popen[str]:
        """`kubectl get --watch`, whose lines come as things change; the caller ends it."""
        context = ("--context", self.environment["MODELLOOP_CONTEXT"])
        command = self._command("kubectl", *context, "get", "--watch", *arguments)
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = self.environment.get("MODELLOOP_BIN")
        return [str(Path(folder, program)) if folder else program, *arguments]

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> str:
        command = self._command(program, *arguments)
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **self.environment},
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{program} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout


def machine() -> Machine:
    """The cluster of `python -m hack.cluster env`, or of the variables that are set already."""
    if "MODELLOOP_S3_ENDPOINT" in os.environ:
        return Machine(dict(os.environ))
    return Machine(json.loads(_hack_cluster("env", "--json")))


def ingress_url() -> str:
    """Where the cluster's Ingress controller answers; one is brought in where there is none."""
    return _hack_cluster("ingress").strip()


@contextmanager
def api_server_away(machine: Machine) -> Iterator[None]:
    """While inside, the API server is stopped; on leaving it is there again, on `hack/cluster`'s own cluster alone."""
    context = machine.environment["MODELLOOP_CONTEXT"]
    if context != OWN_CONTEXT:
        pytest.skip(f"only on {OWN_CONTEXT} can these tests stop the API server; this is {context}")
    _hack_cluster("stop", "kube-apiserver")
    try:
        yield
    finally:
        _hack_cluster("start", "kube-apiserver")


def _hack_cluster(*arguments: str) -> str:
    command = [sys.executable, "-m", "hack.cluster", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}; {HOW_TO}")
    return done.stdout


def eventually(what: str, condition: Callable[[], object], deadline: float = 60) -> None:
    """Wait for a condition to be True; else say what was last seen."""
    ends = time.monotonic() + deadline
    while (seen := condition()) is not True:
        if time.monotonic() > ends:
            raise AssertionError(f"{what}: not within {deadline:.0f} s; last seen: {seen!r}")
        time.sleep(0.1)
