"""One demo at a time: two on one cluster would take each other's model away."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.demo.cluster import DemoFailed


@contextmanager
def alone() -> Iterator[None]:
    """Hold the machine's demo lock, which the system frees however this process ends; raises DemoFailed."""
    with Path(tempfile.gettempdir(), "modelloop-demo.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoFailed("another demo is running on this machine; let it end first") from error
        yield
