"""Reads the usual request in one typed pass, without looking at single values; whatever is odd is left to `validation`.

The decoder knows each column's JSON type, so a request that passes it needs only its bounds checked, and these are
checked for a whole batch at a time. Nothing but too many rows is refused here: None means "read it the slow way",
which either finds the request good or names the field at fault. Both ways accept the same requests (a test holds them
together).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from modelloop_core.feature_schema import NumericFeature, Signature
from modelloop_core.inference import Float64s
from modelloop_predictor.names import may_repeat
from modelloop_predictor.number_rows import NumberReader, NumberRows
from modelloop_predictor.parsing import is_entity, is_request_id
from modelloop_predictor.problems import check_row_count
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.typed_rows import Bounds, Coder, Row, Whole, json_type, row_type

Cells = list[Row] | Float64s
"""A request's rows before they are held against their bounds: values as JSON has them, or an array of numbers."""
# In a small body few numbers are saved, and the way to them costs 2 us more.
_LEAST_NUMBERS_BYTES = 2048
_ABSENT = msgspec.UNSET
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


class Quick:
    """A request read in one pass: `cells` are its rows in the signature's order, not yet held against its bounds."""

    __slots__ = ("cells", "entity", "many", "request_id")

    def __init__(self, cells: list[Row], *, many: bool, request_id: str | None, entity: str | None) -> None:
        self.cells = cells
        self.many = many
        self.request_id = request_id
        self.entity = entity


class FastReader:
    """Decoder and bounds of one signature; bodies of `numbers_from` bytes and more may hold numbers alone.

    The names of levels that the signature has not are noted in `unseen`.
    """

    def __init__(
        self,
        signature: Signature,
        entity_key: str,
        numbers_from: int = _LEAST_NUMBERS_BYTES,
        unseen: UnseenLevels = NOT_NOTED,
    ) -> None:
        self._numbers_from = numbers_from
        self._width = len(signature.inputs)
        self._numbers = NumberReader(len(signature.inputs), entity_key) if _is_numbers(signature) else None
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_request(signature, entity_key))
        self._coder = Coder(signature, unseen)
        self._bounds = Bounds(signature)

    def decode(self, body: bytes) -> Quick | NumberRows | None:
        """The request's parts, or None when it has to be read the slow way; raises 413 for too many rows."""
        if self._numbers is not None and len(body) >= self._numbers_from:
            numbers = self._numbers.decode(body)
            # Where no row comes by name, what is no number to that reader is none to this one.
            return self._typed(body) if numbers is None and body.find(b"{", 1) >= 0 else numbers
        return self._typed(body)

    def matrix(self, parts: Sequence[Cells]) -> Float64s | None:
        """float64 [n, features] of the rows of any number of requests, or None when one of them is out of bounds."""
        rows = self._joined(parts)
        return rows if self._bounds.hold(rows) else None

    def _joined(self, parts: Sequence[Cells]) -> Float64s:
        if {*map(type, parts)} == {list}:
            return self._bounds.matrix([*chain.from_iterable(parts)])
        arrays = [part if isinstance(part, np.ndarray) else self._bounds.matrix(part) for part in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def _typed(self, body: bytes) -> Quick | None:
        try:
            request = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        many = request.features is _ABSENT
        rows = request.instances if many else [request.features]
        if not rows or not (many or request.instances is _ABSENT):
            return None
        check_row_count(len(rows))
        if self._repeats(request, rows, body):
            return None
        request_id, entity = _or_none(request.request_id), _or_none(request.entity)
        if (request_id is not None and not is_request_id(request_id)) or not is_entity(entity):
            return None
        try:
            cells = self._coder.coded([row if type(row) is tuple else msgspec.structs.astuple(row) for row in rows])
        except LookupError:
            return None
        return Quick(cells, many=many, request_id=request_id, entity=None if entity is None else str(entity))

    def _repeats(self, request: Any, rows: list[Any], body: bytes) -> bool:
        """Whether an object of the request may have a name twice: the decoder keeps the last value of each."""
        named = sum(type(row) is not tuple for row in rows)
        given = 1 + (request.request_id is not _ABSENT) + (request.entity is not _ABSENT)
        return may_repeat(body, given + named * self._width)


def _or_none(value: Any) -> Any:
    return None if value is _ABSENT else value


def _request(signature: Signature, entity_key: str) -> type:
    row: Any = row_type(signature)
    if all(map(_is_plain, signature.feature_names)):
        row = row | _named_row(signature)
    fields = [
        ("features", row | msgspec.UnsetType, _ABSENT),
        ("instances", list[row] | msgspec.UnsetType, _ABSENT),
        ("request_id", str | None | msgspec.UnsetType, _ABSENT),
    ]
    never: dict[str, Any] = {}
    if _is_plain(entity_key):
        fields.append(("entity", str | Whole | None | msgspec.UnsetType, _ABSENT))
    else:
        never = {"entity": _ABSENT}
    return msgspec.defstruct(
        "Request", fields, rename={"entity": entity_key}, namespace=never, forbid_unknown_fields=True, gc=False
    )


def _named_row(signature: Signature) -> type:
    fields = [(f"f{position}", json_type(feature)) for position, feature in enumerate(signature.inputs)]
    names = {f"f{position}": feature.name for position, feature in enumerate(signature.inputs)}
    return msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)


def _is_plain(name: str) -> bool:
    """Whether JSON can hold the name as it is; the decoder knows no key that has to be escaped."""
    return not _ESCAPED.search(name)


def _is_numbers(signature: Signature) -> bool:
    return all(isinstance(one, NumericFeature) and one.dtype != "bool" and not one.nullable for one in signature.inputs)
