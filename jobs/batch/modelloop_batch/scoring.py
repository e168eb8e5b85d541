"""One record batch after another to what becomes of its rows: scored, refused or unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modelloop_batch import arrays, increments
from modelloop_batch.answering import answer
from modelloop_batch.columns import Mask
from modelloop_batch.increments import Newest
from modelloop_batch.rows import TAKEN, RowReader, Rows
from modelloop_batch.tables import MODEL, Predictions, Rejects
from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.reference import Reference
from modelloop_core.feature_schema import Signature
from modelloop_core.inference import Float64s, Scorer
from modelloop_core.wire.batch import Moment


@dataclass(frozen=True)
class Since:
    """What an incremental run compares with: the column that says what is new, where an earlier run came to, which keys
    it had at that moment."""

    column: str
    after: Moment | None = None
    seen: pa.Array | None = None


@dataclass(frozen=True)
class Recipe:
    """How every row of a run is scored; shared by all threads."""

    signature: Signature
    scorer: Scorer
    reference: Reference | None
    predictions: Predictions
    rejects: Rejects
    keys: tuple[str, ...]
    since: Since | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read: features first, in the order of the signature."""
        more = (self.since.column,) if self.since else ()
        return tuple(dict.fromkeys((*self.signature.feature_names, *self.keys, *more)))


@dataclass(frozen=True)
class Scored:
    """What became of one batch."""

    read: int
    predictions: pa.RecordBatch
    rejects: pa.RecordBatch | None
    reasons: Mapping[str, int] = field(default_factory=dict)
    unchanged: int = 0
    newest: Newest | None = None

    @property
    def rejected(self) -> int:
        """How many rows were refused."""
        return self.rejects.num_rows if self.rejects is not None else 0


class Worker:
    """Scores batches by one recipe; belongs to one thread, with buffers and counters of its own."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.reader = RowReader(recipe.signature)
        self.counter = ProfileCounter(recipe.signature, recipe.reference) if recipe.reference else None

    def score(self, batch: pa.RecordBatch, file: str, first_row: int) -> Scored:
        """Score rows of a file whose first one has that place; raises OutOfMemory."""
        read, places = batch.num_rows, np.arange(first_row, first_row + batch.num_rows)
        latest = self._newest(batch)
        if (new := self._new(batch)) is not None:
            batch, places = batch.filter(arrays.mask(new)), places[new]
        rows = self.reader.read(batch)
        fates = self._fates(batch, rows)
        kept = fates.codes == TAKEN if fates.any else None
        answers, failed = answer(self._recipe.scorer, rows.values if kept is None else rows.values[kept])
        if failed:
            fates = fates.with_failed(failed)
            answers = np.delete(answers, list(failed), axis=0)
            kept = fates.codes == TAKEN
        self._count(rows, kept, answers)
        return Scored(
            read=read,
            predictions=self._recipe.predictions.batch(self._keys(batch, kept), answers),
            rejects=self._rejects(batch, file, places, fates) if fates.any else None,
            reasons=fates.reasons,
            unchanged=read - batch.num_rows,
            newest=latest,
        )

    def _newest(self, batch: pa.RecordBatch) -> Newest | None:
        since = self._recipe.since
        if since is None or not batch.num_rows:
            return None
        return increments.newest(batch.column(since.column), batch.column(self._recipe.keys[0]))

    def _new(self, batch: pa.RecordBatch) -> Mask | None:
        since = self._recipe.since
        if since is None or since.after is None or since.seen is None:
            return None
        keys = batch.column(self._recipe.keys[0])
        return increments.is_new(batch.column(since.column), keys, since.after, since.seen)

    def _fates(self, batch: pa.RecordBatch, rows: Rows) -> Fates:
        fates = Fates(batch.num_rows, rows.verdicts, list(rows.faults))
        since = self._recipe.since
        if since is not None and batch.column(since.column).null_count:
            fates = fates.with_fault(arrays.nulls(batch.column(since.column)), since.column, increments.MISSING)
        return fates

    def _keys(self, batch: pa.RecordBatch, kept: Mask | None) -> Sequence[pa.Array]:
        columns = [batch.column(name) for name in self._recipe.keys]
        return columns if kept is None else [column.filter(arrays.mask(kept)) for column in columns]

    def _count(self, rows: Rows, kept: Mask | None, answers: Float64s) -> None:
        if self.counter is not None and len(answers):
            self.counter.count(rows.values if kept is None else rows.values[kept], answers)

    def _rejects(self, batch: pa.RecordBatch, file: str, places: npt.NDArray[np.int64], fates: Fates) -> pa.RecordBatch:
        refused = fates.codes != TAKEN
        values = _texts_of(batch, fates)
        keys = self._keys(batch, refused)
        return self._recipe.rejects.batch(file, places[refused], keys, (fates.codes[refused], fates.faults), values)


class Fates:
    """What becomes of each row: TAKEN, or the place of what was wrong among `faults` (column, reason)."""

    def __init__(self, rows: int, codes: npt.NDArray[np.int32] | None, faults: list[tuple[str, str]]) -> None:
        self.any = codes is not None
        self.codes = np.full(rows, TAKEN, dtype=np.int32) if codes is None else codes
        self.faults = faults

    def with_fault(self, rows: Mask, column: str, reason: str) -> Fates:
        """The same, with one thing more that was wrong in these rows; of several in a row the first one stays."""
        codes = np.where(rows & (self.codes == TAKEN), np.int32(len(self.faults)), self.codes)
        return Fates(len(codes), codes, [*self.faults, (column, reason)])

    def with_failed(self, failed: Mapping[int, str]) -> Fates:
        """The same, where the model had no answer for some of those that were taken, by their places among these."""
        taken = np.flatnonzero(self.codes == TAKEN)
        fates = self
        for place, reason in failed.items():
            mask = np.zeros(len(self.codes), dtype=np.bool_)
            mask[taken[place]] = True
            fates = fates.with_fault(mask, MODEL, reason)
        return fates

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows there are for each thing that was wrong."""
        counted = np.bincount(self.codes[self.codes != TAKEN], minlength=len(self.faults))
        found: Counter[str] = Counter()
        for (column, reason), count in zip(self.faults, counted, strict=False):
            found[f"{column}: {reason}"] += int(count)
        return {reason: count for reason, count in found.items() if count}


def _texts_of(batch: pa.RecordBatch, fates: Fates) -> pa.Array:
    """The value that was wrong in each refused row, as text; null where the model failed."""
    texts = np.full(len(fates.codes), None, dtype=object)
    for code, (column, _) in enumerate(fates.faults):
        mine = fates.codes == code
        if column != MODEL and mine.any():
            texts[mine] = [None if value is None else str(value)[:200] for value in _values(batch, column, mine)]
    return pa.array(texts[fates.codes != TAKEN].tolist(), pa.string())


def _values(batch: pa.RecordBatch, column: str, rows: Mask) -> list[object]:
    values: list[object] = batch.column(column).filter(arrays.mask(rows)).to_pylist()
    return values
