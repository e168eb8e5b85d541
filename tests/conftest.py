"""What all layers share: the real API server for those tests that ask for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> ControlPlane:
    """etcd, API server, controllers and fake nodes; started when they do not run."""
    return ControlPlane.ready()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of its own."""
    name = control_plane.namespace(f"test-{uuid.uuid4().hex[:8]}")
    yield name
    control_plane.drop_namespace(name)
