"""Requests, latencies and output counts of each version by minute, or by what shorter time was set."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.store.schema import TRAFFIC
from modelloop_monitor.store.upsert import upsert


class MinuteKey(NamedTuple):
    """One minute of one version, or one shorter interval; `minute` is when it begins."""

    namespace: str
    name: str
    version: str
    minute: int


_KEY = (TRAFFIC.c.namespace, TRAFFIC.c.name, TRAFFIC.c.version, TRAFFIC.c.minute)


def add(connection: Connection, counted: Mapping[MinuteKey, MinuteCounts]) -> None:
    """Add to what the minutes hold."""
    if not counted:
        return
    query = select(*_KEY, TRAFFIC.c.counts).where(tuple_(*_KEY).in_(sorted(counted))).order_by(*_KEY).with_for_update()
    held = {MinuteKey(*row[:4]): unpack(row.counts) for row in connection.execute(query)}
    totals = {key: held[key] + new if key in held else new for key, new in counted.items()}
    upsert(connection, TRAFFIC, [{**key._asdict(), "counts": _pack(total)} for key, total in totals.items()])


def between(
    connection: Connection, namespace: str, name: str, *, since: float, until: float, version: str | None = None
) -> Iterator[tuple[MinuteKey, MinuteCounts]]:
    """The minutes of a model, or of one version, that begin from `since` to before `until`, oldest first."""
    query = select(*_KEY, TRAFFIC.c.counts).where(TRAFFIC.c.namespace == namespace, TRAFFIC.c.name == name)
    query = query.where(TRAFFIC.c.minute >= since, TRAFFIC.c.minute < until)
    if version is not None:
        query = query.where(TRAFFIC.c.version == version)
    for row in connection.execute(query.order_by(TRAFFIC.c.minute, TRAFFIC.c.version)):
        yield MinuteKey(*row[:4]), unpack(row.counts)


def _pack(counts: MinuteCounts) -> bytes:
    return zlib.compress(counts.model_dump_json(exclude_defaults=True).encode(), 6)


def unpack(packed: bytes) -> MinuteCounts:
    """What `_pack` made."""
    return MinuteCounts.model_validate_json(zlib.decompress(packed))
