"""The operator as a process of its own, as a pod runs it: started, killed, started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from cluster.control_plane import ControlPlane, eventually
from support.s3_server import free_port

IMAGE = "localhost/modelloop/runtime:dev"
RESTARTS = 3


@dataclass
class OperatorProcess:
    """One replica for one namespace; a replica of the same `name` is the same pod to the lease."""

    plane: ControlPlane
    namespace: str
    log: Path
    name: str = "operator-0"
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> OperatorProcess:
        """Start and wait until it is ready."""
        self.launch()
        eventually(self._is_ready, "the operator to be ready", seconds=60, explain=self.tail)
        return self

    def launch(self) -> None:
        """Start without waiting."""
        self.port = free_port()
        own = {
            "KUBECONFIG": str(self.plane.kubeconfig),
            "MODELLOOP_PREDICTOR_IMAGE": IMAGE,
            "MODELLOOP_POD_NAMESPACE": self.namespace,
            "MODELLOOP_POD_NAME": self.name,
            "MODELLOOP_WATCH_NAMESPACES": self.namespace,
            "MODELLOOP_HEALTH_PORT": str(self.port),
            "MODELLOOP_REGISTRY_POLL_SECONDS": "1",
            "MODELLOOP_RESYNC_SECONDS": "5",
            "MODELLOOP_DRAIN_SECONDS": "2",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODELLOOP_", "AWS_"))}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modelloop_operator"],
                env={**kept, **own, **self.environment},
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as a rollout does."""
        self._end(signal.SIGTERM)

    def revive(self) -> bool:
        """Start it again if it ended because it wants a fresh start, as a pod's restart policy does."""
        if self.process is None or self.process.poll() is None:
            return False
        assert self.process.returncode == RESTARTS, f"exit code {self.process.returncode}\n{self.tail()}"
        self.launch()
        return True

    def page(self, name: str) -> str:
        """A page of the health port, empty while it does not answer."""
        if self.process is None or self.process.poll() is not None:
            return ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        pattern = rf"^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$"
        return sum(float(found) for found in re.findall(pattern, self.page("metrics"), re.MULTILINE))

    def tail(self) -> str:
        """The end of its log."""
        return f"operator {self.name}: {self.log.read_text()[-6000:] if self.log.exists() else 'no log'}"

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"exit code {self.process.returncode} at the start\n{self.tail()}"
        return self.page("readyz") == "ok\n"

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None
