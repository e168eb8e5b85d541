"""Tells a request's rows that are plainly good from those at which single values have to be looked.

A large body with one wrong value would else keep the event loop for seconds: two million values, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from modelloop_core.feature_schema import Signature
from modelloop_core.inference import Float64s
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.typed_rows import Bounds, Coder, Row, row_type

# So many values are looked at in the time that a sieve takes.
_FEW = 64
_NOT_PLAIN = (msgspec.ValidationError, LookupError)


class Sieve:
    """Sifts rows of one signature, as JSON had them."""

    def __init__(self, signature: Signature, unseen: UnseenLevels = NOT_NOTED) -> None:
        names = signature.feature_names
        self._width = len(names)
        self._pick = _picker(names)
        # A type of its own around the row: what is asked for by a plain one is taken apart at each call.
        self._one = msgspec.defstruct("One", [("row", row_type(signature, whole=int))], array_like=True, gc=False)
        self._coder = Coder(signature, unseen)
        self._bounds = Bounds(signature)
        self._blank: Row = (0.0,) * self._width

    def sift(self, rows: Sequence[Any]) -> tuple[Float64s, list[int]]:
        """float64 [n, features], right but for the rows at the positions that come with it, in their order."""
        if len(rows) * self._width <= _FEW:
            return np.empty((len(rows), self._width)), list(range(len(rows)))
        cells: list[Row] = []
        odd: list[int] = []
        for position, row in enumerate(rows):
            try:
                cells += self._coder.coded([self._typed(row)])
            except _NOT_PLAIN:
                cells.append(self._blank)
                odd.append(position)
        matrix = self._bounds.matrix(cells)
        if self._bounds.hold(matrix):
            return matrix, odd
        return matrix, sorted({*odd, *np.flatnonzero(~self._bounds.fitting(matrix)).tolist()})

    def _typed(self, row: Any) -> Row:
        if type(row) is dict and len(row) == self._width:
            row = self._pick(row)
        elif type(row) is not list:
            raise LookupError
        one: Any = msgspec.convert([row], self._one)
        found: Row = one.row
        return found


def _picker(names: Sequence[str]) -> Callable[[dict[str, Any]], Row]:
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)
