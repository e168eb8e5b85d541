"""Where the input lies: a file, a folder, or objects of which only what is needed is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from modelloop_batch.inputs import Source, open_source
from modelloop_batch.retrying import RetryingStore
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import Unavailable
from support.batches import people, write
from support.memory_store import MemoryStore


class BreaksOff(MemoryStore):
    """A store whose streams break off after so many blocks of a thousand bytes."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.streamed = 0

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        for number, block in enumerate(super().stream(key, start)):
            if number == self.blocks:
                raise Unavailable("cannot read: the connection broke")
            self.streamed += len(block)
            yield block


def test_a_stream_that_breaks_off_goes_on_where_it_was() -> None:
    store, body = BreaksOff(3), os.urandom(50_000)
    store.create("a", body)
    assert b"".join(RetryingStore(store, wait=lambda seconds: None).stream("a", 7)) == body[7:]


def test_of_an_object_only_what_is_needed_is_read(tmp_path: Path) -> None:
    path = write(people(20_000), tmp_path / "a.parquet", 2_000)
    store = BreaksOff(10**6)
    store.create("in/a.parquet", path)
    source = Source("memory", RetryingStore(store), None)
    (info,) = source.files()
    with source.opened(info.key, info.size) as file:
        found = file.read_row_group(3, ["id", "age"])
    assert found.equals(pq.ParquetFile(path).read_row_group(3, ["id", "age"]))
    assert store.streamed < info.size / 4


@pytest.mark.parametrize("named", ["in/a.parquet", "in"], ids=["a file", "a folder"])
def test_an_address_is_that_of_a_file_or_of_a_folder(tmp_path: Path, named: str) -> None:
    write(people(10), tmp_path / "in" / "a.parquet")
    write(people(10), tmp_path / "in" / "b.parquet")
    keys = [info.key for info in open_source(str(tmp_path / named), open_store).files()]
    assert keys == (["a.parquet"] if named.endswith(".parquet") else ["a.parquet", "b.parquet"])


def test_a_folder_may_be_called_like_a_file(tmp_path: Path) -> None:
    write(people(10), tmp_path / "table.parquet" / "part-0.parquet")
    source = open_source(str(tmp_path / "table.parquet"), open_store)
    assert [info.key for info in source.files()] == ["part-0.parquet"]


def test_the_same_words_in_another_folder_are_another_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(people(10), tmp_path / "here" / "in" / "a.parquet")
    monkeypatch.chdir(tmp_path / "here")
    assert open_source("in", open_store).uri == str(tmp_path / "here" / "in")
    assert open_source("in/a.parquet", open_store).uri == str(tmp_path / "here" / "in" / "a.parquet")
