"""The cluster that all end-to-end tests share, and how they tell what they measured."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from e2e.install.machine import Machine, machine


@pytest.fixture(scope="session")
def swept() -> Machine:
    """The cluster, rid of what killed runs left on it."""
    found = machine()
    found.sweep()
    return found


@pytest.fixture
def figures(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Print measured figures, for the decision record and for the eye."""

    def show(**values: float | str) -> None:
        parts = (f"{name}={round(value, 3) if isinstance(value, float) else value}" for name, value in values.items())
        with capsys.disabled():
            sys.stdout.write(f"\n  {request.node.name}: {', '.join(parts)}\n")

    return show
