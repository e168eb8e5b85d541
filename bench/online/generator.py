"""wrk on a core of its own: one stretch of load, and what it and the server's clock say of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.online.plan import Load
from bench.online.process import Server

SCRIPT = Path(__file__).parent / "requests.lua"


@dataclass(frozen=True)
class Stretch:
    """One stretch of load: `refused` are answers that are no 2xx, `broken` are connections and timeouts."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    refused: int
    broken: int
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """The server's CPU for each request, in microseconds."""
        return self.cpu_seconds / max(1, self.requests) * 1e6

    @property
    def failed(self) -> int:
        """Requests that brought no prediction."""
        return self.refused + self.broken


def write_requests(path: Path, requests: Sequence[bytes]) -> Path:
    """Write a file that the load generator's script reads."""
    path.write_bytes(b"".join(b"%d\n%b" % (len(request), request) for request in requests))
    return path


def drive(server: Server, load: Load, requests: Path, *, core: int, seconds: int) -> Stretch:
    """Drive the server for whole seconds from one thread pinned to `core`."""
    command = [
        "taskset", "-c", str(core), "wrk", "--threads", "1", "--connections", str(load.connections),
        "--duration", f"{seconds}s", "--timeout", "5s", "--script", SCRIPT,
        f"http://127.0.0.1:{server.port}/", "--", requests,
    ]  # fmt: skip
    before = server.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    return parse(done.stdout, server.cpu_seconds() - before)


def parse(output: str, cpu_seconds: float) -> Stretch:
    """The figures in what wrk printed."""
    line = next(line for line in output.splitlines() if line.startswith("FIGURES "))
    return Stretch(**json.loads(line.removeprefix("FIGURES ")), cpu_seconds=cpu_seconds)
