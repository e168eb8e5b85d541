"""References by digest, as their bytes, and since when nobody has needed one."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, delete, select, update

from modelloop_monitor.store.schema import REFERENCES, WINDOWS
from modelloop_monitor.store.upsert import upsert

_AT_ONCE = 500


def load(connection: Connection, digest: str) -> bytes | None:
    """The bytes of the reference with this digest, if it is there."""
    found = connection.execute(select(REFERENCES.c.document).where(REFERENCES.c.digest == digest)).scalar()
    return None if found is None else zlib.decompress(found)


def has(connection: Connection, digest: str) -> bool:
    """Whether it is there."""
    return connection.execute(select(REFERENCES.c.digest).where(REFERENCES.c.digest == digest)).scalar() is not None


def save(connection: Connection, digest: str, document: bytes, now: float) -> None:
    """Keep it; the same again only says that it is needed."""
    upsert(connection, REFERENCES, [{"digest": digest, "document": zlib.compress(document, 6), "needed": now}])


def counted(connection: Connection) -> set[str]:
    """Those in whose bins a window that is kept was counted."""
    return set(connection.execute(select(WINDOWS.c.reference).distinct()).scalars())


def need(connection: Connection, digests: Collection[str], now: float, *, before: float) -> None:
    """Note that these are needed, where that was last noted before then: a row is written whole, document and all."""
    for some in _batches(digests):
        aged = REFERENCES.c.digest.in_(some), REFERENCES.c.needed < before
        connection.execute(update(REFERENCES).where(*aged).values(needed=now))


def forget(connection: Connection, before: float) -> int:
    """Remove those that nobody has needed since then; how many."""
    return connection.execute(delete(REFERENCES).where(REFERENCES.c.needed < before)).rowcount


def _batches(digests: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(digests)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
