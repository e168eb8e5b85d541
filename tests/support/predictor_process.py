"""A predictor as a process of its own, on a free port, with the environment that a pod would have."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

_START_SECONDS = 30.0


class PredictorProcess:
    """`python -m modelloop_predictor`, stopped at the end of its block; `events` are its log lines."""

    def __init__(self, folder: Path, settings: Mapping[str, object], environ: Mapping[str, str] | None = None) -> None:
        self.termination_log = folder / "termination-log"
        self.termination_log.touch()
        given = {
            "registry_uri": folder / "registry",
            "model_version": "1.2.3",
            "cache_dir": folder / "cache",
            "termination_log": self.termination_log,
            "port": 0,
            **settings,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MODELLOOP_", "AWS_"))}
        declared = {f"MODELLOOP_{name.upper()}": str(value) for name, value in given.items()}
        self._environment = {**inherited, **declared, **(environ or {})}
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "modelloop_predictor"]
        self.process = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def port(self) -> int:
        """The port it listens on, once it does."""
        eventually(lambda: self.named("listening"), "the predictor to listen", self.describe)
        return int(self.named("listening")[0]["port"])

    @property
    def url(self) -> str:
        """The address of its pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc_address(self) -> str:
        """Where it listens for gRPC, once it does."""
        assert self.port
        return f"127.0.0.1:{self.named('listening')[0]['grpc_port']}"

    def named(self, name: str) -> list[dict[str, Any]]:
        """The log events of one name so far."""
        return [event for event in list(self.events) if event.get("event") == name]

    def get(self, path: str) -> httpx.Response:
        """One GET on a connection of its own."""
        return httpx.get(f"{self.url}{path}", timeout=10)

    def predict(self, body: Any) -> httpx.Response:
        """One prediction on a connection of its own."""
        return httpx.post(f"{self.url}/predict", json=body, timeout=20)

    def until_ready(self) -> Self:
        """Wait until the model answers."""
        eventually(lambda: self.get("/readyz").status_code == 200, "the model to answer", self.describe)
        return self

    def until_unready(self, reason: str) -> str:
        """Wait until the readiness probe gives `reason`; its whole sentence."""
        eventually(lambda: self._unready_detail().startswith(f"{reason}: "), f"reason {reason}", self.describe)
        return self._unready_detail()

    def terminate(self) -> None:
        """Ask it to stop, as the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, seconds: float = 30.0) -> int:
        """Wait until it has ended by itself."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def connect(self) -> socket.socket:
        """A raw connection, for what no polite client sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def describe(self) -> str:
        """What it said so far."""
        return "\n".join(json.dumps(event) for event in self.events)

    def _unready_detail(self) -> str:
        answer = self.get("/readyz")
        return str(answer.json()["detail"]) if answer.status_code == 503 else ""

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self.events.append(json.loads(line))
            except json.JSONDecodeError:
                self.events.append({"event": "not-json", "line": line})


def eventually(condition: Callable[[], Any], what: str, describe: Callable[[], str], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fails with what was waited for and what was seen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}; seen:\n{describe()}")
        time.sleep(0.02)


def receive_all(connection: socket.socket) -> bytes:
    """What the other side sends until it closes (or resets)."""
    parts: list[bytes] = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)
