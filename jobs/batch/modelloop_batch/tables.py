"""What is written: the table of predictions, and that of rows which were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modelloop_batch import arrays
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.inference import Float64s
from modelloop_core.wire.batch import PREDICTION, PROBABILITIES, VERSION

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())

FILE, ROW, COLUMN, REASON, VALUE = "file", "row", "column", "reason", "value"
"""Columns of a reject: its file, its place there (from 0), and what was wrong with which value."""

RESERVED = frozenset({PREDICTION, PROBABILITIES, VERSION, FILE, ROW, COLUMN, REASON, VALUE})
"""Names that no key may have."""

MODEL = "(model)"
"""The column of a reject that the model itself could not answer."""


class Predictions:
    """The table of predictions of one version, with the columns `keys` ahead.

    Probabilities are float32, in which models compute; values of a regression float64, so that large ones keep their
    digits.
    """

    def __init__(self, output: Output, version: str, keys: Mapping[str, pa.DataType]) -> None:
        self._output, self._version = output, version
        answered = self._answers(np.empty((0, *_shape(output))))
        columns = {**keys, **{name: column.type for name, column in answered.items()}, VERSION: _DICTIONARY}
        self.schema = pa.schema(list(columns.items()))

    def batch(self, keys: Sequence[pa.Array], answers: Float64s) -> pa.RecordBatch:
        """Answers [n] or [n, values] with their keys."""
        version = arrays.repeated(self._version, len(answers))
        return pa.RecordBatch.from_arrays([*keys, *self._answers(answers).values(), version], schema=self.schema)

    def _answers(self, answers: Float64s) -> dict[str, pa.Array]:
        match self._output:
            case BinaryOutput():
                return {PREDICTION: arrays.floats(answers, precise=False)}
            case MulticlassOutput(classes=classes):
                likeliest = answers.argmax(axis=1) if len(answers) else np.empty(0, dtype=np.int64)
                by_class = {name: arrays.floats(answers[:, place], precise=False) for place, name in enumerate(classes)}
                return {PREDICTION: arrays.chosen(likeliest, classes), PROBABILITIES: arrays.struct(by_class)}
            case RegressionOutput(names=()):
                return {PREDICTION: arrays.floats(answers, precise=True)}
            case RegressionOutput(names=names):
                values = {name: arrays.floats(answers[:, place], precise=True) for place, name in enumerate(names)}
                return {PREDICTION: arrays.struct(values)}


def _shape(output: Output) -> tuple[int, ...]:
    match output:
        case MulticlassOutput(classes=names) | RegressionOutput(names=names) if names:
            return (len(names),)
        case _:
            return ()


class Rejects:
    """The table of rows that were refused."""

    def __init__(self, keys: Mapping[str, pa.DataType]) -> None:
        ahead = {FILE: _DICTIONARY, ROW: pa.int64(), **keys}
        self.schema = pa.schema(list({**ahead, COLUMN: _DICTIONARY, REASON: _DICTIONARY, VALUE: pa.string()}.items()))

    def batch(
        self,
        file: str,
        rows: npt.NDArray[np.integer],
        keys: Sequence[pa.Array],
        faults: tuple[npt.NDArray[np.integer], Sequence[tuple[str, str]]],
        values: pa.Array,
    ) -> pa.RecordBatch:
        """Rows [n] of a file by their places; their keys, codes [n] into (column, reason) pairs and texts of values."""
        codes, pairs = faults
        columns = [
            arrays.repeated(file, len(rows)),
            arrays.integers(rows),
            *keys,
            arrays.chosen(codes, [column for column, _ in pairs]),
            arrays.chosen(codes, [reason for _, reason in pairs]),
            values,
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
