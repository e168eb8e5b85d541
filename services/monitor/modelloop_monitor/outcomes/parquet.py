"""Labels as a Parquet file: columns `request_id` and `label`, and where wanted `row` and `at`."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from modelloop_core.wire.feedback import Feedback
from modelloop_core.wire.predictions import FieldError
from modelloop_monitor.outcomes.items import Item, Model, Posted, of_feedback
from modelloop_monitor.problems import INVALID, MALFORMED, TOO_LARGE, ProblemError

MOST_ROWS = 50_000
_NEEDED = {"request_id", "label"}
_TAKEN = {*_NEEDED, "row", "at"}
_MOST_ERRORS = 20
_MOST_BYTES = 64 << 20
_MOST_VALUES = 40 * MOST_ROWS
"""Of four columns one may be an object of several numbers."""

_LONGEST_TEXT = 4096
"""In bytes; what a label or an id may have is less."""


def read_parquet(body: bytes, model: Model | None) -> Posted:
    """The labels of a whole file; raises ProblemError that names the first rows with no label."""
    columns = _columns(body)
    names = list(columns)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    items: list[Item] = []
    faults: list[FieldError] = []
    for place, row in enumerate(rows):
        try:
            items.append(of_feedback(Feedback.model_validate({name: cell for name, cell in row.items() if cell != ""})))
        except ValidationError as error:
            faults += [FieldError(field=f"{place}.{_field(fault)}", message=fault["msg"]) for fault in error.errors()]
        if len(faults) >= _MOST_ERRORS:
            break
    if faults:
        raise ProblemError(INVALID, f"row {faults[0].field}: {faults[0].message}", faults[:_MOST_ERRORS])
    return Posted(items, model)


def _columns(body: bytes) -> dict[str, list[Any]]:
    # Here, as it takes tens of megabytes that most monitors never need.
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(body))
        _check(file.schema_arrow.names, file.metadata.num_rows)
        _check_types(file.schema_arrow)
        _check_size(file.metadata)
        texts = [column.name for column in file.schema_arrow if _is_text(column.type)]
        # As dictionaries: a text that stands in each row is read, and looked at, once.
        table = parquet.ParquetFile(pyarrow.BufferReader(body), read_dictionary=texts).read()
        for name in table.column_names:
            _check_texts(name, table.column(name))
        found = {name: table.column(name).to_pylist() for name in table.column_names}
    except (pyarrow.ArrowException, OSError, OverflowError) as error:
        raise ProblemError(MALFORMED, f"the body is no Parquet file that can be read: {error}") from error
    return {name: [_plain(cell) for cell in cells] for name, cells in found.items() if name != "row" or any(cells)}


def _check(names: list[str], rows: int) -> None:
    if missing := _NEEDED - set(names):
        raise ProblemError(INVALID, f"the file has no column {' and no column '.join(sorted(missing))}")
    if strange := set(names) - _TAKEN:
        raise ProblemError(INVALID, f"the file's columns are request_id, label, row and at, not {sorted(strange)}")
    if not rows:
        raise ProblemError(INVALID, "the file has no rows")
    if rows > MOST_ROWS:
        words = f"a file may have {MOST_ROWS} rows, not {rows}"
        raise ProblemError(TOO_LARGE, f"{words}: `modelloop feedback` sends it in parts")


def _check_types(schema: Any) -> None:
    """Texts, numbers, times, and objects of numbers: of these alone the size can be told before they are read."""
    from pyarrow import types

    for column in schema:
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        parts = [part.type for part in kind] if types.is_struct(kind) else [kind]
        flat = all(types.is_primitive(part) or types.is_decimal(part) or types.is_null(part) for part in parts)
        if not (flat or _is_text(kind)):
            raise ProblemError(INVALID, f"column {column.name!r} is of the type {kind}, which no label or id has")


def _check_size(metadata: Any) -> None:
    """A file of kilobytes can be one of gigabytes: what it says of itself is held against what labels need."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    plain, values = (sum(getattr(one, what) for one in columns) for what in ("total_uncompressed_size", "num_values"))
    if plain > _MOST_BYTES or values > _MOST_VALUES:
        words = f"the file unpacks to {plain} bytes and {values} values, of at most {_MOST_BYTES} and {_MOST_VALUES}"
        raise ProblemError(TOO_LARGE, f"{words}: `modelloop feedback` sends it in parts")


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _check_texts(name: str, column: Any) -> None:
    from pyarrow import compute, types

    for chunk in column.chunks:
        texts = chunk.dictionary if types.is_dictionary(chunk.type) else chunk
        if not _is_text(texts.type):
            continue
        longest = compute.max(compute.binary_length(texts)).as_py() or 0
        if longest > _LONGEST_TEXT:
            words = f"column {name!r} has a text of {longest} bytes, and none of it may have more than {_LONGEST_TEXT}"
            raise ProblemError(INVALID, words)


def _plain(cell: Any) -> Any:
    """Times without zone are of UTC, as Parquet writers mean them."""
    if hasattr(cell, "tzinfo") and cell.tzinfo is None:
        from datetime import UTC

        return cell.replace(tzinfo=UTC)
    return cell


def _field(fault: Any) -> str:
    return str(fault["loc"][0]) if fault["loc"] else "label"
