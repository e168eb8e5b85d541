"""Reads the usual request in one typed pass, without looking at single values; whatever is odd is left to `validation`.

The decoder knows each column's JSON type, so a request that passes it needs only its bounds checked, and these are
checked for a whole batch at a time. Nothing is refused here: None means "read it the slow way", which either
finds the request good or names the field at fault. Both ways accept the same requests (a test holds them together).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Signature, level_text
from modelloop_core.inference import UNSEEN, Float64s
from modelloop_predictor.number_rows import NumberReader, NumberRows
from modelloop_predictor.parsing import is_entity, is_request_id
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.validation import LARGEST_FLOAT32

Row = tuple[Any, ...]
Cells = list[Row] | Float64s
"""A request's rows before they are held against their bounds: values as JSON has them, or an array of numbers."""
# In a small body few numbers are saved, and the way to them costs 2 us more.
_LEAST_NUMBERS_BYTES = 2048
_ABSENT = msgspec.UNSET
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
# The slow way has larger ones as floats, whose text differs; so they are left to it.
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Level = str | _Whole | float | bool


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
        self._numbers = NumberReader(len(signature.inputs), entity_key) if _is_numbers(signature) else None
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_request(signature, entity_key))
        self._levels = tuple(_levels(signature, unseen))
        self._bounds = _Bounds(signature)

    def decode(self, body: bytes) -> Quick | NumberRows | None:
        """The request's parts, or None when it has to be read the slow way."""
        if self._numbers is not None and len(body) >= self._numbers_from:
            return self._numbers.decode(body) or self._typed(body)
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
        features, instances = request.features, request.instances
        request_id, entity = request.request_id, request.entity
        if (request_id is not None and not is_request_id(request_id)) or not is_entity(entity):
            return None
        if instances is _ABSENT and features is not _ABSENT:
            cells, many = [features if type(features) is tuple else msgspec.structs.astuple(features)], False
        elif features is _ABSENT and instances:
            cells, many = [row if type(row) is tuple else msgspec.structs.astuple(row) for row in instances], True
        else:
            return None
        try:
            coded = [self._coded(row) for row in cells] if self._levels else cells
        except LookupError:
            return None
        return Quick(coded, many=many, request_id=request_id, entity=None if entity is None else str(entity))

    def _coded(self, row: Row) -> Row:
        cells = list(row)
        for position, code in self._levels:
            cells[position] = code(cells[position])
        return tuple(cells)


class _Bounds:
    """What each column's numbers must be, for all columns at once."""

    def __init__(self, signature: Signature) -> None:
        features = signature.inputs
        self._width = len(features)
        self._low = np.array([_low(feature) for feature in features])
        self._high = np.array([_high(feature) for feature in features])
        self._float32_alone = bool((self._low == -LARGEST_FLOAT32).all() and (self._high == LARGEST_FLOAT32).all())
        self._nulls = any(feature.nullable for feature in features)
        self._nullable = np.array([feature.nullable for feature in features])
        self._whole = np.flatnonzero([_is_whole(feature) for feature in features])

    def matrix(self, cells: Iterable[Row]) -> Float64s:
        if self._nulls:
            # None becomes NaN; the quicker way below does not know None.
            return np.array(cells, dtype=np.float64).reshape(-1, self._width)
        return np.fromiter(chain.from_iterable(cells), dtype=np.float64).reshape(-1, self._width)

    def hold(self, rows: Float64s) -> bool:
        if self._nulls:
            nulls = np.isnan(rows)
            inside = (rows >= self._low) & (rows <= self._high) | (nulls & self._nullable)
            rows = np.where(nulls, 0.0, rows) if self._whole.size else rows
            return bool(inside.all()) and self._are_whole(rows)
        if self._float32_alone:
            return bool(np.abs(rows).max() <= LARGEST_FLOAT32) and self._are_whole(rows)
        return bool(((rows >= self._low) & (rows <= self._high)).all()) and self._are_whole(rows)

    def _are_whole(self, rows: Float64s) -> bool:
        if not self._whole.size:
            return True
        values = rows[:, self._whole]
        return bool((values == np.trunc(values)).all())


def _request(signature: Signature, entity_key: str) -> type:
    row: Any = tuple.__class_getitem__(tuple(_json_type(feature) for feature in signature.inputs))
    if all(map(_is_plain, signature.feature_names)):
        row = row | _named_row(signature)
    fields = [
        ("features", row | msgspec.UnsetType, _ABSENT),
        ("instances", list[row] | msgspec.UnsetType, _ABSENT),
        ("request_id", str | None, None),
    ]
    never: dict[str, Any] = {}
    if _is_plain(entity_key):
        fields.append(("entity", str | _Whole | None, None))
    else:
        never = {"entity": None}
    return msgspec.defstruct(
        "Request", fields, rename={"entity": entity_key}, namespace=never, forbid_unknown_fields=True, gc=False
    )


def _named_row(signature: Signature) -> type:
    fields = [(f"f{position}", _json_type(feature)) for position, feature in enumerate(signature.inputs)]
    names = {f"f{position}": feature.name for position, feature in enumerate(signature.inputs)}
    return msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)


def _is_plain(name: str) -> bool:
    """Whether JSON can hold the name as it is; the decoder knows no key that has to be escaped."""
    return not _ESCAPED.search(name)


def _json_type(feature: Feature) -> Any:
    kind: Any = float
    if isinstance(feature, CategoricalFeature):
        kind = _Level
    elif feature.dtype == "bool":
        kind = bool | float
    return kind | None if feature.nullable else kind


def _levels(signature: Signature, unseen: UnseenLevels) -> Iterable[tuple[int, Callable[[Any], float]]]:
    for position, feature in enumerate(signature.inputs):
        if isinstance(feature, CategoricalFeature):
            yield position, _coder(feature, unseen.noter(feature.name))


def _coder(feature: CategoricalFeature, note: Callable[[str], None] | None) -> Callable[[Any], float]:
    codes: dict[str | None, float] = {level: float(position) for position, level in enumerate(feature.levels)}
    if feature.nullable:
        codes[None] = float("nan")
    if not feature.open:
        return lambda value: codes[value if value is None or type(value) is str else level_text(value)]
    if note is None:
        return lambda value: codes.get(value if value is None or type(value) is str else level_text(value), UNSEEN)

    def code(value: Any) -> float:
        text = value if value is None or type(value) is str else level_text(value)
        found = codes.get(text)
        if found is None:
            # Null has a code where it is allowed; where it is not, the decoder has refused it.
            note(str(text))
            return UNSEEN
        return found

    return code


def _low(feature: Feature) -> float:
    if isinstance(feature, CategoricalFeature):
        return UNSEEN
    least = 0.0 if feature.dtype == "bool" else -LARGEST_FLOAT32
    return least if feature.minimum is None else max(feature.minimum, least)


def _high(feature: Feature) -> float:
    if isinstance(feature, CategoricalFeature):
        return float(len(feature.levels))
    most = 1.0 if feature.dtype == "bool" else LARGEST_FLOAT32
    return most if feature.maximum is None else min(feature.maximum, most)


def _is_numbers(signature: Signature) -> bool:
    return all(isinstance(one, NumericFeature) and one.dtype != "bool" and not one.nullable for one in signature.inputs)


def _is_whole(feature: Feature) -> bool:
    return isinstance(feature, NumericFeature) and feature.dtype in ("int64", "bool")
