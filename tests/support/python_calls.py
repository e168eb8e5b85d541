"""Counts what Python does, where the time of a test's machine would say nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def python_calls(work: Callable[[], object]) -> int:
    """How many calls of functions written in Python `work` makes; what C does for it counts nothing."""
    calls = 0

    def count(frame: FrameType, happened: str, argument: object) -> None:
        nonlocal calls
        calls += happened == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls
