"""What is measured: the servers, how each is started, and the loads that each gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.online.wires import MODEL, VERSION

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "servers"
BENCH_PYTHON = ROOT / ".cache/bench-venv/bin/python"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


MONITOR_URL = "monitor-url"
"""File in the run's folder with the address of something that takes what predictors count."""


@dataclass(frozen=True)
class Load:
    """One kind of traffic: `rows` in each request, `connections` with one request in flight each."""

    wire: str
    rows: int
    connections: int

    def __str__(self) -> str:
        rows = f"{self.rows} row{'s' if self.rows > 1 else ''}"
        return f"{self.wire}, {rows}, c={self.connections}"


@dataclass(frozen=True)
class Start:
    """A command with what it needs in its environment, besides the bench's own."""

    command: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """A server: `start(models, port, scratch)` says how; `size` is the model's; `constant` answers are not checked."""

    name: str
    start: Callable[[Path, int, Path], Start]
    loads: tuple[Load, ...]
    size: str = "small"
    constant: bool = False


def _ours(model: str, *, counting: bool = False) -> Callable[[Path, int, Path], Start]:
    def start(models: Path, port: int, scratch: Path) -> Start:
        settings: dict[str, object] = {
            "registry_uri": models / model,
            "model_version": VERSION,
            "model_name": MODEL,
            "model_namespace": "bench",
            "cache_dir": scratch / "cache",
            "termination_log": scratch / "termination-log",
            "port": port,
        }
        if counting:
            settings["monitor_url"] = (models / MONITOR_URL).read_text()
        environment = {f"MODELLOOP_{name.upper()}": str(value) for name, value in settings.items()}
        return Start((sys.executable, "-m", "modelloop_predictor"), environment)

    return start


def _beside(module: str, model: str = "") -> Callable[[Path, int, Path], Start]:
    """A reference server that runs on the same installation as the predictor."""

    def start(models: Path, port: int, scratch: Path) -> Start:
        arguments = [models / model] if model else []
        return Start((sys.executable, "-m", f"bench.online.servers.{module}", str(port), *arguments), ONE_THREAD)

    return start


def _mosec(model: str) -> Callable[[Path, int, Path], Start]:
    def start(models: Path, port: int, scratch: Path) -> Start:
        sockets = scratch / "mosec"
        command = (BENCH_PYTHON, HERE / "mosec_server.py", "--port", str(port), "--address", "127.0.0.1")
        more = ("--path", sockets, "--log-level", "warning")
        return Start((*command, *more), {**ONE_THREAD, "BENCH_MODEL": str(models / model)})

    return start


def _kserve(models: Path, port: int, scratch: Path) -> Start:
    return Start((BENCH_PYTHON, HERE / "kserve_server.py", str(port), models / "small.pt"), ONE_THREAD)


def _nginx(models: Path, port: int, scratch: Path) -> Start:
    answer = '{"prediction":0.5,"model_version":"v1.0.0","request_id":"00000000000000000000000000000000"}'
    temporary = "".join(
        f"{name}_temp_path {scratch}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = scratch / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {scratch}/pid; error_log {scratch}/error.log;"
        f"events {{ worker_connections 1024; }} http {{ {temporary} access_log off; keepalive_requests 1000000000;"
        f"server {{ listen 127.0.0.1:{port};"
        f"location / {{ default_type application/json; return 200 '{answer}'; }} }} }}\n"
    )
    return Start(("nginx", "-c", configuration, "-e", scratch / "error.log"))


def _one_row(*connections: int, wire: str = "predict") -> tuple[Load, ...]:
    return tuple(Load(wire, 1, number) for number in connections)


MANY_ROWS = Load("predict", 32, 16)
LARGE = Load("predict", 1, 16)
FLAT = (1, 4, 16, 64)

PLAN = (
    Contender(
        "modelloop torch", _ours("small-torch"),
        (*_one_row(*FLAT), MANY_ROWS, *_one_row(16, 64, wire="V2 JSON"), *_one_row(16, 64, wire="V2 binary")),
    ),
    Contender("modelloop torch, counting", _ours("small-torch", counting=True), (*_one_row(16, 64), MANY_ROWS)),
    Contender("modelloop onnx", _ours("small-onnx"), (*_one_row(*FLAT), MANY_ROWS, *_one_row(64, wire="V2 JSON"))),
    Contender("FastAPI tuned", _beside("fastapi_tuned", "small.pt"), (*_one_row(1, 16, 64), MANY_ROWS)),
    Contender("FastAPI usual", _beside("fastapi_usual", "small.pt"), _one_row(16)),
    Contender("mosec torch", _mosec("small.pt"), (*_one_row(1, 16, 64), MANY_ROWS)),
    Contender("mosec onnx", _mosec("small.onnx"), _one_row(64)),
    Contender("KServe torch", _kserve, (*_one_row(16, wire="V1"), *_one_row(16, 64, wire="V2 JSON"))),
    Contender("uvicorn constant", _beside("constant"), _one_row(1, 16, 64), constant=True),
    Contender("nginx constant", _nginx, _one_row(1, 16, 64), constant=True),
    Contender("modelloop torch, large model", _ours("large-torch"), (LARGE,), size="large"),
    Contender("modelloop onnx, large model", _ours("large-onnx"), (LARGE,), size="large"),
    Contender("FastAPI tuned, large model", _beside("fastapi_tuned", "large.pt"), (LARGE,), size="large"),
    Contender("mosec torch, large model", _mosec("large.pt"), (LARGE,), size="large"),
)  # fmt: skip


def chosen(only: list[str]) -> tuple[Contender, ...]:
    """The servers whose names contain one of the texts; all when there are none."""
    return tuple(one for one in PLAN if not only or any(text.lower() in one.name.lower() for text in only))


def inherited() -> dict[str, str]:
    """The bench's environment without what would set up a predictor or reach a store."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODELLOOP_", "AWS_"))}
    return {**kept, "PATH": path}
