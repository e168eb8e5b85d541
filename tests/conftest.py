"""What all layers share: hypothesis' profile, and the real API server for those tests that ask for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import hypothesis
import pytest

from cluster.control_plane import ControlPlane

# The same inputs each time, so that a change is judged by itself; HYPOTHESIS_PROFILE=default looks for new ones.
# No deadline: it would measure what else runs on the machine.
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


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
