"""kubectl against one cluster: the only way in which this tool writes objects."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .profiles import ClusterError
from .shell import run, wait_until


@dataclass(frozen=True)
class Kubectl:
    """A kubectl bound to a kubeconfig and, where a person's own is used, to one context."""

    program: str
    kubeconfig: Path
    context: str

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run with the given arguments and return what it printed."""
        where = ["--kubeconfig", str(self.kubeconfig), "--context", self.context]
        return run([self.program, *where, *arguments], stdin=stdin, timeout=timeout)

    def apply(self, manifest: str) -> None:
        """Server-side, so that a second run changes nothing and never needs a last-applied annotation."""
        self("apply", "--server-side", "--force-conflicts", "--field-manager=hack-cluster", "-f", "-", stdin=manifest)

    def get(self, *arguments: str) -> Any:
        """One object or list as parsed JSON; raises ClusterError when it is absent."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def wait_condition(
        self, kind: str, name: str, condition: str, *, namespace: str = "default", deadline: float = 120
    ) -> None:
        """Wait until status.conditions has it True; the failure shows the conditions there are."""
        last = "not found"

        def holds() -> bool:
            nonlocal last
            try:
                conditions = self.get(kind, name, "-n", namespace).get("status", {}).get("conditions", [])
            except ClusterError as error:
                last = str(error)
                return False
            last = json.dumps(conditions)
            return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)

        wait_until(f"{kind} {name} {condition}", holds, deadline, lambda: last)
