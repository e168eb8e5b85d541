"""Reads labels from Parquet, CSV or JSON lines, here or in a store, a bounded number at a time."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modelloop_cli.errors import Refused
from modelloop_core.storage.open import open_store
from modelloop_core.wire.feedback import Feedback

# No leading zeros: 007 is a name.
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_FLAGS = {"true": True, "false": False}
_TAKEN = ("request_id", "row", "label", "at")
_NEEDED = ("request_id", "label")


class BadLabels(Refused):
    """A file that holds no labels, or one row that holds none."""


@contextmanager
def opened(file: str) -> Iterator[Path]:
    """The file on this machine: an object in a store is copied for as long as it is needed."""
    if "://" not in file:
        path = Path(file)
        if not path.is_file():
            raise BadLabels(f"{file!r} is no file that can be read")
        yield path
        return
    uri, _, key = file.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="modelloop-labels-") as folder:
        path = Path(folder) / key
        with path.open("wb") as copy:
            for part in open_store(uri).stream(key):
                copy.write(part)
        yield path


def check_labels(path: Path) -> int:
    """How many rows there are; raises BadLabels that names the first row with no label."""
    rows = 0
    for rows, row in enumerate(_rows(path), 1):
        try:
            Feedback.model_validate_json(json.dumps(row))
        except (ValidationError, ValueError) as error:
            raise BadLabels(f"row {rows} of {path.name!r} is no label: {_said(error)}", _hint()) from error
    if not rows:
        raise BadLabels(f"{path.name!r} has no rows")
    return rows


def labels(path: Path, most: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Batches of at most `most` rows, each with how many were before it."""
    rows, start = _rows(path), 0
    while batch := list(islice(rows, most)):
        yield start, batch
        start += len(batch)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    match path.suffix.lower():
        case ".parquet" | ".pq":
            return _parquet(path)
        case ".csv":
            return _csv(path)
        case ".jsonl" | ".ndjson":
            return _json_lines(path)
        case other:
            raise BadLabels(f"{path.name!r} ends in {other!r}", "labels are read from .parquet, .csv and .jsonl")


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    # Late: most commands do not need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _check_columns(path, file.schema_arrow.names)
        for batch in file.iter_batches(columns=[name for name in file.schema_arrow.names if name in _TAKEN]):
            for row in batch.to_pylist():
                yield {name: _time(cell) for name, cell in row.items() if cell is not None or name in _NEEDED}
    except (OSError, pa.ArrowException) as error:
        raise BadLabels(f"{path.name!r} cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                cells = {name: row[name] for name in _TAKEN if row.get(name)}
                yield {**cells, **{name: _cell(cells[name]) for name in ("label", "row") if name in cells}}
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadLabels(f"{path.name!r} cannot be read as CSV: {error}") from error


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(_decoded(path, lines), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise BadLabels(f"line {number} of {path.name!r} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise BadLabels(f"line {number} of {path.name!r} is no JSON object")
                yield {name: row[name] for name in _TAKEN if name in row}


def _decoded(path: Path, lines: Iterable[str]) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise BadLabels(f"{path.name!r} is not UTF-8: {error}") from error


def _check_columns(path: Path, names: Iterable[str]) -> None:
    found = list(names)
    if missing := [name for name in _NEEDED if name not in found]:
        words = f"{path.name!r} has no column {' and no column '.join(missing)}, only {', '.join(found) or 'nothing'}"
        raise BadLabels(words, _hint())


def _cell(text: str) -> Any:
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    return float(text) if _NUMBER.fullmatch(text) else text


def _time(cell: Any) -> Any:
    """Times in ISO 8601; those without zone are of UTC, as Parquet's writers mean them."""
    if not hasattr(cell, "isoformat"):
        return cell
    return cell.isoformat() + ("" if getattr(cell, "tzinfo", None) else "Z")


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    return f"{fault['loc'][0] if fault['loc'] else 'the row'}: {fault['msg']}"


def _hint() -> str:
    return "each row has request_id and label, and where wanted row and at"
