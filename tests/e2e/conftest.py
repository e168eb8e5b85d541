"""The cluster that all end-to-end tests share."""

from __future__ import annotations

import pytest

from e2e.install.machine import Machine, machine


@pytest.fixture(scope="session")
def swept() -> Machine:
    """The cluster, rid of what killed runs left on it."""
    found = machine()
    found.sweep()
    return found
