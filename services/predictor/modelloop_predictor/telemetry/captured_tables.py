"""From spooled lines to Parquet: one table of predictions and one of features for each hour."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from modelloop_core.captures import AT, ENTITY, FEATURES, PREDICTION, REQUEST_ID, ROW, VALUES, VERSION, Kind
from modelloop_core.feature_schema import CategoricalFeature, Feature, MulticlassOutput, Output, output_columns

UNSEEN_LEVEL = "(unseen)"
"""A level that the version has not, whatever its name was."""

_Line = Mapping[str, Any]
_COMMON = [
    (REQUEST_ID, pa.string()),
    (ROW, pa.int32()),
    (ENTITY, pa.string()),
    (AT, pa.timestamp("us", tz="UTC")),
    (VERSION, pa.string()),
]


class About(BaseModel):
    """What a spool's lines are: the registry they belong to, the name of its files, and the columns of its rows."""

    model_config = ConfigDict(extra="forbid")

    registry_uri: str
    registry_endpoint: str | None = None
    registry_region: str | None = None
    registry_ca_file: str | None = None
    name: str
    version: str
    output: Output
    features: tuple[Feature, ...]


def read_lines(data: bytes) -> list[_Line]:
    """The requests of a spool's file; the last is left out where it was cut off."""
    whole = data[: data.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


def by_hour(lines: Iterable[_Line]) -> dict[datetime, list[_Line]]:
    """Requests by the hour in which they were answered."""
    hours: dict[datetime, list[_Line]] = defaultdict(list)
    for line in lines:
        moment = datetime.fromtimestamp(line["at"], UTC)
        hours[moment.replace(minute=0, second=0, microsecond=0)].append(line)
    return hours


def to_parquet(kind: Kind, about: About, lines: Sequence[_Line]) -> bytes | None:
    """The file of one kind; None where none of the requests was chosen for it."""
    part = "answers" if kind is Kind.PREDICTIONS else "rows"
    chosen = [line for line in lines if line[part] is not None]
    if not chosen:
        return None
    given = [cells for line in chosen for cells in line[part]]
    columns = _common(chosen, part, about)
    fields = list(_COMMON)
    for name, kind_of_column, values in _answers(about.output, given) if part == "answers" else _rows(about, given):
        fields.append((name, kind_of_column))
        columns[name] = values
    table = pa.table(columns, schema=pa.schema(fields))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _common(lines: Sequence[_Line], part: str, about: About) -> dict[str, Any]:
    each = [(line, row) for line in lines for row in range(len(line[part]))]
    return {
        REQUEST_ID: [line["id"] for line, _ in each],
        ROW: [row for _, row in each],
        ENTITY: [line["entity"] for line, _ in each],
        AT: [datetime.fromtimestamp(line["at"], UTC) for line, _ in each],
        VERSION: [about.version] * len(each),
    }


def _answers(output: Output, given: Sequence[Any]) -> Iterable[tuple[str, pa.DataType, list[Any]]]:
    if isinstance(output, MulticlassOutput):
        yield PREDICTION, pa.string(), [output.classes[values.index(max(values))] for values in given]
    else:
        yield PREDICTION, pa.float64(), [None if isinstance(values, list) else values for values in given]
    if columns := output_columns(output):
        kind = pa.struct([(name, pa.float64()) for name in columns])
        yield VALUES, kind, [dict(zip(columns, values, strict=True)) for values in given]


def _rows(about: About, given: Sequence[Sequence[float | None]]) -> Iterable[tuple[str, pa.DataType, list[Any]]]:
    kind = pa.struct([(feature.name, _type(feature)) for feature in about.features])
    readers = [(feature.name, _reader(feature)) for feature in about.features]
    yield (
        FEATURES,
        kind,
        [
            {name: None if cell is None else read(cell) for (name, read), cell in zip(readers, cells, strict=True)}
            for cells in given
        ],
    )


def _type(feature: Feature) -> pa.DataType:
    if isinstance(feature, CategoricalFeature):
        return pa.string()
    return {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}[feature.dtype]


def _reader(feature: Feature) -> Callable[[float], Any]:
    if isinstance(feature, CategoricalFeature):
        levels = feature.levels
        return lambda code: levels[int(code)] if code >= 0 else UNSEEN_LEVEL
    readers: dict[str, Callable[[float], Any]] = {"int64": int, "bool": bool}
    return readers.get(feature.dtype, float)
