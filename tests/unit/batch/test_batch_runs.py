"""A whole run: what is written, and that dying anywhere loses nothing, repeats nothing and begins nothing anew."""

from __future__ import annotations

import io
import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelloop_batch.errors import CorruptInput, InputChanged, NoInput, OutputTaken, TooManyRejects, WrongColumns
from modelloop_batch.model import LoadedVersion
from modelloop_batch.retrying import ATTEMPTS, RetryingStore
from modelloop_batch.rows import BATCH_ROWS
from modelloop_batch.run import Result, Told
from modelloop_core.inference import rows_from_columns
from modelloop_core.storage.port import ObjectStore, Unavailable
from modelloop_core.wire.batch import MANIFEST_NAME, PLAN_NAME
from support import batches, published
from support.batches import FOLDER, people, run, with_value, write
from support.memory_store import DeathAfter, Killed, MemoryStore

ROWS = 2500


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    return batches.version(tmp_path_factory.mktemp("version"), reference=published.people_reference())


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write(people(1500), tmp_path / "in" / "a.parquet")
    write(people(1000, seed=8, first=1500), tmp_path / "in" / "more" / "b.parquet")
    return tmp_path / "in"


def whole(result: Result | None) -> Result:
    assert result is not None
    return result


def test_each_row_comes_out_with_its_key_its_prediction_and_the_version(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    found = batches.predictions(whole(run(loaded, inputs, store)), store)
    table = pa.concat_tables([people(1500), people(1000, seed=8, first=1500)])
    columns = {name: table.column(name).to_pylist() for name in published.PEOPLE.feature_names}
    expected = loaded.scorer.predict(rows_from_columns(published.PEOPLE, columns))
    assert found.column_names == ["id", "prediction", "version"]
    assert found.column("id").to_pylist() == list(range(ROWS))
    assert found.column("prediction").to_numpy() == pytest.approx(expected, abs=1e-6)
    assert set(found.column("version").to_pylist()) == {"1.2.3"}


def test_the_manifest_is_last_and_says_what_there_is(loaded: LoadedVersion, inputs: Path) -> None:
    order: list[str] = []
    store = MemoryStore(lambda verb, key: order.append(key) if verb == "create" else None)
    manifest = whole(run(loaded, inputs, store)).manifest
    assert (order[0], order[-1]) == (FOLDER + PLAN_NAME, FOLDER + MANIFEST_NAME)
    assert (manifest.input_rows, manifest.scored, manifest.rejected) == (ROWS, ROWS, 0)
    assert sum(file.rows for file in manifest.files) == ROWS
    assert manifest.not_read == ("comment",)
    assert manifest.drift is not None
    assert {column.name for column in manifest.drift.columns} == {*published.PEOPLE.feature_names, "prediction"}
    assert sum(column.current_n + column.current_null for column in manifest.drift.columns) == 6 * ROWS


def test_the_batch_is_counted_as_one_would_be(loaded: LoadedVersion, inputs: Path) -> None:
    one, many = MemoryStore(), MemoryStore()
    alone = whole(run(loaded, inputs, one, shards=1, threads=1)).manifest.drift
    split = whole(run(loaded, inputs, many, threads=3)).manifest.drift
    assert alone is not None
    assert split is not None
    assert [(c.name, c.psi, c.current_n) for c in alone.columns] == [
        (c.name, c.psi, c.current_n) for c in split.columns
    ]
    device = next(column for column in alone.columns if column.name == "device")
    assert device.unseen_levels == ("watch",)


def test_what_is_whole_is_not_scored_again(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    first = whole(run(loaded, inputs, store))
    before = dict(store.objects)
    again = whole(run(loaded, inputs, store))
    assert again.again
    assert again.manifest == first.manifest
    assert [record.shard for record in again.records] == [0, 1, 2]
    assert store.objects == before


def test_a_run_that_dies_anywhere_ends_as_one_that_does_not(loaded: LoadedVersion, inputs: Path) -> None:
    undisturbed = MemoryStore()
    whole(run(loaded, inputs, undisturbed, threads=1))
    for steps in itertools.count():
        store = MemoryStore(DeathAfter(steps))
        try:
            run(loaded, inputs, store, threads=1)
        except Killed:
            store.before = lambda verb, key: None
            result = whole(run(loaded, inputs, store, threads=1))
            assert store.objects.keys() == undisturbed.objects.keys(), steps
            assert batches.predictions(result, store).column("id").to_pylist() == list(range(ROWS)), steps
            for file in result.manifest.files:
                assert store.objects[FOLDER + file.name] == undisturbed.objects[FOLDER + file.name], steps
        else:
            assert steps > 10
            return


def test_finished_shards_are_passed_over(loaded: LoadedVersion, inputs: Path) -> None:
    class Watcher(Told):
        def __init__(self) -> None:
            self.read = 0

        def rows(self, read: int, rejected: int) -> None:
            self.read += read

    store, watcher = MemoryStore(), Watcher()
    assert run(loaded, inputs, store, only=[1]) is None
    whole(run(loaded, inputs, store, told=watcher))
    assert watcher.read == ROWS - 500


def test_a_file_that_somebody_took_away_is_written_again(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    assert run(loaded, inputs, store, only=[0, 1]) is None
    store.delete(f"{FOLDER}part-00001.parquet")
    assert batches.predictions(whole(run(loaded, inputs, store)), store).num_rows == ROWS


def test_what_a_dead_process_left_under_a_name_gives_way(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    store.create(f"{FOLDER}part-00001.parquet", b"of another build, and no longer wanted")
    assert batches.predictions(whole(run(loaded, inputs, store)), store).num_rows == ROWS


def test_threads_change_no_byte(loaded: LoadedVersion, tmp_path: Path) -> None:
    path = write(people(60_000), tmp_path / "in.parquet", 20_000)
    one, four = MemoryStore(), MemoryStore()
    files = whole(run(loaded, path, one, shards=1, threads=1)).manifest.files
    assert whole(run(loaded, path, four, shards=1, threads=4)).manifest.files == files


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    from support import model_files

    inputs = tuple(published.NumericFeature(name=name) for name in ("a.b", "a"))
    signature = published.Signature(inputs=inputs, output=published.A_VALUE)
    model = model_files.torchscript(model_files.Mean(), tmp_path / "model.ts.pt")
    published.publish(tmp_path / "registry", model, signature)
    registry = batches.Registry(batches.DirectoryStore(tmp_path / "registry"))
    loaded = batches.load_version(registry, batches.Version(1, 2, 3), tmp_path, device="cpu")
    path = write(pa.table({"a.b": [1.0, 2.0], "a": [3.0, 5.0], "b": [9.0, 9.0]}), tmp_path / "in.parquet")
    store = MemoryStore()
    found = batches.predictions(whole(run(loaded, path, store, keys=("b",))), store)
    assert found.column("prediction").to_pylist() == [2.0, 3.5]


def test_two_at_once_write_everything_once(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    results: list[Result] = []
    threads = [threading.Thread(target=lambda: results.append(whole(run(loaded, inputs, store)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({result.manifest.run for result in results}) == 1
    assert len(results) == 2
    assert batches.predictions(results[0], store).column("id").to_pylist() == list(range(ROWS))


def test_refused_rows_are_listed_with_their_place_and_reason(loaded: LoadedVersion, tmp_path: Path) -> None:
    table = people(2000)
    ages = table.column("age").to_pylist()
    ages[1200], ages[1999] = 300, None
    regions = table.column("region").to_pylist()
    regions[1200], regions[1300] = "west", "east"
    path = write(with_value(with_value(table, "age", ages), "region", regions), tmp_path / "in.parquet")
    store = MemoryStore()
    manifest = whole(run(loaded, path, store)).manifest
    listed = batches.rows_of(store, [file.name for file in manifest.rejects]).to_pylist()
    assert listed == [
        {
            "file": "in.parquet", "row": 1200, "id": 1200, "column": "age", "reason": "outside [0, 120]",
            "value": "300",
        },
        {
            "file": "in.parquet", "row": 1300, "id": 1300, "column": "region", "reason": "none of the model's levels",
            "value": "east",
        },
        {"file": "in.parquet", "row": 1999, "id": 1999, "column": "age", "reason": "missing", "value": None},
    ]  # fmt: skip
    assert (manifest.scored, manifest.rejected) == (1997, 3)
    assert manifest.reasons == {
        "age: outside [0, 120]": 1, "region: none of the model's levels": 1, "age: missing": 1,
    }  # fmt: skip
    assert manifest.drift is not None
    assert next(c for c in manifest.drift.columns if c.name == "age").current_n == 1997, "refused rows are not counted"


def test_the_place_of_a_refused_row_is_that_in_its_file_however_it_is_read(
    loaded: LoadedVersion, tmp_path: Path
) -> None:
    table = people(2 * BATCH_ROWS + 10)
    ages = table.column("age").to_pylist()
    wrong = [BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS + 3]
    for row in wrong:
        ages[row] = 300
    path = write(with_value(table, "age", ages), tmp_path / "in.parquet", BATCH_ROWS + 5)
    store = MemoryStore()
    rejects = whole(run(loaded, path, store, shards=1)).manifest.rejects
    listed = batches.rows_of(store, [file.name for file in rejects])
    assert listed.column("row").to_pylist() == listed.column("id").to_pylist() == wrong


def test_more_refused_rows_than_the_limit_fail_the_run_and_leave_no_manifest(
    loaded: LoadedVersion, tmp_path: Path
) -> None:
    table = people(1000)
    path = write(with_value(table, "age", [300] * 11 + [30] * 989), tmp_path / "in.parquet")
    store = MemoryStore()
    with pytest.raises(TooManyRejects, match=r"^11 of 1,000 rows are refused, and 1\.00% may be.*\[0, 120\]"):
        run(loaded, path, store)
    assert FOLDER + MANIFEST_NAME not in store.objects
    assert whole(run(loaded, path, store, max_rejects=0.011)).manifest.rejected == 11, "what was scored is kept"


def test_a_row_on_which_the_model_fails_costs_only_itself(tmp_path: Path) -> None:
    from support import model_files

    model = model_files.torchscript(model_files.NaNAboveHundred(), tmp_path / "model.ts.pt")
    published.publish(tmp_path / "registry", model, published.pair())
    loaded = batches.load_version(
        batches.Registry(batches.DirectoryStore(tmp_path / "registry")),
        batches.Version(1, 2, 3),
        tmp_path,
        device="cpu",
    )
    first = [101.0 if row in (3, 700) else 1.0 for row in range(1000)]
    path = write(pa.table({"id": range(1000), "first": first, "second": [1.0] * 1000}), tmp_path / "in.parquet")
    store = MemoryStore()
    manifest = whole(run(loaded, path, store)).manifest
    listed = batches.rows_of(store, [file.name for file in manifest.rejects]).to_pylist()
    assert [(row["row"], row["column"]) for row in listed] == [(3, "(model)"), (700, "(model)")]
    assert "not finite" in listed[0]["reason"]
    kept = batches.predictions(whole(run(loaded, path, store)), store)
    assert kept.column("id").to_pylist() == [row for row in range(1000) if row not in (3, 700)]
    assert manifest.drift is None
    assert "no reference" in manifest.drift_note


def _shortened(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])


def _bytes_in_the_middle(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[500:1500] = bytes(1000)
    path.write_bytes(body)


@pytest.mark.parametrize("damage", [_shortened, _bytes_in_the_middle], ids=["cut short", "overwritten"])
def test_a_damaged_file_is_named(loaded: LoadedVersion, inputs: Path, damage: Any) -> None:
    damage(inputs / "more" / "b.parquet")
    with pytest.raises(CorruptInput, match=r"'more/b\.parquet' of .* cannot be read as Parquet"):
        run(loaded, inputs, MemoryStore())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns(["age"]).append_column("Age", table["age"]), "lacks 'age'.*is 'Age' meant"),
        (lambda table: table.drop_columns(["id", "income"]), "lacks 'income', 'id'"),
        (lambda table: table.append_column("age", table["age"]), "has 'age' more than once"),
        (lambda table: with_value(table, "age", ["31"] * 1000), "'age' is string, and the model takes whole numbers"),
        (lambda table: with_value(table, "region", [[1]] * 1000), "'region' is list.*levels"),
        (lambda table: with_value(table, "id", ["x"] * 1000), "'id' is string in 'b.parquet' and int64"),
    ],
    ids=["misspelt", "two missing", "twice", "of another type", "nested", "a key of two types"],
)
def test_columns_that_do_not_fit_are_told_before_anything_is_scored(
    loaded: LoadedVersion, tmp_path: Path, change: Any, said: str
) -> None:
    write(people(1000), tmp_path / "in" / "a.parquet")
    write(change(people(1000)), tmp_path / "in" / "b.parquet")
    store = MemoryStore()
    with pytest.raises(WrongColumns, match=said):
        run(loaded, tmp_path / "in", store)
    assert store.objects == {}


def test_nothing_to_score_is_an_error(loaded: LoadedVersion, tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="there is nothing at"):
        run(loaded, tmp_path / "absent", MemoryStore())
    (tmp_path / "in").mkdir()
    with pytest.raises(NoInput, match=r"no \.parquet file"):
        run(loaded, tmp_path / "in", MemoryStore())
    write(people(0), tmp_path / "in" / "a.parquet")
    with pytest.raises(NoInput, match="hold no row"):
        run(loaded, tmp_path / "in", MemoryStore())


def test_files_of_writers_are_no_input(loaded: LoadedVersion, inputs: Path) -> None:
    write(people(10), inputs / "_temporary" / "0.parquet")
    write(people(10), inputs / ".hidden.parquet")
    assert whole(run(loaded, inputs, MemoryStore())).manifest.input_rows == ROWS


def test_an_output_of_another_run_is_left_alone(loaded: LoadedVersion, inputs: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    run(loaded, inputs, store, only=[0])
    before = dict(store.objects)
    other = write(people(10), tmp_path / "other.parquet")
    with pytest.raises(OutputTaken, match=r"whose input is .*give another --output"):
        run(loaded, other, store)
    with pytest.raises(OutputTaken, match="whose keys is 'id' and not none"):
        run(loaded, inputs, store, keys=())
    assert store.objects == before


def test_an_input_that_changed_under_a_run_is_told(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    run(loaded, inputs, store, only=[0])
    write(people(1400), inputs / "a.parquet")
    with pytest.raises(InputChanged, match=r"'a\.parquet' of .* changed since run"):
        run(loaded, inputs, store)


def test_a_store_that_fails_now_and_then_is_asked_again(loaded: LoadedVersion, inputs: Path) -> None:
    drawn = np.random.default_rng(5)

    def fails(verb: str, key: str) -> None:
        if drawn.random() < 0.05:
            raise Unavailable("cannot: the store answered SlowDown")

    store = MemoryStore(fails)
    for date in ("2026-11-01", "2026-11-02", "2026-11-03"):
        result = whole(run(loaded, inputs, _without_waiting(store), date=date))
        assert result.manifest.scored == ROWS
    store.before = lambda verb, key: None
    assert batches.predictions(result, store).column("id").to_pylist() == list(range(ROWS))


def _without_waiting(store: ObjectStore) -> ObjectStore:
    # Inside the run's own wrapper, which then has nothing left to wait for.
    return RetryingStore(store, wait=lambda seconds: None)


def test_a_store_that_stays_away_is_given_up(loaded: LoadedVersion) -> None:
    asked: list[str] = []
    waited: list[float] = []

    def fails(verb: str, key: str) -> None:
        asked.append(key)
        raise Unavailable("cannot read: no connection")

    with pytest.raises(Unavailable):
        RetryingStore(MemoryStore(fails), waited.append).read("a")
    assert (len(asked), len(waited)) == (ATTEMPTS, ATTEMPTS - 1)
    assert sum(waited) < 15


def test_several_values_and_classes_have_columns_of_their_own(tmp_path: Path) -> None:
    from support import model_files

    table = pa.table({"first": [0.0, 3.0], "second": [2.0, 1.0]})
    write(table, tmp_path / "in.parquet")
    kinds = {
        "classes": (model_files.ThreeClasses(), published.THREE_CLASSES),
        "values": (model_files.MeanAndLargest(), published.TWO_VALUES),
    }
    found = {}
    for name, (model, output) in kinds.items():
        (tmp_path / name).mkdir()
        file = model_files.torchscript(model, tmp_path / name / "model.ts.pt")
        published.publish(tmp_path / name / "registry", file, published.pair(output))
        registry = batches.Registry(batches.DirectoryStore(tmp_path / name / "registry"))
        loaded = batches.load_version(registry, batches.Version(1, 2, 3), tmp_path, device="cpu")
        store = MemoryStore()
        found[name] = batches.predictions(
            whole(run(loaded, tmp_path / "in.parquet", store, keys=())), store
        ).to_pylist()
    assert [row["prediction"] for row in found["classes"]] == ["green", "red"]
    assert set(found["classes"][0]["probabilities"]) == {"red", "green", "blue"}
    assert sum(found["classes"][0]["probabilities"].values()) == pytest.approx(1)
    assert [row["prediction"] for row in found["values"]] == [
        {"mean": 1.0, "largest": 2.0}, {"mean": 2.0, "largest": 3.0},
    ]  # fmt: skip


def test_the_output_is_plain_parquet(loaded: LoadedVersion, inputs: Path) -> None:
    store = MemoryStore()
    result = whole(run(loaded, inputs, store))
    file = pq.ParquetFile(io.BytesIO(store.read(FOLDER + result.manifest.files[0].name)))
    assert str(file.schema_arrow.field("prediction").type) == "float"
    encodings = file.metadata.row_group(0).column(1).encodings
    assert "RLE_DICTIONARY" not in encodings, "a dictionary of numbers that all differ is nothing but work"
