"""The `data` of a tensor in JSON to flat values: no Python code per number unless one of them is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from modelloop_predictor.parsing import kind_of, shown
from modelloop_predictor.problems import MALFORMED, ProblemError
from modelloop_predictor.v2.tensors import FLAG, NUMBERS, TEXT, Array, Tensor, Texts, count_of, refused

_KINDS: dict[str, type] = {FLAG: bool, "FP32": float, "FP64": float, TEXT: str}
_KIND_OF = {datatype: _KINDS.get(datatype, int) for datatype in (*NUMBERS, TEXT)}
_FLAT: dict[str, Any] = {datatype: msgspec.json.Decoder(list[kind]) for datatype, kind in _KIND_OF.items()}  # type: ignore[valid-type]
_NESTED: dict[str, Any] = {
    datatype: msgspec.json.Decoder(list[list[kind]])  # type: ignore[valid-type]
    for datatype, kind in _KIND_OF.items()
}
# The second try: with null, and 3.0 for a whole number.
_SPARSE: dict[str, Any] = {
    datatype: msgspec.json.Decoder(list[(float if kind is int else kind) | None])  # type: ignore[misc]
    for datatype, kind in _KIND_OF.items()
}
# JSON has no float32, and rounding first would refuse 0.1 where the maximum is 0.1.
_ARRAYS = {**NUMBERS, "FP32": np.dtype(np.float64)}
RANGES = {
    datatype: (int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for datatype, kind in NUMBERS.items()
    if kind.kind in "iu"
}
"""Least and largest value of each datatype of whole numbers."""


def from_json(name: str, datatype: str, shape: Sequence[int], data: msgspec.Raw) -> Tensor:
    """The tensor whose data is a JSON list, flat or nested as the shape is; raises 422, naming the element."""
    count = count_of(name, datatype, shape)
    values = _quick(datatype, shape, data)
    if values is None:
        values = _sparse(datatype, data)
    if values is None or len(values) != count:
        values = _slow(name, datatype, shape, data)
    return Tensor(name, datatype, tuple(shape), values)


def _quick(datatype: str, shape: Sequence[int], data: msgspec.Raw) -> Array | Texts | None:
    nested = len(shape) == 2 and bytes(memoryview(data)[:2]) == b"[["
    try:
        values: list[Any] = (_NESTED if nested else _FLAT)[datatype].decode(data)
        if datatype == TEXT:
            return None if nested else values
        array = np.array(values, dtype=_ARRAYS[datatype])
    except (ValueError, OverflowError, RecursionError):
        return None
    if not nested:
        return array
    return array.reshape(-1) if array.shape == tuple(shape) else None


def _sparse(datatype: str, data: msgspec.Raw) -> Array | Texts | None:
    try:
        values: list[Any] = _SPARSE[datatype].decode(data)
    except (ValueError, RecursionError):
        return None
    if datatype == TEXT:
        return values
    array = np.array(values, dtype=np.float64)
    if datatype not in RANGES:
        return array
    low, high = RANGES[datatype]
    # The upper bound by the first number beyond it: the largest INT64 itself is no float64.
    fits = (array == np.floor(array)) & (array >= float(low)) & (array < float(high + 1))
    return array if bool((fits | np.isnan(array)).all()) else None


def _slow(name: str, datatype: str, shape: Sequence[int], data: msgspec.Raw) -> Array | Texts:
    """The same with every element looked at, to name the one at fault."""
    try:
        values = msgspec.json.decode(data)
    except UnicodeDecodeError:
        raise ProblemError(MALFORMED, f"inputs.{shown(name)}: the data has text that is not UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(MALFORMED, f"inputs.{shown(name)}: {error}") from None
    flat = [_element(name, datatype, place, value) for place, value in _elements(name, values, shape)]
    return flat if datatype == TEXT else np.array(flat, dtype=np.float64)


def _elements(name: str, values: Any, shape: Sequence[int], place: str = "") -> Iterator[tuple[str, Any]]:
    """Each element with its place; `shape` is what is left of the tensor's."""
    if not isinstance(values, list):
        raise refused(name, f"expected a list of {shape[0]}, found {kind_of(values)}", place)
    flat = len(shape) == 2 and not place and not any(isinstance(value, list) for value in values)
    expected = shape[0] * shape[1] if flat else shape[0]
    if len(values) != expected:
        raise refused(name, f"expected {expected} elements, found {len(values)}", place)
    for position, value in enumerate(values):
        here = f"{place}[{position}]"
        if len(shape) == 1 or flat:
            yield here, value
        else:
            yield from _elements(name, value, shape[1:], here)


def _element(name: str, datatype: str, place: str, value: Any) -> Any:
    kind = _KIND_OF[datatype]
    if value is None:
        return None if kind is str else np.nan
    if kind is int and type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise refused(name, f"expected {datatype}, found {kind_of(value)}", place)
    if kind is int:
        _check_range(name, datatype, place, value)
    return value


def _check_range(name: str, datatype: str, place: str, value: Any) -> None:
    low, high = RANGES[datatype]
    if not low <= value <= high:
        raise refused(name, f"{value} is no {datatype}"[:80], place)
