"""Files of a version onto a disk: bounded, resumable, verified before they get their name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modelloop_core.manifest import FileEntry
from modelloop_core.registry_errors import ChecksumMismatch
from modelloop_core.storage.port import ObjectStore, StoreError

ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.5
_BLOCK = 1 << 20


class Downloader:
    """Brings objects of `store` into the folder `target`; `where` names the version in errors."""

    def __init__(self, store: ObjectStore, where: str, target: Path, wait: Callable[[float], None]) -> None:
        self._store = store
        self._where = where
        self._target = target
        self._wait = wait

    def fetch(self, key: str, name: str, entry: FileEntry) -> None:
        """Make `target/name` the object `key`, which must be `entry`; raises ChecksumMismatch, StoreError, OSError."""
        self._target.mkdir(parents=True, exist_ok=True)
        final = self._target / name
        if final.is_file() and measure(final) == entry:
            return
        with self._part(name) as part:
            resumed = part.stat().st_size > 0
            found = self._complete(key, part, entry)
            if found != entry and resumed:
                # What an earlier try left may be the damaged part; the object itself gets a fair chance.
                part.write_bytes(b"")
                found = self._complete(key, part, entry)
            if found != entry:
                part.write_bytes(b"")
                raise ChecksumMismatch(self._where, file=name, expected=str(entry), found=str(found))
            part.replace(final)

    def put(self, name: str, content: bytes) -> None:
        """Make `target/name` hold `content`."""
        scratch = self._target / f".{name}.{secrets.token_hex(4)}"
        scratch.write_bytes(content)
        scratch.replace(self._target / name)

    def _complete(self, key: str, part: Path, entry: FileEntry) -> FileEntry:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._append(key, part, entry.size)
                break
            except StoreError as error:
                if not error.retriable or attempt == ATTEMPTS:
                    raise
                self._wait(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        return measure(part)

    def _append(self, key: str, part: Path, size: int) -> None:
        start = part.stat().st_size
        if start >= size > 0:
            return
        with part.open("ab") as file:
            for block in self._store.stream(key, start):
                # One byte too many is enough to know; an endless object must not fill the disk.
                file.write(block[: size + 1 - file.tell()])
                if file.tell() > size:
                    return

    @contextmanager
    def _part(self, name: str) -> Iterator[Path]:
        path = self._target / f".{name}.part"
        with path.open("ab") as lock:
            if _locked(lock) and _is_still(path, lock):
                yield path
                return
        # Another process is on it: work beside it rather than wait for it.
        own = self._target / f".{name}.part-{secrets.token_hex(4)}"
        try:
            own.touch()
            yield own
        finally:
            own.unlink(missing_ok=True)


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still(path: Path, file: BinaryIO) -> bool:
    # The process that held the lock before us may have given the file its final name meanwhile.
    return path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))


def measure(path: Path) -> FileEntry:
    """SHA-256 and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(sha256=digest.hexdigest(), size=file.tell())
