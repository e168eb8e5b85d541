"""One shard from its row groups to its files and its record; the threads share the work batch by batch, in order."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pyarrow as pa
import pyarrow.parquet as pq

from modelloop_batch import profiles
from modelloop_batch.errors import room_in
from modelloop_batch.increments import Newest, later
from modelloop_batch.inputs import Source
from modelloop_batch.output import RunFolder
from modelloop_batch.rows import BATCH_ROWS
from modelloop_batch.scoring import Recipe, Scored, Worker
from modelloop_core.wire.batch import REJECTS, SEEN, InputFile, OutputFile, Shard, ShardRecord, part_name

Progress = Callable[[int, int], None]
"""Told of so many more rows read, and so many of them refused; may raise to stop the run."""

_COMPRESSION = "snappy"


class ShardScorer:
    """Scores shards one at a time with `threads` threads."""

    def __init__(
        self,
        source: Source,
        folder: RunFolder,
        recipe: Recipe,
        *,
        reference: str | None,
        threads: int,
        now: Callable[[], datetime],
    ) -> None:
        self._source, self._folder, self._recipe = source, folder, recipe
        self._reference, self._threads, self._now = reference, threads, now

    def score(self, number: int, shard: Shard, files: dict[str, InputFile], progress: Progress) -> ShardRecord:
        """Score a shard and write what it holds, its record last; raises NoSpace and what can stop a run."""
        with TemporaryDirectory(prefix="modelloop-batch-") as scratch, _Team(self._recipe, self._threads) as team:
            written = _Written(Path(scratch), number, self._recipe)
            with closing(written):
                for scored in team.scored(self._batches(shard, files)):
                    with room_in(Path(gettempdir())):
                        written.add(scored)
                    progress(scored.read, scored.rejected)
            # The disk of a folder that is a store may be full as well.
            with room_in(Path(gettempdir())):
                return self._folder.settle_record(self._record(written, team))

    def _batches(self, shard: Shard, files: dict[str, InputFile]) -> Iterator[tuple[pa.RecordBatch, str, int]]:
        for part in shard.parts:
            place = part.first_row
            batches = self._source.batches(files[part.file], part.row_groups, self._recipe.columns, BATCH_ROWS)
            for batch in batches:
                yield batch.select(self._recipe.columns), part.file, place
                place += batch.num_rows

    def _record(self, written: _Written, team: _Team) -> ShardRecord:
        return ShardRecord(
            shard=written.number,
            read=written.read,
            scored=written.predictions.rows,
            rejected=written.rejects.rows,
            unchanged=written.unchanged,
            file=written.predictions.stored(self._folder),
            rejects=written.rejects.stored(self._folder),
            reasons=dict(written.reasons.most_common(100)),
            latest=written.newest.moment if written.newest else None,
            seen=written.stored_keys(self._folder),
            profile=profiles.of_workers(team.workers, self._reference),
            finished=self._now(),
        )


class _Team:
    """Threads that score batches ahead, a bounded number of them, and hand over what came of them in order."""

    def __init__(self, recipe: Recipe, threads: int) -> None:
        self._recipe, self._ahead = recipe, 2 * threads
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self.workers: list[Worker] = []

    def __enter__(self) -> _Team:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def scored(self, batches: Iterator[tuple[pa.RecordBatch, str, int]]) -> Iterator[Scored]:
        """What became of each batch."""
        waiting: deque[Future[Scored]] = deque()
        for batch in batches:
            waiting.append(self._pool.submit(self._score, *batch))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _score(self, batch: pa.RecordBatch, file: str, first_row: int) -> Scored:
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = Worker(self._recipe)
            self.workers.append(worker)
        return worker.score(batch, file, first_row)


@dataclass
class _Table:
    """A Parquet file that begins with its first row: without any there is none."""

    path: Path
    name: str
    schema: pa.Schema
    rows: int = 0
    _writer: pq.ParquetWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        if self._writer is None:
            # Of texts alone: of numbers that are all different a dictionary is nothing but work.
            texts = [field.name for field in self.schema if not pa.types.is_floating(field.type)]
            self._writer = pq.ParquetWriter(
                self.path, self.schema, compression=_COMPRESSION, use_dictionary=texts, write_statistics=texts
            )
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def stored(self, folder: RunFolder) -> OutputFile | None:
        return folder.write(self.name, self.path, self.rows) if self.rows else None


@dataclass
class _Written:
    """What a shard has come to so far, on this disk."""

    scratch: Path
    number: int
    recipe: Recipe
    read: int = 0
    unchanged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    newest: Newest | None = None

    def __post_init__(self) -> None:
        name = part_name(self.number)
        self.predictions = _Table(self.scratch / "scored", name, self.recipe.predictions.schema)
        self.rejects = _Table(self.scratch / "rejects", REJECTS + name, self.recipe.rejects.schema)

    def add(self, scored: Scored) -> None:
        self.predictions.add(scored.predictions)
        if scored.rejects is not None:
            self.rejects.add(scored.rejects)
        self.read += scored.read
        self.unchanged += scored.unchanged
        self.reasons.update(scored.reasons)
        self.newest = later(self.newest, scored.newest)

    def close(self) -> None:
        with room_in(Path(gettempdir())):
            self.predictions.close()
            self.rejects.close()

    def stored_keys(self, folder: RunFolder) -> OutputFile | None:
        if self.newest is None:
            return None
        keys = pa.table({self.recipe.keys[0]: pa.chunked_array(self.newest.keys)})
        path = self.scratch / "seen"
        pq.write_table(keys, path)
        return folder.write(SEEN + part_name(self.number), path, keys.num_rows)
