"""From chosen requests to objects in a registry, with every interruption in between."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from modelloop_core.captures import Kind, captured_at
from modelloop_core.captures_erasing import erase
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.storage.port import StoreError
from modelloop_predictor.telemetry import spool as spools
from modelloop_predictor.telemetry.captured_tables import UNSEEN_LEVEL, About, to_parquet
from modelloop_predictor.telemetry.predictions import Logged
from modelloop_predictor.telemetry.spool import Spool
from modelloop_predictor.telemetry.uploads import upload_all
from support.memory_store import MemoryStore
from support.published import PEOPLE, THREE_CLASSES, TWO_VALUES

EVENING = datetime(2026, 11, 27, 19, 59, 59, tzinfo=UTC).timestamp()
ROWS = np.array([[31.0, 2500.0, 1.0, 0.0, -1.0], [40.0, np.nan, 0.0, 2.0, np.nan]])


def about(name: str, uri: str = "r") -> dict[str, Any]:
    features = [PEOPLE.inputs[place].model_dump(mode="json") for place in (0, 2, 3, 4)]
    output = PEOPLE.output.model_dump(mode="json")
    return {"registry_uri": uri, "name": name, "version": "1.2.3", "output": output, "features": features}


def spool_at(root: Path, name: str = "pod-1", **changes: Any) -> Spool:
    spool = Spool(root / name, about(name, **changes), [0, 2, 3, 4], seconds=60)
    spool.open()
    return spool


def logged(number: int, at: float = EVENING, *, rows: bool = True) -> Logged:
    return Logged(f"asked-{number}", f"somebody-{number % 3}", at, [0.25, 0.75], ROWS if rows else None)


def read(store: MemoryStore, kind: Kind) -> list[dict[str, Any]]:
    """All rows of one kind, in the order of their keys."""
    tables = [pq.read_table(io.BytesIO(store.read(info.key))) for info in store.list(f"captures/{kind}/")]
    return [row for table in tables for row in table.to_pylist()]


def brought(root: Path, store: MemoryStore, own: str = "pod-1") -> int:
    return upload_all(root, own, lambda _: store)


def test_rows_arrive_with_their_names_and_types(tmp_path: Path) -> None:
    spool, store = spool_at(tmp_path), MemoryStore()
    spool.add([logged(1), logged(2, rows=False)], 0)
    assert spool.close_file(0, anyway=True)
    assert brought(tmp_path, store) == 2
    predictions, features = read(store, Kind.PREDICTIONS), read(store, Kind.FEATURES)
    assert [(row["request_id"], row["row"], row["prediction"]) for row in predictions] == [
        ("asked-1", 0, 0.25), ("asked-1", 1, 0.75), ("asked-2", 0, 0.25), ("asked-2", 1, 0.75),
    ]  # fmt: skip
    assert [row["features"] for row in features] == [
        {"age": 31, "member": True, "region": "north", "device": UNSEEN_LEVEL},
        {"age": 40, "member": False, "region": "3", "device": None},
    ]
    assert features[0]["entity"] == "somebody-1"
    assert features[0]["at"] == datetime.fromtimestamp(EVENING, UTC)
    assert {row["version"] for row in predictions} == {"1.2.3"}


@pytest.mark.parametrize(
    ("output", "answer", "prediction", "values"),
    [
        pytest.param(BinaryOutput(), 0.25, 0.25, None, id="a probability"),
        pytest.param(RegressionOutput(), -3.0, -3.0, None, id="a value"),
        pytest.param(THREE_CLASSES, [0.2, 0.7, 0.1], "green", {"red": 0.2, "green": 0.7, "blue": 0.1}, id="a class"),
        pytest.param(TWO_VALUES, [1.0, 2.0], None, {"mean": 1.0, "largest": 2.0}, id="several values"),
    ],
)
def test_an_answer_is_kept_as_its_output_has_it(output: Output, answer: Any, prediction: Any, values: Any) -> None:
    described = About(registry_uri="r", name="pod", version="1.2.3", output=output, features=())
    line = {"id": "one", "entity": None, "at": EVENING, "answers": [answer], "rows": None}
    body = to_parquet(Kind.PREDICTIONS, described, [line])
    assert body is not None
    (row,) = pq.read_table(io.BytesIO(body)).to_pylist()
    assert (row["prediction"], row.get("values")) == (prediction, values)
    assert isinstance(described.output, MulticlassOutput) == isinstance(row["prediction"], str)


def test_an_excluded_column_never_touches_the_disk(tmp_path: Path) -> None:
    spool, store = spool_at(tmp_path), MemoryStore()
    spool.add([logged(1)], 0)
    written = b"".join(path.read_bytes() for path in spool.folder.iterdir() if path.name != spools.ABOUT)
    assert b"31.0" in written
    assert b"2500" not in written
    spool.close_file(0, anyway=True)
    brought(tmp_path, store)
    assert all("income" not in row["features"] for row in read(store, Kind.FEATURES))


def test_each_hour_has_a_file_of_its_own(tmp_path: Path) -> None:
    spool, store = spool_at(tmp_path), MemoryStore()
    spool.add([logged(1), logged(2, EVENING + 2, rows=False)], 0)
    spool.close_file(0, anyway=True)
    brought(tmp_path, store)
    assert [info.key for info in store.list("captures/predictions/")] == [
        "captures/predictions/dt=2026-11-27/hour=19/pod-1-000000.parquet",
        "captures/predictions/dt=2026-11-27/hour=20/pod-1-000000.parquet",
    ]


class Failing(MemoryStore):
    """A store that fails at its nth creation, as a killed process does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def create(self, key: str, body: bytes | Path) -> None:
        if not self._left:
            self._left = -1
            raise StoreError("the process was killed")
        self._left -= 1
        super().create(key, body)


