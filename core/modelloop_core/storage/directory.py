"""A folder on disk as an object store: for the command line, for tests and for trying things out."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modelloop_core.storage.keys import RESERVED, check_key, check_prefix
from modelloop_core.storage.port import AccessDenied, AlreadyExists, InvalidKey, NotFound, ObjectInfo, StoreError

_BLOCK = 1 << 20
_LINK_ATTEMPTS = 10


class DirectoryStore:
    """An ObjectStore below `root`; `create` makes the folders it needs, `root` included."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self.root)!r})"

    def read(self, key: str) -> bytes:
        """The whole object; raises NotFound."""
        with self._opened(key) as file:
            return file.read()

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from offset `start`, in blocks; raises NotFound."""
        with self._opened(key) as file:
            file.seek(start)
            while block := file.read(_BLOCK):
                yield block

    def create(self, key: str, body: bytes | Path) -> None:
        """Write a new object atomically and durably; raises AlreadyExists and writes nothing if there is one."""
        path = self._path(key)
        _make_folder(self.root)
        with _translated(f"cannot create {str(path)!r}"), _scratch(self.root, body) as scratch:
            _link(scratch, path)
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in key order."""
        check_prefix(prefix)
        top = self._folder(prefix[: prefix.rfind("/") + 1])
        found = ((path.relative_to(self.root).as_posix(), path) for path in _files(top))
        for key, path in sorted(item for item in found if item[0].startswith(prefix)):
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            yield ObjectInfo(key, seen.st_size, f"{seen.st_ino:x}-{seen.st_mtime_ns:x}")

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the immediate folders below `prefix` that hold an object, without the slash."""
        top = self._folder(check_prefix(prefix))
        with _translated(f"cannot list {str(top)!r}"):
            children = [child for child in top.iterdir() if child.is_dir()] if top.is_dir() else []
            return tuple(sorted(child.name for child in children if next(_files(child), None)))

    def delete(self, key: str) -> None:
        """Remove the object; removing what is absent is no error."""
        path = self._path(key)
        with _translated(f"cannot delete {str(path)!r}", absent=lambda: None):
            path.unlink()
            self._drop_empty_folders(path.parent)

    def _drop_empty_folders(self, folder: Path) -> None:
        # As in S3, where a folder is nothing but the objects in it.
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        with _translated(f"cannot read {str(path)!r}"), path.open("rb") as file:
            yield file

    def _path(self, key: str) -> Path:
        path = self.root / check_key(key)
        # A link inside the folder must not lead a reader or writer out of it.
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InvalidKey(f"{key!r} leads out of {str(self.root)!r} through a link")
        return path

    def _folder(self, prefix: str) -> Path:
        if not self.root.is_dir():
            found = "a file is in its place" if self.root.exists() else "check the address"
            raise NotFound(f"there is no folder {str(self.root)!r}; {found}")
        return self._path(prefix.rstrip("/")) if prefix else self.root


@contextmanager
def _translated(attempt: str, absent: Callable[[], None] | None = None) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if absent is None:
            raise NotFound(f"{attempt}: {error.strerror}") from error
    except FileExistsError as error:
        raise AlreadyExists(f"{attempt}: it exists") from error
    except PermissionError as error:
        raise AccessDenied(f"{attempt}: {error.strerror}; check the folder's owner and mode") from error
    except OSError as error:
        raise StoreError(f"{attempt}: {error.strerror}") from error


def _make_folder(folder: Path) -> None:
    with _translated(f"cannot make the folder {str(folder)!r}"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StoreError(
                f"cannot make the folder {str(folder)!r}: a file is in its place; give another folder"
            ) from error


@contextmanager
def _scratch(root: Path, body: bytes | Path) -> Iterator[Path]:
    path = root / f"{RESERVED}{secrets.token_hex(8)}"
    try:
        _write(path, body)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, body: bytes | Path) -> None:
    with path.open("xb") as file:
        if isinstance(body, bytes):
            file.write(body)
        else:
            with body.open("rb") as source:
                shutil.copyfileobj(source, file, _BLOCK)
        file.flush()
        os.fsync(file.fileno())


def _link(scratch: Path, path: Path) -> None:
    for attempts_left in reversed(range(_LINK_ATTEMPTS)):
        _make_folder(path.parent)
        try:
            # A hard link fails when the name is taken, so that of two writers exactly one succeeds.
            return path.hardlink_to(scratch)
        except FileExistsError:
            raise
        except FileNotFoundError:
            # A `delete` beside us dropped the folder between the two steps.
            if not attempts_left:
                raise
        except OSError as error:
            raise StoreError(
                f"cannot create {str(path)!r}: no hard link could be made ({error.strerror}); "
                "use a folder on a local file system, or an s3:// address"
            ) from error
    return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    with _translated(f"cannot list {str(folder)!r}"):
        for parent, _folders, names in os.walk(folder, onerror=_raise_unless_gone):
            yield from (Path(parent, name) for name in names if not name.startswith(RESERVED))


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
