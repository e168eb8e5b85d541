"""A store that fails now and then, as one that does so rarely: what can help is tried again, a bounded time long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from modelloop_core.storage.port import ObjectInfo, ObjectStore, StoreError

ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.2

_T = TypeVar("_T")


class RetryingStore:
    """An ObjectStore over another; `wait` waits so many seconds.

    A `create` whose answer was lost may find its own object: callers compare what they find with what they wrote.
    """

    def __init__(self, store: ObjectStore, wait: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        self._wait = wait

    def __repr__(self) -> str:
        return repr(self._store)

    def read(self, key: str) -> bytes:
        """The whole object; raises NotFound."""
        return self._tried(lambda: self._store.read(key))

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from offset `start`, in blocks; goes on where it broke off."""
        attempt = 0
        while True:
            try:
                for block in self._store.stream(key, start):
                    yield block
                    start, attempt = start + len(block), 0
                return
            except StoreError as error:
                attempt += 1
                self._pause(error, attempt)

    def create(self, key: str, body: bytes | Path) -> None:
        """Write a new object atomically; raises AlreadyExists and writes nothing if there is one."""
        self._tried(lambda: self._store.create(key, body))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in key order."""
        return iter(self._tried(lambda: tuple(self._store.list(prefix))))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the immediate folders below `prefix`, without the slash."""
        return self._tried(lambda: self._store.folders(prefix))

    def delete(self, key: str) -> None:
        """Remove the object; removing what is absent is no error."""
        self._tried(lambda: self._store.delete(key))

    def _tried(self, work: Callable[[], _T]) -> _T:
        attempt = 0
        while True:
            try:
                return work()
            except StoreError as error:
                attempt += 1
                self._pause(error, attempt)

    def _pause(self, error: StoreError, attempt: int) -> None:
        if not error.retriable or attempt >= ATTEMPTS:
            raise error
        # Jittered, as many pods may have met the same trouble at the same moment.
        self._wait(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * (0.5 + random.random()))  # noqa: S311 no secret
