"""Counts by window, added to as posts are folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from modelloop_monitor.counts import Counted
from modelloop_monitor.store.schema import WINDOWS
from modelloop_monitor.store.upsert import upsert


class WindowKey(NamedTuple):
    """One window of one version: it begins at `since` and is `seconds` long."""

    namespace: str
    name: str
    version: str
    reference: str
    seconds: int
    since: int

    @property
    def until(self) -> int:
        """Its end, exclusive."""
        return self.since + self.seconds


KEY = (
    WINDOWS.c.namespace,
    WINDOWS.c.name,
    WINDOWS.c.version,
    WINDOWS.c.reference,
    WINDOWS.c.seconds,
    WINDOWS.c.since,
)


def add(connection: Connection, counted: Mapping[WindowKey, Counted], now: float) -> None:
    """Add to what the windows hold; they are to be judged again."""
    if not counted:
        return
    query = select(*KEY, WINDOWS.c.profile).where(tuple_(*KEY).in_(sorted(counted))).order_by(*KEY).with_for_update()
    held = {WindowKey(*row[:6]): row.profile for row in connection.execute(query)}
    rows = []
    for key, new in counted.items():
        total = Counted.unpack(held[key]) + new if key in held else new
        row = {"rows": total.rows, "profile": total.pack(), "unjudged": True, "updated": now}
        rows.append({**key._asdict(), **row})
    upsert(connection, WINDOWS, rows)
