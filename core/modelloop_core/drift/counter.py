"""Counts live rows into the bins of a reference, a block at a time: alone, a row would cost twenty times as much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from modelloop_core.drift.bins import Float64s, Floats, LevelBins, NumericBins
from modelloop_core.drift.block_counts import Block, LevelBlock, NumericBlock
from modelloop_core.drift.profile import ColumnProfile, Profile
from modelloop_core.drift.reference import ColumnReference, Reference, output_names, output_values
from modelloop_core.feature_schema import Signature

BLOCK_ROWS = 1024
"""So many values of a column are sorted in the first cache; more rows are counted in parts."""


class ReferenceMisfit(ValueError):
    """The reference has not the columns of the signature; the message names them."""


class ProfileCounter:
    """The profile of all rows since the last `take`; belongs to one thread. Raises ReferenceMisfit when made."""

    def __init__(self, signature: Signature, reference: Reference) -> None:
        _check("features", signature.feature_names, tuple(reference.features))
        _check("outputs", output_names(signature.output), tuple(reference.outputs))
        self._output = signature.output
        self._features = _Table(reference.features)
        self._outputs = _Table(reference.outputs)

    def count(self, rows: Float64s, answers: Float64s) -> None:
        """Count rows [n, features] (levels as codes, null NaN) and their answers [n] or [n, values]."""
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            self._features.count(rows[block])
            values = [column for _, column in output_values(self._output, answers[block])]
            self._outputs.count(np.stack(values, axis=1))

    def take(self) -> Profile:
        """What was counted since the last time."""
        return Profile(self._features.take(), self._outputs.take())

    @property
    def nbytes(self) -> int:
        """How much memory the counts take, with what counting them needs."""
        return self._features.nbytes + self._outputs.nbytes


def count_columns(columns: Mapping[str, ColumnReference], values: Mapping[str, Floats]) -> dict[str, ColumnProfile]:
    """Count whole columns [n], all of one length and by the names of `columns`; in blocks, as that is twice as fast."""
    table = _Table(columns)
    held = [values[name] for name in columns]
    for start in range(0, len(held[0]) if held else 0, BLOCK_ROWS):
        table.count_columns([column[start : start + BLOCK_ROWS] for column in held])
    return table.take()


class _Table:
    """Columns that are counted together, in groups that numpy takes whole."""

    def __init__(self, columns: Mapping[str, ColumnReference]) -> None:
        self._names = tuple(columns)
        self._groups = tuple(_groups(list(columns.values())))

    def count(self, rows: Float64s) -> None:
        for places, group in self._groups:
            group.count(rows.T[places])

    def count_columns(self, columns: Sequence[Floats]) -> None:
        for places, group in self._groups:
            group.count(np.stack([columns[place] for place in places]))

    def take(self) -> dict[str, ColumnProfile]:
        taken = {
            self._names[place]: profile
            for places, group in self._groups
            for place, profile in zip(places, group.take(), strict=True)
        }
        return {name: taken[name] for name in self._names}

    @property
    def nbytes(self) -> int:
        return sum(group.nbytes for _, group in self._groups)


def _groups(columns: Sequence[ColumnReference]) -> Iterator[tuple[list[int], Block]]:
    numeric: dict[type[np.floating], dict[int, NumericBins]] = {np.float32: {}, np.float64: {}}
    levels: dict[int, LevelBins] = {}
    for place, column in enumerate(columns):
        if isinstance(column.bins, LevelBins):
            levels[place] = column.bins
        else:
            numeric[np.float32 if column.dtype == "float32" else np.float64][place] = column.bins
    for dtype, bins in numeric.items():
        if bins:
            yield list(bins), NumericBlock(list(bins.values()), dtype)
    if levels:
        yield list(levels), LevelBlock(list(levels.values()))


def _check(what: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    if tuple(wanted) != tuple(found):
        strange = sorted(set(wanted) ^ set(found)) or wanted
        raise ReferenceMisfit(f"the reference's {what} are not the signature's: {', '.join(strange[:5])}")
