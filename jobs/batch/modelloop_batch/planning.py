"""What a run will do, fixed before its first row: which row groups of which files make which shard."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from modelloop_batch.columns import why_not
from modelloop_batch.errors import NoInput, WrongColumns
from modelloop_batch.increments import check_column
from modelloop_batch.inputs import Source
from modelloop_core.feature_schema import Signature
from modelloop_core.storage.port import ObjectInfo
from modelloop_core.wire.batch import InputFile, Shard, ShardPart

SHARD_ROWS = 1_000_000
"""Rows of a shard where nobody says how many there shall be: what a killed run has to do again takes seconds."""

MOST_SHARDS = 10_000
_OPEN_AT_ONCE = 8


@dataclass(frozen=True)
class Footer:
    """What a file says of itself: its columns, and the rows of each row group."""

    info: ObjectInfo
    schema: pa.Schema
    groups: tuple[int, ...]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.groups)

    @property
    def file(self) -> InputFile:
        """The file in a plan."""
        return InputFile(key=self.info.key, size=self.info.size, etag=self.info.etag, rows=self.rows)


def read_footers(source: Source, files: Sequence[ObjectInfo]) -> list[Footer]:
    """The footer of each file; raises CorruptInput, and NoInput when they hold no row."""
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as pool:
        footers = list(pool.map(lambda info: _footer(source, info), files))
    if not any(footer.rows for footer in footers):
        raise NoInput(f"the {len(footers)} file(s) at {source.uri!r} hold no row; check what wrote them")
    return footers


def _footer(source: Source, info: ObjectInfo) -> Footer:
    with source.opened(info.key, info.size) as file:
        metadata = file.metadata
        groups = tuple(metadata.row_group(place).num_rows for place in range(metadata.num_row_groups))
        return Footer(info, file.schema_arrow, groups)


def check_columns(
    footers: Sequence[Footer], signature: Signature, keys: Sequence[str], newest: str | None
) -> dict[str, pa.DataType]:
    """The types of the keys; raises WrongColumns for the first file that has not what is needed, all of it named."""
    wanted = dict.fromkeys((*signature.feature_names, *keys, *((newest,) if newest else ())))
    for footer in footers:
        _check_present(footer, list(wanted))
        wrong = list(_wrong_types(footer.schema, signature))
        if wrong:
            raise WrongColumns(f"{footer.info.key!r} cannot be scored: {'; '.join(wrong[:10])}")
        if newest:
            check_column(newest, footer.schema.field(newest).type)
    return _types_of(footers, [*keys, *((newest,) if newest else ())], len(keys))


def not_read(footers: Sequence[Footer], wanted: Sequence[str]) -> tuple[str, ...]:
    """Columns that some file has and nobody asked for."""
    found = dict.fromkeys(name for footer in footers for name in footer.schema.names)
    return tuple(name for name in found if name not in wanted)


def cut(footers: Sequence[Footer], shards: int | None) -> tuple[Shard, ...]:
    """The row groups, in order, in so many shards of about as many rows; fewer where there are fewer row groups."""
    groups = [
        (footer.info.key, place, rows)
        for footer in footers
        for place, rows in enumerate(footer.groups)
        if rows
    ]  # fmt: skip
    total = sum(rows for _, _, rows in groups)
    count = min(shards or max(1, -(-total // SHARD_ROWS)), len(groups), MOST_SHARDS)
    cuts: list[list[tuple[str, int, int]]] = [[] for _ in range(count)]
    done = 0
    for place, group in enumerate(groups):
        # By the middle of the group, and so that every later shard has one left to take.
        at = min(int((done + group[2] / 2) * count / total), count - 1)
        first_free = next((number for number, taken in enumerate(cuts) if not taken), count - 1)
        at = max(min(at, first_free), count - (len(groups) - place))
        cuts[at].append(group)
        done += group[2]
    starts = {footer.info.key: _starts(footer.groups) for footer in footers}
    return tuple(Shard(parts=tuple(_parts(taken, starts))) for taken in cuts)


def _starts(groups: Sequence[int]) -> list[int]:
    starts = [0]
    for rows in groups:
        starts.append(starts[-1] + rows)
    return starts


def _parts(groups: Sequence[tuple[str, int, int]], starts: Mapping[str, Sequence[int]]) -> Iterator[ShardPart]:
    files = dict.fromkeys(file for file, _, _ in groups)
    for file in files:
        mine = [(place, rows) for name, place, rows in groups if name == file]
        places = tuple(place for place, _ in mine)
        yield ShardPart(
            file=file, row_groups=places, first_row=starts[file][places[0]], rows=sum(rows for _, rows in mine)
        )


def _check_present(footer: Footer, wanted: Sequence[str]) -> None:
    names = footer.schema.names
    missing = [name for name in wanted if name not in names]
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise WrongColumns(f"{footer.info.key!r} has {twice[0]!r} more than once; keep the one that is meant")
    if missing:
        extra = [name for name in names if name not in wanted]
        said = f"{footer.info.key!r} lacks {_listed(missing)}"
        if extra:
            said += f", and has {_listed(extra)} that nobody asks for"
        raise WrongColumns(f"{said}; {_hint(missing[0], extra)}")


def _hint(missing: str, extra: Sequence[str]) -> str:
    close = difflib.get_close_matches(missing, extra, 1)
    return f"is {close[0]!r} meant for {missing!r}?" if close else "give an input with these columns"


def _wrong_types(schema: pa.Schema, signature: Signature) -> Iterator[str]:
    for feature in signature.inputs:
        arrow = schema.field(feature.name).type
        if (wanted := why_not(feature, arrow)) is not None:
            yield f"{feature.name!r} is {arrow}, and the model takes {wanted}"


def _types_of(footers: Sequence[Footer], names: Sequence[str], keys: int) -> dict[str, pa.DataType]:
    """Of each its type, which must be one in all files: its values are written together, or compared."""
    found: dict[str, pa.DataType] = {}
    for footer in footers:
        for name in names:
            arrow = footer.schema.field(name).type
            if found.setdefault(name, arrow) != arrow:
                raise WrongColumns(
                    f"{name!r} is {arrow} in {footer.info.key!r} and {found[name]} in other files; write one type"
                )
    return {name: found[name] for name in names[:keys]}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
