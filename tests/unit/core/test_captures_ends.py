from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelloop_core.captures import Captured, Kind
from modelloop_core.captures_erasing import Erased, UnreadableCapture, erase
from modelloop_core.captures_pruning import Pruned, prune, prune_some
from support.memory_store import MemoryStore

HOUR = datetime(2026, 11, 27, 19, tzinfo=UTC)


def put(store: MemoryStore, entities: list[str | None], hour: datetime = HOUR, kind: Kind = Kind.PREDICTIONS) -> str:
    buffer = io.BytesIO()
    entity = pa.array(entities, type=pa.string())
    pq.write_table(pa.table({"entity": entity, "row": pa.array(range(len(entities)))}), buffer)
    place = Captured(kind, hour, "pod-000000")
    store.create(place.key, buffer.getvalue())
    return place.key


def entities(store: MemoryStore) -> list[str | None]:
    found = [pq.read_table(io.BytesIO(store.read(info.key))) for info in store.list("captures/")]
    return [one for table in found for one in table.column("entity").to_pylist()]


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        pytest.param(HOUR + timedelta(hours=1), True, id="its last moment is old enough"),
        pytest.param(HOUR + timedelta(minutes=59), False, id="a row of it may be younger"),
    ],
)
def test_a_file_goes_when_all_of_it_is_old_enough(before: datetime, gone: bool) -> None:
    store = MemoryStore()
    put(store, ["a"])
    assert prune(store, before, dry_run=True).files == gone
    assert len(list(store.list(""))) == 1
    assert prune(store, before).files == gone
    assert len(list(store.list(""))) == (not gone)


def test_pruning_touches_captures_alone_and_says_what_stays() -> None:
    store = MemoryStore()
    put(store, ["a"], HOUR - timedelta(days=3), Kind.FEATURES)
    put(store, ["a"])
    for key in ("versions/1.0.0/manifest.json", "captures/readme.txt", "labels/dt=2020-01-01/x.parquet"):
        store.create(key, b"kept")
    done = prune(store, HOUR)
    assert (done.files, done.kept) == (1, 1)
    assert prune(store, HOUR) == Pruned(0, 0, 1)
    assert len(list(store.list(""))) == 4


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        pytest.param(HOUR + timedelta(hours=1), 1, id="its last moment is old enough"),
        pytest.param(HOUR + timedelta(minutes=59), 0, id="a row of it may be younger"),
        pytest.param(HOUR + timedelta(days=40), 1, id="a day of another month"),
        pytest.param((HOUR + timedelta(hours=1)).astimezone(timezone(timedelta(hours=14))), 1, id="told in a zone"),
    ],
)
def test_bounded_pruning_removes_what_unbounded_pruning_does(before: datetime, gone: int) -> None:
    store = MemoryStore()
    put(store, ["a"])
    assert prune(store, before, dry_run=True).files == gone
    assert prune_some(store, before, 10) == gone
    assert len(store.objects) == 1 - gone


def test_bounded_pruning_stops_at_its_bound_and_looks_at_nothing_that_is_younger() -> None:
    listed: list[str] = []
    store = MemoryStore(lambda verb, key: listed.append(key) if verb == "list" else None)
    for days in range(5):
        put(store, ["a"], HOUR - timedelta(days=days))
    assert prune_some(store, HOUR - timedelta(days=2), 1) == 1
    assert prune_some(store, HOUR - timedelta(days=2), 10) == 1
    assert prune_some(store, HOUR - timedelta(days=2), 10) == 0
    assert len(store.objects) == 3
    assert not any("dt=2026-11-26" in key or "dt=2026-11-27" in key for key in listed)


def test_all_rows_of_one_entity_go_and_no_others() -> None:
    store = MemoryStore()
    put(store, ["a", "b", None, "a"])
    put(store, ["b", "c"], HOUR + timedelta(hours=1))
    put(store, ["a"], kind=Kind.FEATURES)
    assert erase(store, "a") == Erased(rows=3, files=2, looked_at=3)
    assert sorted(map(str, entities(store))) == ["None", "b", "b", "c"]
    assert erase(store, "a") == Erased(rows=0, files=0, looked_at=3)
    assert erase(store, "b").rows == 2
    assert sorted(map(str, entities(store))) == ["None", "c"]


class Killed(MemoryStore):
    """A store whose first deletion never happens."""

    killed = False

    def delete(self, key: str) -> None:
        if not self.killed:
            self.killed = True
            raise KeyboardInterrupt
        super().delete(key)


def test_an_erasure_that_was_interrupted_is_run_again() -> None:
    store = Killed()
    put(store, ["a", "b"])
    with pytest.raises(KeyboardInterrupt):
        erase(store, "a")
    erase(store, "a")
    assert entities(store) == ["b"]


def test_a_file_that_is_no_parquet_is_named_and_left() -> None:
    store = MemoryStore()
    key = Captured(Kind.FEATURES, HOUR, "strange").key
    store.create(key, b"no parquet")
    put(store, ["a"], HOUR + timedelta(hours=1), Kind.FEATURES)
    put(store, ["a", "b"])
    with pytest.raises(UnreadableCapture, match=r"erased 2 row\(s\) from 2 of 2 .* 1 cannot .*strange\.parquet"):
        erase(store, "a")
    assert store.read(key) == b"no parquet"
