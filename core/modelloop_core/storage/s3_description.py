"""What botocore knows of S3 (its operations, its endpoints): read once for all clients and threads of a process."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


def shared_description() -> Any:
    """A loader of botocore's that any number of sessions and threads may share."""
    return Loader(file_loader=_ReadOnce())


class _ReadOnce:
    """Reads what several threads want at once in one of them.

    The files of S3 make 12 MiB of objects. Threads that begin together would each make their own, and the process
    never gives back what it held for that moment: 30 MiB with the operator's four threads.
    """

    def __init__(self) -> None:
        self._files = JSONFileLoader()
        self._read: dict[str, Any] = {}
        self._reading = Lock()

    def exists(self, path: str) -> bool:
        """Whether there is such a file; `path` has no ending."""
        return bool(self._files.exists(path))

    def load_file(self, path: str) -> Any:
        """Its content, the same object for all; None when there is none."""
        with self._reading:
            if path not in self._read:
                self._read[path] = _compact(self._files.load_file(path))
            return self._read[path]


def _compact(value: Any) -> Any:
    """The same, half as large: in plain dicts, equal texts kept once."""
    match value:
        case dict():
            return {sys.intern(name): _compact(inner) for name, inner in value.items()}
        case list():
            return [_compact(inner) for inner in value]
        case str():
            return sys.intern(value)
    return value
