"""Ends what a registry keeps of predictions about one entity; interrupted, it is run again."""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from typing import Any

from modelloop_core.captures import ENTITY, Captured
from modelloop_core.captures_pruning import captured
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectStore, StoreError

_ERASED = ".erased-"


class UnreadableCapture(StoreError):
    """A file among the captures is no Parquet file that a predictor has written; nothing of it was changed."""


@dataclass(frozen=True)
class Erased:
    """What was done: rows that went, files that were written anew for it, and files looked at."""

    rows: int
    files: int
    looked_at: int


def erase(store: ObjectStore, entity: str) -> Erased:
    """Remove every row about `entity`; raises StoreError, and at the end UnreadableCapture for files that are none.

    What is left of a file is written under a new name before the old one goes: ended in between, rows are there twice
    until it is run again.
    """
    rows = files = looked_at = 0
    unreadable: list[UnreadableCapture] = []
    for info, place in list(captured(store)):
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


def _without(key: str, body: bytes, entity: str) -> tuple[int, bytes]:
    """How many rows are about the entity, and the file without them."""
    # Here and not above, as it takes long to load.
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
