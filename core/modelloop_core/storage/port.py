"""The port every object store implements: keys in, bytes out, nothing overwritten by accident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """An object store could not do what was asked; `retriable` says whether trying again can help."""

    retriable = False


class InvalidKey(StoreError):
    """A key or address that no store of this kind can hold."""


class NotFound(StoreError):
    """There is no object under that key (or no such bucket)."""


class AlreadyExists(StoreError):
    """Create-if-absent found an object; nothing was written."""


class AccessDenied(StoreError):
    """The credentials are missing, wrong or may not do this."""


class Unavailable(StoreError):
    """The store did not answer in time or failed by itself; trying again can help."""

    retriable = True


@dataclass(frozen=True)
class ObjectInfo:
    """An object's key, size in bytes and entity tag (opaque, changes with the content)."""

    key: str
    size: int
    etag: str


class ObjectStore(Protocol):
    """A flat map from keys (`a/b/c`, relative to the store's root) to immutable bytes.

    Every verb raises only StoreError; each is bounded in time.
    """

    def read(self, key: str) -> bytes:
        """The whole object; raises NotFound."""
        ...

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from offset `start`, in blocks; raises NotFound."""
        ...

    def create(self, key: str, body: bytes | Path) -> None:
        """Write a new object atomically; raises AlreadyExists and writes nothing if there is one.

        A `Path` is read in blocks, so that a file larger than memory can be stored. Writers that run at the same
        moment are told apart only as well as the store itself does it: see `Registry.publish`.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in key order."""
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the immediate folders below `prefix` (which ends in `/`), without the slash."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; removing what is absent is no error."""
        ...
