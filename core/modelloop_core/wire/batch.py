"""What a batch run leaves in its output: `_PLAN.json` first, a record for each finished shard, `_MANIFEST.json` last.

```
dt=2026-11-28/version=1.2.3/   part-00000.parquet …   what was scored
                               _rejects/part-00000.parquet …   rows that the signature refuses, each with its reason
                               _seen/part-00000.parquet …   of an incremental run: keys at the newest moment
                               _shards/00000.json …   what a finished shard holds
                               _PLAN.json   _MANIFEST.json
```

Each is written once, create-if-absent: whoever comes second reads what the first one wrote. Readers of Parquet folders
pass over names that begin with an underscore.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.profiles import ColumnDelta, Digest, Name
from modelloop_core.wire.reports import ColumnReport, Level

PLAN_NAME, MANIFEST_NAME = "_PLAN.json", "_MANIFEST.json"
RECORDS, REJECTS, SEEN = "_shards/", "_rejects/", "_seen/"

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}-[0-9]{2})?$"
PREDICTION, PROBABILITIES, VERSION = "prediction", "probabilities", "version"
"""Columns of the output, behind those of the keys: what the model answered, of classes how likely each is, and by which
version."""

Rows = Annotated[int, Field(ge=0, le=2**53)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def folder_of(date: str, version: str) -> str:
    """Where the run of that date with that version writes, below its output."""
    return f"dt={date}/version={version}/"


def part_name(shard: int) -> str:
    """The file of one shard."""
    return f"part-{shard:05}.parquet"


def record_name(shard: int) -> str:
    """The record of one shard, below RECORDS."""
    return f"{shard:05}.json"


class InputFile(_Wire):
    """A Parquet file of the input as the plan saw it; `etag` changes with its content."""

    key: str
    size: Rows
    etag: str
    rows: Rows


class ShardPart(_Wire):
    """Row groups of one file, next to one another; `first_row` is the place of their first row in the file."""

    file: str
    row_groups: tuple[int, ...] = Field(min_length=1)
    first_row: Rows
    rows: Rows


class Shard(_Wire):
    """What is scored together, written as one file and never again."""

    parts: tuple[ShardPart, ...] = Field(min_length=1)

    @property
    def rows(self) -> int:
        """How many rows it reads."""
        return sum(part.rows for part in self.parts)


class Moment(_Wire):
    """A value of the column that says when an entity last changed: of type `type`, as Arrow names it."""

    type: str
    value: int | str


class SeenUntil(_Wire):
    """How far an earlier run came: the newest moment, and the objects that hold the keys scored at that moment."""

    moment: Moment
    files: tuple[str, ...] = ()


class Incremental(_Wire):
    """Only entities (by `key`) whose `column` moved on since `after`; without `after` all."""

    key: str
    column: str
    after: SeenUntil | None = None


class Plan(_Wire):
    """What a run will do, fixed before its first row: the version and, file by file, each shard."""

    schema_version: int = Field(default=1, ge=1, le=1)
    run: Name
    date: str = Field(pattern=DATE_PATTERN)
    version: str
    model: Digest
    input: str
    keys: tuple[str, ...]
    incremental: Incremental | None = None
    files: tuple[InputFile, ...] = Field(min_length=1)
    shards: tuple[Shard, ...] = Field(min_length=1, max_length=10_000)
    not_read: tuple[str, ...] = Field(default=(), description="Columns of the input that are neither feature nor key.")
    created: AwareDatetime

    @property
    def rows(self) -> int:
        """How many rows the input has."""
        return sum(shard.rows for shard in self.shards)


class OutputFile(_Wire):
    """A file that was written: its name below the run's folder."""

    name: str
    rows: Rows
    size: Rows
    sha256: Digest


class ShardProfile(_Wire):
    """What the rows of a shard held, in the bins of the version's reference with that digest."""

    reference: Digest
    features: dict[str, ColumnDelta] = Field(max_length=4096)
    outputs: dict[str, ColumnDelta] = Field(max_length=1000)


class ShardRecord(_Wire):
    """A finished shard: with this record it exists, and is not scored again.

    `read` rows are `scored`, `rejected` or, in an incremental run, `unchanged`; `reasons` counts the rejected ones.
    """

    schema_version: int = Field(default=1, ge=1, le=1)
    shard: int = Field(ge=0)
    read: Rows
    scored: Rows
    rejected: Rows
    unchanged: Rows = 0
    file: OutputFile | None = None
    rejects: OutputFile | None = None
    reasons: dict[str, Rows] = Field(default_factory=dict)
    latest: Moment | None = None
    seen: OutputFile | None = None
    profile: ShardProfile | None = None
    finished: AwareDatetime


class BatchDrift(_Wire):
    """The batch against the reference of its version, in the words of a drift report; the worst columns first."""

    verdict: Level
    message: str
    columns: tuple[ColumnReport, ...]


class RunManifest(_Wire):
    """A whole run: what is listed here is complete, and nothing else in the folder is."""

    schema_version: int = Field(default=1, ge=1, le=1)
    run: Name
    date: str
    version: str
    model: Digest
    input: str
    input_rows: Rows
    scored: Rows
    rejected: Rows
    unchanged: Rows = 0
    reasons: dict[str, Rows] = Field(default_factory=dict)
    keys: tuple[str, ...] = ()
    files: tuple[OutputFile, ...] = ()
    rejects: tuple[OutputFile, ...] = ()
    not_read: tuple[str, ...] = ()
    incremental: Incremental | None = None
    until: SeenUntil | None = None
    drift: BatchDrift | None = None
    drift_note: str = ""
    started: AwareDatetime
    finished: AwareDatetime