@pytest.mark.parametrize("after", range(4))
def test_what_was_interrupted_is_done_again_and_nothing_twice(tmp_path: Path, after: int) -> None:
    spool, store = spool_at(tmp_path), Failing(after)
    for number in range(2):
        spool.add([logged(number)], 0)
        spool.close_file(0, anyway=True)
    with pytest.raises(StoreError):
        brought(tmp_path, store)
    brought(tmp_path, store)
    brought(tmp_path, store)
    for kind in Kind:
        assert [(row["request_id"], row["row"]) for row in read(store, kind)] == [
            ("asked-0", 0), ("asked-0", 1), ("asked-1", 0), ("asked-1", 1),
        ]  # fmt: skip
    assert not list(spool.folder.glob("*.jsonl"))


def test_an_object_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    spool, store = spool_at(tmp_path), MemoryStore()
    spool.add([logged(1)], 0)
    spool.close_file(0, anyway=True)
    closed = next(spool.folder.glob("*.jsonl"))
    kept = closed.read_bytes()
    brought(tmp_path, store)
    # As if it had been killed before the file went; and meanwhile somebody was erased.
    closed.write_bytes(kept)
    assert erase(store, "somebody-1").rows == 4
    assert brought(tmp_path, store) == 0
    assert read(store, Kind.PREDICTIONS) == []


def test_what_a_process_left_that_has_ended_is_brought_by_the_next(tmp_path: Path) -> None:
    left, store = spool_at(tmp_path, "pod-1"), MemoryStore()
    left.add([logged(1)], 0)
    with (left.folder / "000000.open").open("ab") as file:
        file.write(b'{"id":"cut of')
    spool_at(tmp_path, "pod-2")
    assert brought(tmp_path, store, "pod-2") == 0, "its process lives"
    left.release()
    assert brought(tmp_path, store, "pod-2") == 2
    assert {row["request_id"] for row in read(store, Kind.PREDICTIONS)} == {"asked-1"}
    assert not left.folder.exists()


def test_what_belongs_to_another_registry_is_left(tmp_path: Path) -> None:
    other = spool_at(tmp_path, "pod-1", uri="other")
    other.add([logged(1)], 0)
    other.release()
    spool_at(tmp_path, "pod-2")
    assert brought(tmp_path, MemoryStore(), "pod-2") == 0
    assert other.folder.exists()


@pytest.mark.parametrize(("now", "closes"), [(59.0, False), (60.0, True)])
def test_a_file_is_closed_when_it_is_old_enough(tmp_path: Path, now: float, closes: bool) -> None:
    spool = spool_at(tmp_path)
    spool.add([logged(1)], 0)
    assert spool.close_file(now) == closes


def test_a_full_spool_drops_and_counts(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "pod-1", about("pod-1"), [0, 2, 3, 4], seconds=60, most_bytes=500)
    spool.open()
    for number in range(4):
        spool.add([logged(number)], 0)
        spool.close_file(0, anyway=True)
    assert (spool.written, spool.dropped) == (6, 2)


def test_a_volume_that_cannot_be_written_drops_and_counts(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    (spool.folder / "000000.open").mkdir()
    spool.add([logged(1)], 0)
    assert (spool.written, spool.dropped) == (0, 2)


@pytest.mark.parametrize(
    "key",
    [
        "captures/predictions/dt=2026-11-27/hour=24/x.parquet",
        "captures/others/dt=2026-11-27/hour=10/x.parquet",
        "captures/predictions/dt=2026-11-27/x.parquet",
        "captures/features/dt=2026-11-27/hour=10/x.csv",
    ],
)
def test_what_is_no_file_of_ours_is_passed_over(key: str) -> None:
    assert captured_at(key) is None
