"""References by digest, as their bytes."""

from __future__ import annotations

import zlib

from sqlalchemy import Connection, select

from modelloop_monitor.store.schema import REFERENCES
from modelloop_monitor.store.upsert import insert_missing


def load(connection: Connection, digest: str) -> bytes | None:
    """The bytes of the reference with this digest, if it is there."""
    found = connection.execute(select(REFERENCES.c.document).where(REFERENCES.c.digest == digest)).scalar()
    return None if found is None else zlib.decompress(found)


def save(connection: Connection, digest: str, document: bytes, now: float) -> None:
    """Keep it; the same again changes nothing."""
    row = {"digest": digest, "document": zlib.compress(document, 6), "created": now}
    insert_missing(connection, REFERENCES, [row])
