"""Record batches as rows of the signature: one buffer for all, and of each row whether the signature takes it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from modelloop_batch import arrays
from modelloop_batch.columns import Mask, Refused, bounds_of, is_whole, reader_of, refused_in
from modelloop_core.drift.levels import FrequentNames
from modelloop_core.feature_schema import CategoricalFeature, NumericFeature, Signature, level_text
from modelloop_core.inference import UNSEEN, Float64s
from modelloop_core.wire.limits import MOST_UNSEEN

BATCH_ROWS = 8192
"""So many rows of twenty features fit into a core's second cache, and cost each row little of what a batch costs."""

_MOST_NAMES = 100
_LONGEST_NAME = 64

TAKEN = -1


class Rows(NamedTuple):
    """Parsed rows float64 [n, features], good until the next `read`; `verdicts` [n] are TAKEN or places in `faults`."""

    values: Float64s
    verdicts: npt.NDArray[np.int32] | None
    faults: tuple[tuple[str, str], ...]

    @property
    def taken(self) -> Mask | None:
        """Which rows the signature takes; None for all."""
        return None if self.verdicts is None else self.verdicts == TAKEN


class RowReader:
    """Reads batches of one signature; belongs to one thread. Names of unseen levels gather in `unseen`."""

    def __init__(self, signature: Signature) -> None:
        self._features = signature.inputs
        self._readers = tuple(reader_of(feature) for feature in signature.inputs)
        bounds = [bounds_of(feature) for feature in signature.inputs]
        self._low = np.array([low for low, _ in bounds])
        self._high = np.array([high for _, high in bounds])
        # Feature by feature, as Arrow has it and as counting wants it: no pass over memory turns it around.
        self._buffer = np.empty((len(signature.inputs), BATCH_ROWS))
        self.unseen: dict[str, FrequentNames] = {}

    def read(self, batch: pa.RecordBatch) -> Rows:
        """The rows of at most BATCH_ROWS rows of the signature's columns, in its order and ahead of any others."""
        values = self._buffer[:, : batch.num_rows]
        for place, reader in enumerate(self._readers):
            values[place] = reader(batch.column(place))
        faults: list[tuple[str, str]] = []
        verdicts: npt.NDArray[np.int32] | None = None
        for place in self._suspects(values, batch):
            for refused in refused_in(self._features[place], values[place]):
                verdicts = _marked(verdicts, refused, len(faults))
                faults.append((self._features[place].name, refused.reason))
        self._note_unseen(values, batch)
        return Rows(values.T, verdicts, tuple(faults))

    def _suspects(self, values: Float64s, batch: pa.RecordBatch) -> list[int]:
        """Features some of whose numbers may be refused; a NaN makes both ends NaN, for which no comparison holds."""
        if not batch.num_rows:
            return []
        fine = (values.min(axis=1) >= self._low) & (values.max(axis=1) <= self._high)
        return [
            place
            for place, feature in enumerate(self._features)
            if not fine[place] or (_wants_whole(feature) and not is_whole(batch.schema.field(place).type))
        ]

    def _note_unseen(self, values: Float64s, batch: pa.RecordBatch) -> None:
        for place, feature in enumerate(self._features):
            if isinstance(feature, CategoricalFeature) and feature.open:
                others = values[place] == UNSEEN
                if others.any():
                    names = self.unseen.setdefault(feature.name, FrequentNames(MOST_UNSEEN))
                    _count_names(names, batch.column(place).filter(arrays.mask(others)))


def _wants_whole(feature: object) -> bool:
    return isinstance(feature, NumericFeature) and feature.dtype in ("int64", "bool")


def _marked(verdicts: npt.NDArray[np.int32] | None, refused: Refused, fault: int) -> npt.NDArray[np.int32]:
    """The verdicts with one fault more; of several in a row the first one stays."""
    if verdicts is None:
        verdicts = np.full(len(refused.rows), TAKEN, dtype=np.int32)
    verdicts[refused.rows & (verdicts == TAKEN)] = fault
    return verdicts


def _count_names(names: FrequentNames, column: pa.Array) -> None:
    """Count the most frequent of these values by name: of very many different ones the rest says nothing."""
    counted = pa.RecordBatch.from_struct_array(compute.value_counts(column))
    if counted.num_rows > _MOST_NAMES:
        counted = counted.take(compute.select_k_unstable(counted, _MOST_NAMES, [("counts", "descending")]))
    for pair in counted.to_pylist():
        # As any database takes it: one NUL in it would have the whole post refused.
        names.add(level_text(pair["values"])[:_LONGEST_NAME].replace("\0", "\ufffd"), pair["counts"])
