"""Where it is measured: fake nodes, an object store, a monitor, and the operator as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from kubernetes import client, config

from bench.operator_scale import meters

NAMESPACE = "bench"
PROFILE = "control-plane"
BUCKET = "bench"
KEYS = ("benchkey", "benchsecret")
AS_IN_THE_IMAGE = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class Stage:
    """The store's and the monitor's addresses, and the operator's process."""

    store: str
    monitor: str
    operator: psutil.Process

    def memory_mib(self) -> float:
        """What the operator holds now."""
        return float(self.operator.memory_info().rss / 2**20)

    def cpu_seconds(self) -> float:
        """CPU that the operator has used so far."""
        return float(sum(self.operator.cpu_times()[:2]))

    def judge(self, version: str, verdict: str) -> None:
        """From now on the monitor says this of a version."""
        asked = urllib.request.Request(f"{self.monitor}/verdicts/{version}", verdict.encode(), method="PUT")
        urllib.request.urlopen(asked, timeout=5).close()


@contextmanager
def a_stage() -> Iterator[Stage]:
    """All of it, fresh; gone when the block ends."""
    environment = _cluster()
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    config.load_kube_config(environment["KUBECONFIG"])
    with (
        _object_store(Path(environment["MODELLOOP_BIN"])) as store,
        _server([sys.executable, "-m", "bench.operator_scale.monitor", str(port := _free_port())]),
        _namespace(environment["MODELLOOP_BIN"]),
        _operator(f"http://127.0.0.1:{port}") as process,
    ):
        yield Stage(store, f"http://127.0.0.1:{port}", process)


def wait(met: Callable[[], bool], seconds: float, what: Callable[[], str]) -> bool:
    """Whether it came about in this time; says now and then what is waited for."""
    deadline, told = time.monotonic() + seconds, time.monotonic()
    while not met():
        if time.monotonic() > deadline:
            say(f"gave up: {what()}")
            return False
        if time.monotonic() - told > 15:
            told = time.monotonic()
            say(what())
        time.sleep(0.5)
    return True


def say(text: str) -> None:
    """A line on the screen."""
    print(f"bench-operator: {text}", flush=True)


def _cluster() -> dict[str, str]:
    command = [sys.executable, "-m", "hack.cluster"]
    subprocess.run([*command, "up", "--profile", PROFILE], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run([*command, "env", "--json", "--profile", PROFILE], check=True, capture_output=True, text=True)
    environment: dict[str, str] = json.loads(told.stdout)
    return environment


@contextmanager
def _object_store(binaries: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / BUCKET).mkdir()
        address = f"127.0.0.1:{_free_port()}"
        keys = ["--access", KEYS[0], "--secret", KEYS[1]]
        with _server([str(binaries / "versitygw"), *keys, "--port", address, "posix", folder]):
            yield f"http://{address}"


@contextmanager
def _server(command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _namespace(binaries: str) -> Iterator[None]:
    core = client.CoreV1Api()
    definition = Path(__file__).parents[2] / "crds/mlmodels.yaml"
    path = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    subprocess.run(
        ["kubectl", "apply", "--server-side", "-f", definition], check=True, stdout=subprocess.DEVNULL, env=path
    )
    _delete_namespace(core)
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    secret = {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]}
    core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "store"}, "stringData": secret})
    try:
        yield
    finally:
        _delete_namespace(core)


def _delete_namespace(core: client.CoreV1Api) -> None:
    with suppress(client.ApiException):
        core.delete_namespace(NAMESPACE)

    def gone() -> bool:
        return all(item.metadata.name != NAMESPACE for item in core.list_namespace().items)

    wait(gone, 180, lambda: f"namespace {NAMESPACE} is being deleted")


@contextmanager
def _operator(monitor: str) -> Iterator[psutil.Process]:
    settings = {
        "PREDICTOR_IMAGE": "localhost/modelloop/runtime:dev",
        "POD_NAMESPACE": NAMESPACE,
        "HEALTH_PORT": str(meters.HEALTH_PORT),
        "WATCH_NAMESPACES": NAMESPACE,
        "MONITOR_URL": monitor,
    }
    environment = {**os.environ, **AS_IN_THE_IMAGE, **{f"MODELLOOP_{name}": value for name, value in settings.items()}}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", "modelloop_operator"], env=environment, stderr=log)
        try:
            wait(meters.leading, 60, lambda: "the operator does not lead yet")
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
