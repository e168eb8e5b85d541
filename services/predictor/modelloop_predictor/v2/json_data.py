"""The `data` of a tensor in JSON to flat values: no Python code per number unless one near it is odd."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from modelloop_core.wire.predictions import Fault
from modelloop_predictor.parsing import kind_of, shown
from modelloop_predictor.problems import MALFORMED, ProblemError
from modelloop_predictor.v2.tensors import FLAG, NUMBERS, TEXT, Array, Tensor, Texts, refused

_KINDS: dict[str, type] = {FLAG: bool, "FP32": float, "FP64": float, TEXT: str}
_KIND_OF = {datatype: _KINDS.get(datatype, int) for datatype in (*NUMBERS, TEXT)}
_FLAT: dict[str, Any] = {datatype: msgspec.json.Decoder(list[kind]) for datatype, kind in _KIND_OF.items()}  # type: ignore[valid-type]
_NESTED: dict[str, Any] = {
    datatype: msgspec.json.Decoder(list[list[kind]])  # type: ignore[valid-type]
    for datatype, kind in _KIND_OF.items()
}
# The second try, by runs of values: with null, and 3.0 for a whole number. Each is a type of its own, because a plain
# list's is taken apart at each call.
_RUNS: dict[str, type] = {
    datatype: msgspec.defstruct(
        "Run",
        [("values", list[(float if kind is int else kind) | None])],  # type: ignore[misc]
        array_like=True,
        gc=False,
    )
    for datatype, kind in _KIND_OF.items()
}
_RUN = 1024
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
    values = _quick(datatype, shape, data)
    if values is None or len(values) != math.prod(shape):
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


def _slow(name: str, datatype: str, shape: Sequence[int], data: msgspec.Raw) -> Array | Texts:
    """The same with an eye on what is odd, to name the element at fault."""
    try:
        values = msgspec.json.decode(data)
    except UnicodeDecodeError:
        raise ProblemError(MALFORMED, f"inputs.{shown(name)}: the data has text that is not UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(MALFORMED, f"inputs.{shown(name)}: {error}") from None
    flat: list[Any] = []
    for run in _runs(name, values, shape):
        flat += run.values if _is_plain(run.values, datatype) else _elements(name, datatype, run)
    return flat if datatype == TEXT else np.array(flat, dtype=np.float64)


class _Run(NamedTuple):
    """Values that lie in one list of the request: its place, and the position in it of the first one."""

    place: str
    start: int
    values: list[Any]


def _runs(name: str, values: Any, shape: Sequence[int]) -> Iterator[_Run]:
    """The data in runs, as long as a row where it is nested."""
    if not isinstance(values, list):
        raise refused(name, f"expected a list of {shape[0]}, found {kind_of(values)}", fault=Fault.WRONG_SHAPE)
    nested = len(shape) == 2 and list in set(map(type, values))
    _check_length(name, values, shape[0] if nested else math.prod(shape))
    if nested:
        for position, row in enumerate(values):
            if not isinstance(row, list):
                words = f"expected a list of {shape[1]}, found {kind_of(row)}"
                raise refused(name, words, f"[{position}]", Fault.WRONG_SHAPE)
            _check_length(name, row, shape[1], f"[{position}]")
            yield _Run(f"[{position}]", 0, row)
    else:
        for start in range(0, len(values), _RUN):
            yield _Run("", start, values[start : start + _RUN])


def _check_length(name: str, values: list[Any], expected: int, place: str = "") -> None:
    if len(values) != expected:
        raise refused(name, f"expected {expected} elements, found {len(values)}", place, Fault.WRONG_SHAPE)


def _is_plain(values: list[Any], datatype: str) -> bool:
    """Whether each value is of the datatype, or null; for some that are at the edge of their range it says no."""
    try:
        msgspec.convert([values], _RUNS[datatype])
    except msgspec.ValidationError:
        return False
    if datatype not in RANGES:
        return True
    low, high = RANGES[datatype]
    array = np.array(values, dtype=np.float64)
    # The upper bound by the first number beyond it: the largest INT64 itself is no float64.
    fits = (array == np.floor(array)) & (array >= float(low)) & (array < float(high + 1))
    return bool((fits | np.isnan(array)).all())


def _elements(name: str, datatype: str, run: _Run) -> list[Any]:
    """The values of a run with every one looked at."""
    found = []
    for position, value in enumerate(run.values, run.start):
        fault = _fault(datatype, value)
        if fault is not None:
            raise refused(name, fault, f"{run.place}[{position}]", Fault.WRONG_TYPE)
        found.append(value)
    return found


def _fault(datatype: str, value: Any) -> str | None:
    kind = _KIND_OF[datatype]
    if value is None:
        return None
    whole = int(value) if kind is int and type(value) is float and value.is_integer() else value
    if type(whole) is not kind and not (kind is float and type(whole) is int):
        return f"expected {datatype}, found {kind_of(value)}"
    return _misfit(datatype, whole) if kind is int else None


def _misfit(datatype: str, value: Any) -> str | None:
    low, high = RANGES[datatype]
    return None if low <= value <= high else f"{value} is no {datatype}"[:80]
