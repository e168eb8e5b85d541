"""A monitor as a process of its own, to be killed and started again on the same database and port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any, Self

import httpx

from support.predictor_process import eventually
from support.s3_server import free_port


class MonitorProcess:
    """`python -m modelloop_monitor`, stopped at the end of its block; `events` are its log lines."""

    def __init__(self, database: str, **settings: object) -> None:
        self.port = free_port()
        given = {"database": database, "host": "127.0.0.1", "port": self.port, **settings}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELLOOP_")}
        declared = {f"MODELLOOP_MONITOR_{name.upper()}": str(value) for name, value in given.items()}
        self._environment = {**inherited, **declared}
        self.events: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; it listens some time later."""
        command = [sys.executable, "-m", "modelloop_monitor"]
        self.process = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self._ended()

    def terminate(self) -> int:
        """Ask it to stop, as the kubelet does, and wait for its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def until_ready(self) -> Self:
        """Wait until its database answers."""
        # It loads scipy, which takes its time where others run.
        eventually(self._ready, "the monitor to be ready", self.describe, seconds=120)
        return self

    def named(self, name: str) -> list[dict[str, Any]]:
        """The log events of one name so far."""
        return [event for event in list(self.events) if event.get("event") == name]

    def describe(self) -> str:
        """What it said so far."""
        return "\n".join(json.dumps(event) for event in self.events)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _ended(self) -> int:
        code = self.process.wait(40)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"event": "no-json", "line": line})
