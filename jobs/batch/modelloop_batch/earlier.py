"""How far an earlier run of the same input came: what an incremental run begins with."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from modelloop_batch.increments import latest_of
from modelloop_batch.output import Output
from modelloop_core.versions import InvalidVersion, Version, VersionRange
from modelloop_core.wire.batch import Incremental, RunManifest, SeenUntil, ShardRecord, folder_of


def last_until(output: Output, source: str, wanted: Incremental) -> SeenUntil | None:
    """How far the last whole run of this input by the same key and column came; None when there is none."""
    for _, manifests in _by_date(output):
        same = [one for one in manifests if one.input == source and _same(one.incremental, wanted)]
        untils = [(one.finished, one.until) for one in same if one.until is not None]
        if untils:
            return max(untils, key=lambda pair: pair[0])[1]
    return None


def unfinished_version(output: Output, date: str, wanted: VersionRange | None) -> Version | None:
    """The version of a run of that date that began and is not whole: a newer version does not take its place."""
    for found, text in output.runs():
        folder = output.folder(found, text)
        if found == date and _is_version(text) and folder.manifest() is None and folder.plan() is not None:
            version = Version.parse(text)
            if wanted is None or version in wanted:
                return version
    return None


def _by_date(output: Output) -> Iterable[tuple[str, list[RunManifest]]]:
    dates: dict[str, list[str]] = {}
    for date, version in output.runs():
        dates.setdefault(date, []).append(version)
    for date, versions in dates.items():
        found = (output.folder(date, version).manifest() for version in versions if _is_version(version))
        yield date, [manifest for manifest in found if manifest is not None]


def _is_version(text: str) -> bool:
    try:
        Version.parse(text)
    except InvalidVersion:
        return False
    return True


def _same(theirs: Incremental | None, ours: Incremental) -> bool:
    return theirs is not None and (theirs.key, theirs.column) == (ours.key, ours.column)


def until_of(records: Iterable[ShardRecord], before: SeenUntil | None, date: str, version: str) -> SeenUntil | None:
    """How far these shards came: the newest moment, and where the keys of that moment are; else where it was before."""
    found = [record for record in records if record.latest is not None and record.seen is not None]
    latest = latest_of([record.latest for record in found if record.latest is not None])
    if latest is None or (before is not None and latest_of([latest, before.moment]) != latest):
        return before
    folder = folder_of(date, version)
    files = [folder + record.seen.name for record in found if record.latest == latest and record.seen is not None]
    return SeenUntil(moment=latest, files=tuple(files))


def seen_keys(output: Output, until: SeenUntil) -> pa.Array:
    """The keys that were scored at that moment."""
    columns = [_keys(output.store.read(name)) for name in until.files]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks]).combine_chunks()


def _keys(content: bytes) -> pa.ChunkedArray:
    return pq.read_table(pa.BufferReader(content)).column(0)
