"""One operator and 1,000 MLModels on fake nodes: memory, idle CPU, writes in steady state, time from event to write.

Each MLModel has a registry of its own in a local object store, polled at the default interval. Ends within ten minutes.
`python -m bench.operator_scale [COUNT]`
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from kubernetes import client, config, watch

from bench.report import Goal, publish
from modelloop_core.feature_schema import NumericFeature, RegressionOutput, Signature
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Registry, describe
from modelloop_core.storage.open import open_store

NAMESPACE = "bench"
PROFILE = "control-plane"
BUCKET = "bench"
KEYS = ("benchkey", "benchsecret")
SETTLE_SECONDS = 420.0
IDLE_SECONDS = 75.0
EVENTS = 100
AS_IN_THE_IMAGE = {"MALLOC_ARENA_MAX": "2"}


def main() -> int:
    """Run and publish; the exit code is 0 when it ran, goals met or not."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    environment = _cluster()
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    config.load_kube_config(environment["KUBECONFIG"])
    with _object_store(Path(environment["MODELLOOP_BIN"])) as endpoint, _namespace(endpoint), _operator() as process:
        rows, goals = measure(count, endpoint, process)
    publish("operator", rows, goals, ("kopf", "kubernetes", "boto3", "pydantic"))
    return 0


def measure(count: int, endpoint: str, process: psutil.Process) -> tuple[list[dict[str, object]], list[Goal]]:
    """All figures for `count` MLModels."""
    _say(f"publishing {count} registries")
    _publish(count, endpoint)
    empty_mib = process.memory_info().rss / 2**20
    _say(f"applying {count} MLModels")
    started = time.monotonic()
    _apply(count, endpoint)
    converged = _wait(lambda: _ready() >= count, SETTLE_SECONDS, lambda: f"{_ready()} of {count} MLModels ready")
    first_seconds = time.monotonic() - started
    _say(f"{'all' if converged else 'NOT all'} ready after {first_seconds:.0f} s; waiting for writes to end")
    _wait(_quiet, 60, lambda: "writes go on")
    writes, cpu, since = _writes(), sum(process.cpu_times()[:2]), time.monotonic()
    _say(f"idling {IDLE_SECONDS:.0f} s")
    time.sleep(IDLE_SECONDS)
    idle_cores = (sum(process.cpu_times()[:2]) - cpu) / (time.monotonic() - since)
    idle_writes = _writes() - writes
    memory = process.memory_info().rss / 2**20
    _say(f"changing {EVENTS} MLModels, one after the other")
    latencies = _latencies(min(EVENTS, count))
    p99 = statistics.quantiles(latencies, n=100)[98] * 1000
    row: dict[str, object] = {
        "mlmodels": count,
        "ready": _ready(),
        "first convergence s": first_seconds,
        "memory MiB": memory,
        "memory MiB, none": empty_mib,
        "idle cores": idle_cores,
        "idle writes": idle_writes,
        "event to write p50 ms": statistics.median(latencies) * 1000,
        "event to write p99 ms": p99,
        "pass p99 ms": _quantile("modelloop_operator_pass_seconds", 0.99) * 1000,
    }
    goals = [
        Goal("memory of 1,000 MLModels", "<= 150 MiB", memory, memory <= 150),
        Goal("idle CPU of 1,000 MLModels, polling included", "<= 0.1 core", idle_cores, idle_cores <= 0.1),
        Goal("writes in steady state", "0", float(idle_writes), idle_writes == 0),
    ]
    return [row], goals


