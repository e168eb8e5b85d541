"""A registry on a local S3 server and an operator of one's own for each test of the cluster layer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import machine
from cluster.control_plane import ControlPlane
from cluster.operator_process import OperatorProcess
from cluster.scene import Scene
from support.s3_server import S3Server, run_s3_server


@pytest.fixture(scope="session")
def control_plane() -> ControlPlane:
    """The API server that all share; not looked for while a test of the other process has stopped it."""
    with machine.among_others():
        return ControlPlane.ready()


@pytest.fixture(autouse=True)
def its_turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two processes share the API server; a test that stops it says so by `@pytest.mark.alone`."""
    if "control_plane" not in request.fixturenames:
        yield
        return
    with machine.alone() if request.node.get_closest_marker("alone") else machine.among_others():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, those that nobody else may run beside before all: what needs no API server runs meanwhile."""
    items.sort(key=lambda item: 0 if item.get_closest_marker("alone") else 1 + (item.path.name != "test_crashes.py"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def start(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Starts operators and ends them with the test."""
    started: list[OperatorProcess] = []

    def start(name: str = "operator-0", **environment: str) -> OperatorProcess:
        found = OperatorProcess(control_plane, namespace, tmp_path / f"{name}.log", name, environment)
        started.append(found)
        return found.start()

    yield start
    for operator in started:
        operator.kill()


@pytest.fixture
def unattended(control_plane: ControlPlane, namespace: str, s3_server: S3Server) -> Scene:
    """A scene without an operator."""
    bucket = f"b{uuid.uuid4().hex[:12]}"
    s3_server.bucket(bucket)
    scene = Scene(control_plane, namespace, s3_server, bucket)
    scene.secret()
    return scene


@pytest.fixture
def scene(unattended: Scene, start: Callable[..., OperatorProcess]) -> Scene:
    """A scene with one operator."""
    unattended.operators.append(start())
    return unattended
