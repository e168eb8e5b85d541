"""Between numpy and Arrow without a copy, and without pandas, which Arrow's own ways load where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_DTYPES: dict[pa.DataType, np.dtype[Any]] = {
    pa.float32(): np.dtype(np.float32),
    pa.float64(): np.dtype(np.float64),
    pa.int32(): np.dtype(np.int32),
    pa.int64(): np.dtype(np.int64),
}


def floats(values: npt.NDArray[np.floating], precise: bool) -> pa.Array:
    """Arrow's float64 (else float32) of values [n]."""
    wanted = np.ascontiguousarray(values, dtype=np.float64 if precise else np.float32)
    return _over(pa.float64() if precise else pa.float32(), wanted)


def view(column: pa.Array) -> npt.NDArray[Any]:
    """The memory of a column of numbers [n]; what stands where it is null means nothing."""
    dtype = _DTYPES[column.type]
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column), dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype, count=len(column), offset=column.offset * dtype.itemsize)


def bits(column: pa.Array) -> npt.NDArray[np.bool_]:
    """A column of true and false [n], none of them null."""
    packed = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return np.unpackbits(packed, count=column.offset + len(column), bitorder="little")[column.offset :].view(np.bool_)


def nulls(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows [n] of a column are null."""
    return bits(column.is_null())


def integers(values: npt.NDArray[np.integer]) -> pa.Array:
    """Arrow's int64 of values [n]."""
    return _over(pa.int64(), np.ascontiguousarray(values, dtype=np.int64))


def mask(values: npt.NDArray[np.bool_]) -> pa.Array:
    """Arrow's bool of values [n]."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def chosen(codes: npt.NDArray[np.integer], texts: Sequence[str]) -> pa.Array:
    """For each code [n] its text; each text is kept once."""
    places = _over(pa.int32(), np.ascontiguousarray(codes, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(places, strings(texts))


def strings(texts: Sequence[str]) -> pa.Array:
    """A column of texts."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def repeated(text: str, rows: int) -> pa.Array:
    """The text in every row."""
    return chosen(np.zeros(rows, dtype=np.int32), [text])


def struct(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Columns of one length, by name, as one."""
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def _over(arrow: pa.DataType, values: npt.NDArray[np.generic]) -> pa.Array:
    return pa.Array.from_buffers(arrow, len(values), [None, pa.py_buffer(values)])
