"""Who may use the one API server when: all tests at once, but for those that stop it."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCKS = Path(tempfile.gettempdir())
_DOOR = _LOCKS / "modelloop-test-api-server.door"
_ROOM = _LOCKS / "modelloop-test-api-server.room"


@contextmanager
def among_others() -> Iterator[None]:
    """While inside nobody stops the API server; waits for those that do."""
    with _through_the_door(fcntl.LOCK_SH):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """While inside no other test of this machine uses the API server; waits for those that do."""
    with _through_the_door(fcntl.LOCK_EX):
        yield


@contextmanager
def _through_the_door(kind: int) -> Iterator[None]:
    with _ROOM.open("w") as room:
        # Whoever waits for the room holds the door: one that wants to be alone is not passed by for ever.
        with _DOOR.open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, kind)
        yield
