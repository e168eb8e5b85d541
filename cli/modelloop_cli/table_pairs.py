"""Two Parquet files as pairs of columns that can be compared: numbers, or codes of levels, and nulls as NaN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelloop_cli.column_pairs import Pair, Unfit, pair_of
from modelloop_cli.errors import Refused
from modelloop_core.feature_schema import Feature

_INDEX = "__index_level_"


class NotComparable(Refused):
    """Two tables cannot be compared: what was found, and what to give."""


@dataclass(frozen=True)
class Pairs:
    """What two tables have in common; `left_out` says of each other column why."""

    columns: tuple[Pair, ...]
    left_out: Mapping[str, str]
    reference_rows: int
    current_rows: int


def read_pairs(reference: Path, current: Path, schema: Path | None) -> Pairs:
    """Read both files (or folders of files); raises NotComparable, which says why they cannot be compared."""
    theirs, ours = _read(reference), _read(current)
    if not theirs.num_rows:
        raise NotComparable(f"{str(reference)!r} has no rows; give a reference that has some")
    declared = _declared(schema)
    left_out = {} if schema else dict(_on_one_side(theirs, ours))
    if not schema and "" in [*theirs.column_names, *ours.column_names]:
        left_out["''"] = "a column without a name"
    columns = []
    for name in declared or _common(theirs, ours):
        sides = _column(theirs, reference, name), _column(ours, current, name)
        try:
            columns.append(pair_of(name, *sides, declared.get(name)))
        except Unfit as error:
            if schema:
                raise NotComparable(f"{name!r} is {error}; the schema asks for it") from error
            left_out[name] = str(error)
    if not columns:
        said = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:5])
        raise NotComparable(f"{str(reference)!r} and {str(current)!r} have no column that can be compared ({said})")
    return Pairs(tuple(columns), left_out, theirs.num_rows, ours.num_rows)


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise NotComparable(f"{str(path)!r} cannot be read as Parquet: {said}") from error


def _declared(schema: Path | None) -> dict[str, Feature]:
    if schema is None:
        return {}
    # Late: this loads pandas.
    from modelloop_core.publishing import PublishError, parse_schema

    try:
        return {feature.name: feature for feature in parse_schema(schema.read_bytes()).inputs}
    except PublishError as error:
        raise NotComparable(f"{str(schema)!r}: {error}") from error


def _common(theirs: Any, ours: Any) -> list[str]:
    return [name for name in _names(theirs) if name in _names(ours)]


def _names(table: Any) -> list[str]:
    """Column names, but for the index that pandas writes along and what has no name."""
    return [name for name in dict.fromkeys(table.column_names) if name and not name.startswith(_INDEX)]


def _on_one_side(theirs: Any, ours: Any) -> Iterator[tuple[str, str]]:
    for side, mine, other in (("reference", theirs, ours), ("current table", ours, theirs)):
        yield from ((name, f"which only the {side} has") for name in _names(mine) if name not in _names(other))


def _column(table: Any, path: Path, name: str) -> Any:
    places = [place for place, found in enumerate(table.column_names) if found == name]
    if len(places) != 1:
        raise NotComparable(f"{str(path)!r} has {len(places)} columns named {name!r}; it needs one")
    return table.column(places[0])
