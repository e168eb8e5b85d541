"""Small batch runs: a published version, a table of people in Parquet, and what came out of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelloop_batch.asked import Asked
from modelloop_batch.assembly import Places, score
from modelloop_batch.inputs import open_source
from modelloop_batch.model import LoadedVersion, load_version
from modelloop_batch.output import Output
from modelloop_batch.run import Result, Run, Told
from modelloop_core.drift.reference import Reference
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import ObjectStore
from modelloop_core.versions import Version
from support import published

DATE = "2026-11-28"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
FOLDER = f"dt={DATE}/version=1.2.3/"


def people(rows: int, *, seed: int = 7, first: int = 0) -> pa.Table:
    """So many rows that PEOPLE takes, each with an `id`, and a column that nobody asks for."""
    drawn = np.random.default_rng(seed)
    income = drawn.lognormal(8, 1, rows)
    return pa.table(
        {
            "id": np.arange(first, first + rows),
            "age": drawn.integers(18, 90, rows),
            "income": pa.array(income, mask=drawn.random(rows) < 0.1),
            "member": drawn.integers(0, 2, rows).astype(bool),
            "region": np.array(["north", "south", "3"])[drawn.integers(0, 3, rows)],
            "device": np.array(["phone", "desktop", "watch"])[drawn.integers(0, 3, rows)],
            "comment": pa.array(["-"] * rows),
        }
    )


def write(table: pa.Table, path: Path, group: int = 1000) -> Path:
    """The table as a Parquet file with row groups of that size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return path


def with_value(table: pa.Table, column: str, values: Sequence[Any] | pa.Array) -> pa.Table:
    """The table with another column in the place of one."""
    return table.set_column(table.column_names.index(column), column, pa.array(values))


def version(folder: Path, *, reference: Reference | None = None) -> LoadedVersion:
    """Version 1.2.3 over PEOPLE, published below `folder` and loaded."""
    published.publish_people(folder / "registry", folder, reference=reference)
    return load_version(Registry(DirectoryStore(folder / "registry")), Version(1, 2, 3), folder / "cache", device="cpu")


def run(
    loaded: LoadedVersion,
    inputs: Path,
    store: ObjectStore,
    *,
    told: Told | None = None,
    now: Callable[[], datetime] = lambda: NOON,
    only: Sequence[int] | None = None,
    **asked: Any,
) -> Result | None:
    """One run into `store`; keys are `id`, and every shard is of a single row group, unless `asked` says otherwise."""
    said = {"date": DATE, "keys": ("id",), "shards": 10_000, **asked}
    output = Output("memory", store)
    return Run(Asked(**said), open_source(str(inputs), open_store), output, loaded, now=now, told=told).score(only)


def rows_of(store: ObjectStore, names: Sequence[str], folder: str = FOLDER) -> pa.Table:
    """The rows of files of a run's folder, in the order of the files."""
    tables = [pq.read_table(io.BytesIO(store.read(folder + name))) for name in names]
    return pa.concat_tables(tables).unify_dictionaries() if tables else pa.table({})


def predictions(result: Result, store: ObjectStore) -> pa.Table:
    """All rows that a run scored."""
    folder = f"dt={result.plan.date}/version={result.plan.version}/"
    return rows_of(store, [file.name for file in result.manifest.files], folder)


__all__ = ["Asked", "Places", "score"]
