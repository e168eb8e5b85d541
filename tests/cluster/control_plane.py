"""The real API server of the control-plane profile, by kubectl as a person uses it, and waiting with a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from kubernetes.client import CustomObjectsApi
from kubernetes.config import new_client_from_config

from support.killed_runs import RUN_LABEL, left_behind, run_label

T = TypeVar("T")
Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
PROFILE = ("--profile", "control-plane")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Answer:
    """What kubectl said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class ControlPlane:
    """A reachable API server with controllers and fake nodes."""

    kubeconfig: Path
    context: str
    binaries: Path

    @classmethod
    def ready(cls) -> ControlPlane:
        """The running one, or a fresh one; fails with what to do when there can be none."""
        found = hack_cluster("env", "--json")
        # Also when it is there: `up` is what heals one of which a server died.
        if hack_cluster("up").returncode:
            raise AssertionError(
                "these tests need etcd and a Kubernetes API server: run `make binaries` once (about 9 minutes), then "
                f"`python -m hack.cluster up --profile control-plane`. It said:\n{hack_cluster('up').stderr[-2000:]}"
            )
        found = hack_cluster("env", "--json")
        told = json.loads(found.stdout)
        plane = cls(Path(told["KUBECONFIG"]), told["MODELLOOP_CONTEXT"], Path(told["MODELLOOP_BIN"]))
        plane.must("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds/mlmodels.yaml"))
        plane.must("wait", "crd/mlmodels.modelloop.dev", "--for=condition=Established", "--timeout=30s")
        plane.sweep()
        return plane

    @cached_property
    def objects(self) -> CustomObjectsApi:
        """Custom resources by the API itself, where a test has hundreds of questions."""
        return CustomObjectsApi(new_client_from_config(str(self.kubeconfig), self.context))

    def kubectl(self, *words: str, given: str | None = None) -> Answer:
        """Run kubectl as the administrator."""
        command = [str(self.binaries / "kubectl"), "--kubeconfig", str(self.kubeconfig), "--context", self.context]
        done = subprocess.run([*command, *words], input=given, capture_output=True, text=True, timeout=60, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str, given: str | None = None) -> str:
        """Run kubectl; fails with what it said."""
        answer = self.kubectl(*words, given=given)
        assert answer.code == 0, f"kubectl {' '.join(words)}: {answer.err}"
        return answer.out

    def apply(self, *objects: Object) -> None:
        """`kubectl apply` as a person does it."""
        self.must("apply", "-f", "-", given=yaml.safe_dump_all(objects))

    def try_create(self, body: Object) -> Answer:
        """`kubectl create`, which may be refused."""
        return self.kubectl("create", "-f", "-", given=yaml.safe_dump(body))

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object, or None."""
        answer = self.kubectl("get", kind, "-n", namespace, name, "-o", "json", "--show-managed-fields")
        if answer.code and "NotFound" in answer.err:
            return None
        assert answer.code == 0, answer.err
        found: Object = json.loads(answer.out)
        return found

    def items(self, kinds: str, namespace: str, *words: str) -> list[Object]:
        """All objects of these kinds."""
        found: list[Object] = json.loads(self.must("get", kinds, "-n", namespace, "-o", "json", *words))["items"]
        return found

    def namespace(self, name: str) -> str:
        """Make a namespace."""
        metadata = {"name": name, "labels": run_label()}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return name

    def sweep(self) -> None:
        """Remove namespaces of runs that were killed."""
        listed = json.loads(self.must("get", "namespaces", "-l", RUN_LABEL, "-o", "json"))["items"]
        for name in left_behind(listed):
            self.drop_namespace(name)

    def drop_namespace(self, name: str) -> None:
        """Remove a namespace and everything in it, without waiting for that."""
        self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def hack_cluster(*words: str) -> subprocess.CompletedProcess[str]:
    """`python -m hack.cluster … --profile control-plane`."""
    command = [sys.executable, "-m", "hack.cluster", *words, *PROFILE]
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "MODELLOOP_CONTEXT")}
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=1800, check=False)


def eventually(look: Callable[[], T | None], what: str, *, seconds: float, explain: Callable[[], str] = str) -> T:
    """The first true answer of `look`; fails after `seconds` with what was waited for and `explain()`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for: {what}\n{explain()}")
        time.sleep(_POLL_SECONDS)


def throughout(look: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Fails when `look` is false at any moment of `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), what
        time.sleep(_POLL_SECONDS)