def _cluster() -> dict[str, str]:
    command = [sys.executable, "-m", "hack.cluster"]
    subprocess.run([*command, "up", "--profile", PROFILE], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run([*command, "env", "--json", "--profile", PROFILE], check=True, capture_output=True, text=True)
    environment: dict[str, str] = json.loads(told.stdout)
    return environment


@contextmanager
def _object_store(binaries: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        (Path(folder) / BUCKET).mkdir()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [
            binaries / "versitygw",
            "--access",
            KEYS[0],
            "--secret",
            KEYS[1],
            "--port",
            f"127.0.0.1:{port}",
            "posix",
            folder,
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


@contextmanager
def _namespace(endpoint: str) -> Iterator[None]:
    core = client.CoreV1Api()
    definition = Path(__file__).parents[1] / "crds/mlmodels.yaml"
    subprocess.run(
        ["kubectl", "apply", "--server-side", "-f", definition], check=True, stdout=subprocess.DEVNULL, env=_with_path()
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

    _wait(gone, 180, lambda: f"namespace {NAMESPACE} is being deleted")


@contextmanager
def _operator() -> Iterator[psutil.Process]:
    settings = {
        "PREDICTOR_IMAGE": "localhost/modelloop/runtime:dev",
        "POD_NAMESPACE": NAMESPACE,
        "HEALTH_PORT": "18090",
        "WATCH_NAMESPACES": NAMESPACE,
    }
    environment = {**os.environ, **AS_IN_THE_IMAGE, **{f"MODELLOOP_{name}": value for name, value in settings.items()}}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", "modelloop_operator"], env=environment, stderr=log)
        try:
            _wait(lambda: _metric("modelloop_operator_leading") == 1, 60, lambda: "the operator does not lead yet")
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _publish(count: int, endpoint: str) -> None:
    files: dict[str, bytes | Path] = {"model.onnx": b"not read by the operator", "preprocessing.json": b"{}"}
    signature = Signature(inputs=(NumericFeature(name="x"),), output=RegressionOutput())
    manifest = Manifest(
        version="1.0.0", format=ModelFormat.ONNX, signature=signature, files=describe(files), created=datetime.now(UTC)
    )

    def one(number: int) -> None:
        store = open_store(f"s3://{BUCKET}/m{number:04d}", endpoint=endpoint, access_key=KEYS[0], secret_key=KEYS[1])
        Registry(store).publish(manifest, files)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))


def _apply(count: int, endpoint: str) -> None:
    custom = client.CustomObjectsApi()

    def one(number: int) -> None:
        registry = {"uri": f"s3://{BUCKET}/m{number:04d}", "endpoint": endpoint, "secretName": "store"}
        body = {
            "apiVersion": "modelloop.dev/v1alpha1",
            "kind": "MLModel",
            "metadata": {"name": f"m{number:04d}"},
            "spec": {"registry": registry, "serving": {"replicas": 1}},
        }
        custom.create_namespaced_custom_object("modelloop.dev", "v1alpha1", NAMESPACE, "mlmodels", body)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(count)))


def _latencies(count: int) -> list[float]:
    """Seconds from the answer to a change of an MLModel to the watch event of the write that follows from it."""
    custom, apps, found = client.CustomObjectsApi(), client.AppsV1Api(), []
    for number in range(count):
        name = f"m{number:04d}"
        mine = f"metadata.name={name}-v1-0-0"
        # The list's revision and not the object's: one that was not written for long may be compacted away.
        before = apps.list_namespaced_deployment(NAMESPACE, field_selector=mine).metadata.resource_version
        body = {"spec": {"serving": {"pod": {"annotations": {"bench": str(number)}}}}}
        custom.patch_namespaced_custom_object(
            "modelloop.dev", "v1alpha1", NAMESPACE, "mlmodels", name, body, _content_type="application/merge-patch+json"
        )
        started = time.monotonic()
        stream = watch.Watch()
        for _ in stream.stream(
            apps.list_namespaced_deployment, NAMESPACE, field_selector=mine,
            resource_version=before, timeout_seconds=20,
        ):  # fmt: skip
            found.append(time.monotonic() - started)
            stream.stop()
    return found


def _ready() -> int:
    return int(_metric('modelloop_operator_models{phase="Serving"}'))


_last_writes = [-1.0, 0.0]


def _quiet() -> bool:
    writes = _writes()
    if writes != _last_writes[0]:
        _last_writes[:] = [writes, time.monotonic()]
    return time.monotonic() - _last_writes[1] > 10


def _writes() -> float:
    return sum(value for name, value in _metrics().items() if name.startswith("modelloop_operator_writes_total"))


def _quantile(histogram: str, quantile: float) -> float:
    buckets = [
        (float(name.partition('le="')[2].partition('"')[0]), value)
        for name, value in _metrics().items()
        if name.startswith(f"{histogram}_bucket")
    ]
    total = max(value for _, value in buckets)
    return next(bound for bound, value in sorted(buckets) if value >= quantile * total)


def _metric(name: str) -> float:
    return _metrics().get(name, 0.0)


def _metrics() -> dict[str, float]:
    try:
        with urllib.request.urlopen("http://127.0.0.1:18090/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def _wait(met: Callable[[], bool], seconds: float, what: Callable[[], str]) -> bool:
    deadline, told = time.monotonic() + seconds, 0.0
    while not met():
        if time.monotonic() > deadline:
            _say(f"gave up: {what()}")
            return False
        if time.monotonic() - told > 15:
            told = time.monotonic()
            _say(what())
        time.sleep(0.5)
    return True


def _with_path() -> dict[str, str]:
    return {**os.environ, "PATH": f"{_cluster()['MODELLOOP_BIN']}:{os.environ['PATH']}"}


def _say(text: str) -> None:
    print(f"bench-operator: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
