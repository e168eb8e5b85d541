"""Tensors of the protocol: their datatypes and shapes, and their data as bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelloop_core.wire.predictions import Fault, FieldError
from modelloop_predictor.parsing import shown
from modelloop_predictor.problems import INVALID, ProblemError, check_row_count

TEXT = "BYTES"
FLAG = "BOOL"
NUMBERS: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Datatypes that are numbers, as numpy has them; FP16 and BF16 are not taken."""

_LENGTH = struct.Struct("<I")

Array = npt.NDArray[Any]
Texts = Sequence[str | bytes | None]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor; `values` are flat and row-major: an array of numbers, or texts for BYTES.

    Numbers that JSON left out (`null`) are NaN, and the array is then float64 whatever the datatype.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Array | Texts

    def to_bytes(self) -> bytes:
        """The data as the binary extension and gRPC's raw contents have it."""
        if isinstance(self.values, np.ndarray):
            return self.values.tobytes()
        texts = [value if isinstance(value, bytes) else (value or "").encode() for value in self.values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


class Described(Protocol):
    """What a request says of an input tensor, before its data is read."""

    @property
    def name(self) -> str: ...

    @property
    def datatype(self) -> str: ...

    @property
    def shape(self) -> Sequence[int]: ...


def check_described(given: Described) -> None:
    """Raise 422 for a datatype or shape that no tensor of rows can have, 413 for too many rows."""
    name, datatype, shape = given.name, given.datatype, given.shape
    if datatype not in NUMBERS and datatype != TEXT:
        known = ", ".join((*NUMBERS, TEXT))
        raise refused(name, f"unknown datatype {shown(datatype)!r}; known are {known}")
    if not 1 <= len(shape) <= 2 or min(shape) < 1:
        found = shown(str(list(shape[:8])))
        raise refused(name, f"expected shape [rows] or [rows, columns] with at least 1 of each, found {found}")
    check_row_count(shape[0])


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> Tensor:
    """The tensor over little-endian `data`, which is not copied; raises 422 when it has another length."""
    count = math.prod(shape)
    if datatype == TEXT:
        return Tensor(name, datatype, tuple(shape), _texts(name, count, data))
    kind = NUMBERS[datatype]
    if len(data) != count * kind.itemsize:
        expected = f"{datatype} {list(shape)} has {count * kind.itemsize} bytes"
        raise refused(name, f"{expected}, found {len(data)}")
    if datatype == FLAG and np.frombuffer(data, np.uint8).max() > 1:
        raise refused(name, "a BOOL is a byte 0 or 1, found another", fault=Fault.OUT_OF_DOMAIN)
    return Tensor(name, datatype, tuple(shape), np.frombuffer(data, kind))


def refused(name: str, message: str, place: str = "", fault: Fault | None = None) -> ProblemError:
    """A 422 about the input tensor `name`, or about the element at `place` in it; `fault` where its data are wrong."""
    field = f"inputs.{shown(name)}{place}"
    return ProblemError(INVALID, f"{field}: {message}", [FieldError(field=field, message=message, fault=fault)])


def _texts(name: str, count: int, data: memoryview) -> list[bytes]:
    # Each element is its length in 4 bytes, then itself; checked first, so that a huge shape costs nothing.
    if count * _LENGTH.size > len(data):
        raise refused(name, f"{count} elements of BYTES have at least {count * _LENGTH.size} bytes, found {len(data)}")
    texts, start = [], 0
    for row in range(count):
        first = start + _LENGTH.size
        if first > len(data):
            raise refused(name, f"the data ends within the length of element {row}")
        start = first + _LENGTH.unpack_from(data, first - _LENGTH.size)[0]
        if start > len(data):
            raise refused(name, f"the data ends {start - len(data)} bytes before the end of element {row}")
        texts.append(bytes(data[first:start]))
    if start != len(data):
        raise refused(name, f"{len(data) - start} bytes are left after its {count} elements")
    return texts
