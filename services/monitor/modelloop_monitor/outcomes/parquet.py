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
        table = file.read()
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


def _plain(cell: Any) -> Any:
    """Times without zone are of UTC, as Parquet writers mean them."""
    if hasattr(cell, "tzinfo") and cell.tzinfo is None:
        from datetime import UTC

        return cell.replace(tzinfo=UTC)
    return cell


def _field(fault: Any) -> str:
    return str(fault["loc"][0]) if fault["loc"] else "label"
