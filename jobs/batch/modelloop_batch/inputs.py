"""The Parquet files of an input: a file, a folder, or a prefix in a store; opened without a copy on this disk."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelloop_batch.errors import CorruptInput, NoInput
from modelloop_batch.retrying import RetryingStore
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import NotFound, ObjectInfo, ObjectStore
from modelloop_core.wire.batch import InputFile

_SUFFIX = ".parquet"
_BAD = (pa.ArrowException, OSError, ValueError)


@dataclass(frozen=True)
class Source:
    """Where the input lies: `uri` for people, its store, and the folder where that is one of this machine."""

    uri: str
    store: ObjectStore
    folder: Path | None
    only: str | None = None

    def files(self) -> tuple[ObjectInfo, ...]:
        """The Parquet files, in the order of their keys; raises NoInput."""
        try:
            found = [info for info in self.store.list(self.only or "") if self._is_input(info.key)]
        except NotFound as error:
            raise NoInput(f"there is nothing at {self.uri!r}; check the address of the input") from error
        if not found:
            raise NoInput(f"there is no {_SUFFIX} file at {self.uri!r}; check the address of the input")
        return tuple(found)

    def _is_input(self, key: str) -> bool:
        if self.only is not None:
            return key == self.only
        # As every reader of such folders: what begins so is a log or a marker.
        hidden = any(segment.startswith(("_", ".")) for segment in key.split("/"))
        return key.endswith(_SUFFIX) and not hidden

    @contextmanager
    def opened(self, key: str, size: int) -> Iterator[pq.ParquetFile]:
        """The file, to be read by row groups; raises CorruptInput."""
        place: Any = (
            self.folder / key if self.folder is not None else pa.PythonFile(_Ranged(self.store, key, size), "r")
        )
        try:
            # A store is asked for whole row groups: for each column on its own it would be asked far too often.
            file = pq.ParquetFile(place, pre_buffer=self.folder is None)
        except _BAD as error:
            raise self._corrupt(key, error) from error
        with file:
            yield file

    def batches(
        self, file: InputFile, groups: Sequence[int], columns: Sequence[str], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Row groups of a file in order, at most so many rows at a time; raises CorruptInput."""
        with self.opened(file.key, file.size) as opened:
            batches = opened.iter_batches(rows, row_groups=list(groups), columns=list(columns))
            while True:
                try:
                    batch = next(batches, None)
                except _BAD as error:
                    raise self._corrupt(file.key, error) from error
                if batch is None:
                    return
                yield batch

    def _corrupt(self, key: str, error: Exception) -> CorruptInput:
        said = " ".join(str(error).split())
        return CorruptInput(
            f"{key!r} of {self.uri!r} cannot be read as Parquet ({said}); write it anew, or take it away"
        )


def open_source(uri: str, open_store: Callable[[str], ObjectStore]) -> Source:
    """The source at `uri`; one whose name ends in .parquet is a file, where there is such a file."""
    parent, _, name = uri.rstrip("/").rpartition("/")
    if name.endswith(_SUFFIX) and not parent.endswith(":/"):
        source = _source(uri, open_store(parent or ("/" if uri.startswith("/") else ".")), name)
        try:
            if any(info.key == name for info in source.store.list(name)):
                return source
        except NotFound:
            pass
    return _source(uri, open_store(uri), None)


def _source(uri: str, store: ObjectStore, only: str | None) -> Source:
    if isinstance(store, DirectoryStore):
        # Whole, so that the same words in another folder are not taken for the same input.
        where = store.root if only is None else store.root / only
        return Source(str(where), RetryingStore(store), store.root, only)
    return Source(uri, RetryingStore(store), None, only)


class _Ranged(io.RawIOBase):
    """A file over an object of which only what is asked for is read."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        found = b"".join(_first(self._store.stream(self._key, self._at), wanted)) if wanted > 0 else b""
        self._at += len(found)
        return found


def _first(blocks: Iterator[bytes], wanted: int) -> Iterator[bytes]:
    """So many bytes of a stream, which is then closed."""
    while wanted > 0 and (block := next(islice(blocks, 1), None)) is not None:
        yield block[:wanted]
        wanted -= len(block)
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
