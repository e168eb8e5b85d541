"""Reads the usual request of numbers straight into an array, without a Python object for each number.

As with the typed pass of `fast_rows`, which is asked next, nothing but too many rows is refused here: None means "read
it another way".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import simdjson

from modelloop_core.inference import Float64s
from modelloop_predictor.parsing import is_entity, is_request_id
from modelloop_predictor.problems import check_row_count

_ODD = (ValueError, TypeError, LookupError, AttributeError, RuntimeError)
_MOST_KEYS = 3
_KEPT_BYTES = 1 << 20
_WHOLE = range(-(2**63), 2**63)


class NumberRows(NamedTuple):
    """Rows [n, width] that are not yet held against their bounds, and the request's other parts."""

    cells: Float64s
    many: bool
    request_id: str | None
    entity: str | None


class NumberReader:
    """The reader of a signature that has `width` features, all of them numbers that cannot be null."""

    def __init__(self, width: int, entity_key: str) -> None:
        self._width = width
        self._entity_key = entity_key
        self._parser = simdjson.Parser()

    def decode(self, body: bytes) -> NumberRows | None:
        """The request's parts, or None when it has to be read another way; raises 413 for too many rows."""
        # Not what begins with a byte order mark, which this parser alone would pass over.
        if body[:1] != b"{":
            return None
        try:
            return self._decode(body)
        except _ODD:
            return None

    def _decode(self, body: bytes) -> NumberRows | None:
        # Of its own where the body is large: a parser keeps what the largest one took.
        parser = self._parser if len(body) <= _KEPT_BYTES else simdjson.Parser()
        request: Any = parser.parse(body)
        # Looking for a key takes as long as there are keys.
        if len(request) > _MOST_KEYS:
            return None
        # Not its items: they would come as Python's own lists.
        parts = {key: request[key] for key in request.keys()}  # noqa: SIM118
        many = "instances" in parts
        rows = parts.pop("instances" if many else "features")
        request_id, entity = parts.pop("request_id", None), parts.pop(self._entity_key, None)
        # What is left is unknown, or the other name of the rows; a key that came twice is missing in the count.
        if parts or len(request) != 1 + (request_id is not None) + (entity is not None):
            return None
        if not (request_id is None or is_request_id(request_id)) or not _is_plain_entity(entity):
            return None
        cells = self._cells(rows, body, many=many)
        return None if cells is None else NumberRows(cells, many, request_id, None if entity is None else str(entity))

    def _cells(self, rows: Any, body: bytes, *, many: bool) -> Float64s | None:
        """The numbers of one row, or of a list of rows, when there is no deeper list that a flat array would hide."""
        width = self._width
        if many:
            # Here, as to read too many rows in any other way takes far longer.
            check_row_count(len(rows))
        if many and body.count(b"[") != len(rows) + 1:
            return None
        if many and not all(len(row) == width for row in rows):
            return None
        if not many and body.count(b"[") != 1:
            return None
        numbers = np.frombuffer(rows.as_buffer(of_type="d"), dtype=np.float64)
        count = len(rows) if many else 1
        return numbers.reshape(count, width) if count and len(numbers) == count * width else None


def _is_plain_entity(entity: Any) -> bool:
    return is_entity(entity) and (not isinstance(entity, int) or entity in _WHOLE)
