"""Only what is new or changed since the last run, over several runs: nothing lost, nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from modelloop_batch.asked import WrongRequest
from modelloop_batch.errors import WrongColumns
from modelloop_batch.model import LoadedVersion
from support import batches
from support.batches import people, run, with_value, write
from support.memory_store import MemoryStore


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    return batches.version(tmp_path_factory.mktemp("version"))


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


TIMES = pa.timestamp("ms", tz="UTC")
KINDS = {
    "times": lambda number: pa.scalar(day(number), TIMES),
    "dates": lambda number: pa.scalar(date(2026, 11, number)),
    "numbers": lambda number: pa.scalar(number, pa.int32()),
    "texts": lambda number: pa.scalar(f"2026-11-{number:02}"),
}


def scored(loaded: LoadedVersion, path: Path, store: MemoryStore, number: int) -> list[int]:
    """The keys that the run of that day scored."""
    result = run(loaded, path, store, date=f"2026-11-{number:02}", newest="changed", now=lambda: day(number))
    assert result is not None
    found = batches.predictions(result, store)
    return found.column("id").to_pylist() if found.num_rows else []


@pytest.mark.parametrize("kind", KINDS)
def test_each_run_scores_what_is_new_or_changed_since_the_last(
    loaded: LoadedVersion, tmp_path: Path, kind: str
) -> None:
    at, store, path = KINDS[kind], MemoryStore(), tmp_path / "in.parquet"

    def table(*moments: int) -> None:
        column = pa.array([at(number).as_py() for number in moments], at(1).type)
        write(people(len(moments)).append_column("changed", column), path, group=2)

    table(1, 2, 2, 1)
    assert scored(loaded, path, store, 3) == [0, 1, 2, 3]
    table(1, 2, 2, 1)
    assert scored(loaded, path, store, 4) == [], "nothing is new"
    table(1, 3, 2, 1, 2, 4)
    assert scored(loaded, path, store, 5) == [1, 4, 5], "changed, new at the moment of before, new"
    table(1, 3, 2, 1, 2, 4, 4, 4)
    assert scored(loaded, path, store, 6) == [6, 7]
    table(1, 3, 2, 1, 2, 4, 4, 4)
    assert scored(loaded, path, store, 7) == []


def test_a_row_without_a_moment_is_refused(loaded: LoadedVersion, tmp_path: Path) -> None:
    store, path = MemoryStore(), tmp_path / "in.parquet"
    write(people(3).append_column("changed", pa.array([1, None, 2])), path)
    result = run(loaded, path, store, newest="changed", max_rejects=0.5)
    assert result is not None
    assert result.manifest.reasons == {"changed: missing, and it says what is new": 1}
    assert batches.predictions(result, store).column("id").to_pylist() == [0, 2]


def test_a_refused_row_is_listed_at_its_place_among_those_that_did_not_change(
    loaded: LoadedVersion, tmp_path: Path
) -> None:
    store, path = MemoryStore(), tmp_path / "in.parquet"
    write(people(4).append_column("changed", pa.array([1, 1, 1, 1])), path)
    scored(loaded, path, store, 1)
    table = with_value(people(6), "age", [30, 30, 30, 30, 30, 300])
    write(table.append_column("changed", pa.array([1, 1, 1, 1, 2, 2])), path)
    result = run(loaded, path, store, date="2026-11-02", newest="changed", max_rejects=0.5)
    assert result is not None
    (listed,) = batches.rows_of(store, [result.manifest.rejects[0].name], "dt=2026-11-02/version=1.2.3/").to_pylist()
    assert (listed["row"], listed["id"]) == (5, 5)


def test_a_run_that_is_not_whole_is_no_beginning(loaded: LoadedVersion, tmp_path: Path) -> None:
    store, path = MemoryStore(), tmp_path / "in.parquet"
    write(people(4).append_column("changed", pa.array([1, 1, 2, 2])), path, group=2)
    assert run(loaded, path, store, date="2026-11-01", newest="changed", only=[0]) is None
    assert scored(loaded, path, store, 2) == [0, 1, 2, 3]


def test_a_run_of_another_input_is_no_beginning(loaded: LoadedVersion, tmp_path: Path) -> None:
    store = MemoryStore()
    for name, number in (("a", 1), ("b", 2)):
        write(people(2).append_column("changed", pa.array([1, 1])), tmp_path / f"{name}.parquet")
        assert scored(loaded, tmp_path / f"{name}.parquet", store, number) == [0, 1]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"newest": "changed", "keys": ()}, WrongRequest, "there are 0 keys"),
        ({"newest": "changed", "keys": ("id", "comment")}, WrongRequest, "there are 2 keys"),
        ({"newest": "income"}, WrongColumns, "'income' is double, which cannot say what is new"),
        ({"newest": "absent"}, WrongColumns, "lacks 'absent'"),
        ({"keys": ("prediction",)}, WrongRequest, "name of a column that is written"),
        ({"keys": ("id", "id")}, WrongRequest, "named twice"),
    ],
    ids=["no key", "two keys", "not ordered", "absent", "taken name", "key twice"],
)
def test_what_cannot_be_done_is_told(
    loaded: LoadedVersion, tmp_path: Path, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    table = people(2).append_column("changed", pa.array([1, 1])).append_column("prediction", pa.array([1, 1]))
    path = write(with_value(table, "comment", ["a", "b"]), tmp_path / "in.parquet")
    with pytest.raises(error, match=said):
        run(loaded, path, MemoryStore(), **asked)
