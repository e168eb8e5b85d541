"""Ends what a registry keeps of predictions: by age, or by whom they are about. Interrupted, either is run again."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from modelloop_core.captures import ENTITY, ROOT, Captured, Kind, captured_at
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectInfo, ObjectStore, StoreError

_ERASED = ".erased-"


class UnreadableCapture(StoreError):
    """A file among the captures is no Parquet file that a predictor has written; nothing of it was changed."""


@dataclass(frozen=True)
class Pruned:
    """What went, or would go: files and their bytes, and how many files stay."""

    files: int
    bytes: int
    kept: int


@dataclass(frozen=True)
class Erased:
    """What was done: rows that went, files that were written anew for it, and files looked at."""

    rows: int
    files: int
    looked_at: int


def prune(store: ObjectStore, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Remove the files whose rows were all predicted before then; raises StoreError."""
    files = size = kept = 0
    for info, place in list(_captured(store)):
        if place.until > before:
            kept += 1
            continue
        if not dry_run:
            store.delete(info.key)
        files, size = files + 1, size + info.size
    return Pruned(files, size, kept)


def prune_some(store: ObjectStore, before: datetime, most: int) -> int:
    """Remove up to `most` of the files whose rows were all predicted before then, whole days first; says how many.

    Nothing younger is listed, so that it costs what there is to remove. Two at once do no harm. Raises StoreError, with
    some of them gone.
    """
    old = (info.key for info, place in _until_day(store, before) if place.until <= before)
    keys = list(islice(old, most))
    for key in keys:
        store.delete(key)
    return len(keys)


def erase(store: ObjectStore, entity: str) -> Erased:
    """Remove every row about `entity`; raises StoreError, and at the end UnreadableCapture for files that are none.

    What is left of a file is written under a new name before the old one goes: ended in between, rows are there twice
    until it is run again.
    """
    rows = files = looked_at = 0
    unreadable: list[UnreadableCapture] = []
    for info, place in list(_captured(store)):
        try:
            body = store.read(info.key)
            gone, rest = _without(info.key, body, entity)
        except NotFound:
            # Pruned meanwhile.
            continue
        except UnreadableCapture as error:
            unreadable.append(error)
            continue
        looked_at += 1
        if gone:
            _replace(store, info.key, place, rest)
            rows, files = rows + gone, files + 1
    if unreadable:
        found = f"erased {rows} row(s) from {files} of {looked_at} file(s), but {len(unreadable)} cannot be read"
        raise UnreadableCapture(f"{found}: {unreadable[0]}") from unreadable[0]
    return Erased(rows, files, looked_at)


def _until_day(store: ObjectStore, before: datetime) -> Iterator[tuple[ObjectInfo, Captured]]:
    last = f"dt={before.astimezone(UTC):%Y-%m-%d}"
    for kind in Kind:
        for day in store.folders(f"{ROOT}{kind}/"):
            if day <= last:
                yield from _captured(store, f"{ROOT}{kind}/{day}/")


def _captured(store: ObjectStore, prefix: str = ROOT) -> Iterator[tuple[ObjectInfo, Captured]]:
    for info in store.list(prefix):
        place = captured_at(info.key)
        if place is not None:
            yield info, place


def _without(key: str, body: bytes, entity: str) -> tuple[int, bytes]:
    """How many rows are about the entity, and the file without them."""
    # Here and not above: to prune, nobody needs it.
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(io.BytesIO(body))
        about = pc.fill_null(pc.equal(table.column(ENTITY), entity), False)
    except (pa.ArrowException, KeyError) as error:
        raise UnreadableCapture(f"{key!r}: {error}; remove it if nobody needs it") from error
    gone = pc.sum(about).as_py() or 0
    if not gone:
        return 0, body
    buffer = io.BytesIO()
    pq.write_table(table.filter(pc.invert(about)), buffer, compression="zstd")
    return gone, buffer.getvalue()


def _replace(store: ObjectStore, key: str, place: Captured, rest: bytes) -> None:
    # A file stays even where no row does: as long as it is there, no predictor brings its rows again.
    name = f"{place.name.split(_ERASED)[0]}{_ERASED}{hashlib.sha256(rest).hexdigest()[:16]}"
    # There already where a run ended before the old one was gone.
    with contextlib.suppress(AlreadyExists):
        store.create(Captured(place.kind, place.hour, name).key, rest)
    store.delete(key)
