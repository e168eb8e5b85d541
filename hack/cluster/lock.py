"""One `up` or `down` of a cluster at a time, and one build of images."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from .profiles import cache_folder


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Wait for our turn; the lock goes with the process that holds it."""
    path = cache_folder() / "locks" / what
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
