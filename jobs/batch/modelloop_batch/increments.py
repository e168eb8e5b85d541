"""Only what is new or changed since an earlier run: rows whose column moved on, and new entities at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import compute, types

from modelloop_batch import arrays
from modelloop_batch.columns import Mask
from modelloop_batch.errors import WrongColumns
from modelloop_core.wire.batch import Moment

MISSING = "missing, and it says what is new"


class Newest(NamedTuple):
    """The newest moment of some rows, and the keys of those rows that are of that moment."""

    moment: Moment
    keys: tuple[pa.Array, ...]


def check_column(name: str, arrow: pa.DataType) -> None:
    """Raise WrongColumns for a column in which nothing is later than another."""
    if not (types.is_integer(arrow) or types.is_timestamp(arrow) or types.is_date(arrow) or types.is_string(arrow)):
        raise WrongColumns(
            f"the column {name!r} is {arrow}, which cannot say what is new; name one of times, whole numbers or texts"
        )


def of_scalar(column: pa.Array) -> int | str:
    """The single value of a column of one row: times as the number that they are stored as."""
    if types.is_string(column.type):
        return str(column[0].as_py())
    return int(arrays.view(_as_number(column))[0])


def is_new(column: pa.Array, keys: pa.Array, after: Moment, seen: pa.Array) -> Mask:
    """Which rows are later than `after`, or of that moment with a key that is not among `seen`; nulls are new."""
    if types.is_string(column.type):
        values = np.array(column.to_pylist(), dtype=object)
        values[arrays.nulls(column)] = ""
    else:
        values = arrays.view(_as_number(column))
    moment = after.value
    known = arrays.bits(compute.is_in(keys, value_set=seen.cast(keys.type)))
    found: Mask = (values > moment) | ((values == moment) & ~known) | arrays.nulls(column)
    return found.astype(np.bool_)


def newest(column: pa.Array, keys: pa.Array) -> Newest | None:
    """The newest moment of a column, whose nulls are passed over."""
    present = column if not column.null_count else column.drop_null()
    if not len(present):
        return None
    latest = compute.max(present)
    place = compute.index(column, latest).as_py()
    moment = Moment(type=str(column.type), value=of_scalar(column.slice(place, 1)))
    return Newest(moment, (keys.filter(compute.equal(column, latest)),))


def later(ours: Newest | None, theirs: Newest | None) -> Newest | None:
    """Of two the later one; of two of one moment both together."""
    if ours is None or theirs is None:
        return ours or theirs
    # Of one column, so either both are texts or neither is.
    if ours.moment.value == theirs.moment.value:
        return Newest(ours.moment, (*ours.keys, *theirs.keys))
    return ours if ours.moment.value > theirs.moment.value else theirs  # type: ignore[operator]


def latest_of(moments: Sequence[Moment]) -> Moment | None:
    """The latest moment of one column."""
    return max(moments, key=lambda moment: moment.value, default=None)


def _as_number(column: pa.Array) -> pa.Array:
    """int64 of times, dates and whole numbers, in the unit in which they are stored."""
    if types.is_date32(column.type):
        column = column.cast(pa.int32())
    return column.cast(pa.int64())
