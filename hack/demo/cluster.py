"""The cluster that the demo runs on: kubectl, helm, its object store; each call bounded, each failure told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import ObjectStore

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]
_SECONDS = 300.0


class DemoFailed(Exception):
    """Something that the demo promises did not happen."""


@dataclass(frozen=True)
class Cluster:
    """One cluster by the variables of `python -m hack.cluster env`."""

    environment: Mapping[str, str]

    @classmethod
    def find(cls) -> Cluster:
        """The node cluster, or that of the variables that are set; raises DemoFailed with how to get one."""
        if "MODELLOOP_S3_ENDPOINT" in os.environ:
            return cls(dict(os.environ))
        command = [sys.executable, "-m", "hack.cluster", "env", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise DemoFailed(f"no cluster: {done.stderr.strip()}; `make cluster` brings one up")
        return cls(json.loads(done.stdout))

    @property
    def pod_endpoint(self) -> str:
        """Where pods reach the object store; on kind that is not where this machine does."""
        return self.environment.get("MODELLOOP_S3_POD_ENDPOINT") or self["MODELLOOP_S3_ENDPOINT"]

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl printed (with its errors when not checked)."""
        return self._run("kubectl", "--context", self["MODELLOOP_CONTEXT"], *arguments, stdin=stdin, check=check)

    def helm(self, *arguments: str) -> str:
        """What helm printed."""
        return self._run("helm", "--kube-context", self["MODELLOOP_CONTEXT"], *arguments)

    def apply(self, *objects: Object) -> None:
        """Apply objects, server-side: else the object would repeat a Secret's content in an annotation."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))

    def get(self, *arguments: str) -> Object:
        """An object or a list; empty when it is not there."""
        printed = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        found: Object = json.loads(printed) if printed.strip() else {}
        return found

    def store(self, uri: str) -> ObjectStore:
        """The object store at an address, with the cluster's keys."""
        return open_store(
            uri,
            endpoint=self["MODELLOOP_S3_ENDPOINT"],
            region=self.environment.get("AWS_REGION"),
            access_key=self["AWS_ACCESS_KEY_ID"],
            secret_key=self["AWS_SECRET_ACCESS_KEY"],
        )

    def __getitem__(self, name: str) -> str:
        return self.environment[name]

    def _run(self, program: str, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        folder = self.environment.get("MODELLOOP_BIN")
        command = [str(Path(folder, program)) if folder else program, *arguments]
        environment = {**os.environ, **self.environment}
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=_SECONDS, env=environment, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DemoFailed(f"{program} {' '.join(arguments)}: {error}") from error
        if done.returncode and check:
            raise DemoFailed(f"{program} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout if check else done.stdout + done.stderr
