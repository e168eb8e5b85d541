"""The newest requests that the live version was asked, with what it answered, from the registry's captures."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelloop_core.agreement import Answer
from modelloop_core.captures import AT, FEATURES, PREDICTION, REQUEST_ID, ROOT, ROW, VALUES, VERSION, Kind
from modelloop_core.feature_schema import Output, RegressionOutput
from modelloop_core.storage.port import NotFound, ObjectStore
from modelloop_predictor.logs import event

MOST_FILES = 200
"""So many files of features are looked at: the newest, of a few minutes of one predictor each."""


@dataclass(frozen=True)
class Asked:
    """One row that was asked, and what was answered; None where that was not logged."""

    at: datetime
    features: Mapping[str, Any]
    answer: Answer | None


@dataclass
class Captures:
    """What was found, the newest first, and why it is not more."""

    rows: list[Asked] = field(default_factory=list)
    files: int = 0


def newest(store: ObjectStore, version: str, output: Output, most: int) -> Captures:
    """The newest `most` rows that `version` was asked; raises StoreError."""
    found = Captures()
    for folder in _hours(store):
        rows: list[Asked] = []
        names = [info.key for info in store.list(f"{ROOT}{Kind.FEATURES}/{folder}")]
        for key in names[: MOST_FILES - found.files]:
            found.files += 1
            rows += _rows_of(store, key, version, output, most)
        found.rows += sorted(rows, key=lambda row: row.at, reverse=True)
        if len(found.rows) >= most or found.files >= MOST_FILES:
            break
    found.rows = found.rows[:most]
    return found


def _hours(store: ObjectStore) -> Iterator[str]:
    """`dt=…/hour=…/`, the newest first."""
    root = f"{ROOT}{Kind.FEATURES}/"
    for day in sorted(store.folders(root), reverse=True):
        for hour in sorted(store.folders(f"{root}{day}/"), reverse=True):
            yield f"{day}/{hour}/"


def _rows_of(store: ObjectStore, key: str, version: str, output: Output, most: int) -> Iterator[Asked]:
    asked = _read(store, key)
    if asked is None:
        return
    # Before they become objects: a file may have many more.
    asked = asked.filter(pc.equal(asked[VERSION], version)).sort_by([(AT, "descending")]).slice(0, most)
    answers = _answers(store, key.replace(f"/{Kind.FEATURES}/", f"/{Kind.PREDICTIONS}/"), asked[REQUEST_ID], output)
    for row in asked.to_pylist():
        yield Asked(row[AT], row[FEATURES], answers.get((row[REQUEST_ID], row[ROW])))


def _answers(store: ObjectStore, key: str, ids: pa.ChunkedArray, output: Output) -> dict[tuple[str, int], Answer]:
    """What was answered to these requests, which the same upload has."""
    told = _read(store, key)
    if told is None:
        return {}
    told = told.filter(pc.is_in(told[REQUEST_ID], value_set=ids))
    return {(row[REQUEST_ID], row[ROW]): _answer(row, output) for row in told.to_pylist()}


def _answer(row: Mapping[str, Any], output: Output) -> Answer:
    if isinstance(output, RegressionOutput) and output.names:
        return [row[VALUES][name] for name in output.names]
    answer: Answer = row[PREDICTION]
    return answer


def _read(store: ObjectStore, key: str) -> pa.Table | None:
    try:
        return pq.read_table(io.BytesIO(store.read(key)))
    except NotFound:
        # Removed meanwhile, or predictions are not logged.
        return None
    except pa.ArrowInvalid as error:
        # One damaged file must not keep every new version from being staged.
        event("capture-unreadable", logging.WARNING, file=key, message=str(error))
        return None
