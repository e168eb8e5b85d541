"""Counts by window, added to as posts are folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, literal, select, tuple_, update

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


def counted_in(connection: Connection, key: WindowKey) -> Counted | None:
    """What one window holds, if anything was counted in it."""
    found = connection.execute(select(WINDOWS.c.profile).where(tuple_(*KEY).in_([key]))).scalar()
    return None if found is None else Counted.unpack(found)


def last_reference(connection: Connection, model: tuple[str, str], version: str) -> str | None:
    """The digest of the reference in whose bins a version counted last, if it ever did."""
    query = select(WINDOWS.c.reference).where(tuple_(*KEY[:3]) == tuple_(*map(literal, (*model, version))))
    return connection.execute(query.order_by(WINDOWS.c.since.desc()).limit(1)).scalar()


def add(connection: Connection, counted: Mapping[WindowKey, Counted], now: float) -> None:
    """Add to what the windows hold; they are to be judged again."""
    if not counted:
        return
    query = select(*KEY, WINDOWS.c.profile).where(tuple_(*KEY).in_(sorted(counted))).order_by(*KEY).with_for_update()
    before = {WindowKey(*row[:6]): row.profile for row in connection.execute(query)}
    rows = []
    for key, new in counted.items():
        total = Counted.unpack(before[key]) + new if key in before else new
        row = {"rows": total.rows, "profile": total.pack(), "unjudged": True, "updated": now}
        rows.append({**key._asdict(), **row})
    upsert(connection, WINDOWS, rows)


class Group(NamedTuple):
    """A window of all versions that share a reference: they are judged together."""

    namespace: str
    name: str
    reference: str
    seconds: int
    since: int

    @property
    def until(self) -> int:
        """Its end, exclusive."""
        return self.since + self.seconds

    @property
    def before(self) -> Group:
        """The window just before."""
        return self._replace(since=self.since - self.seconds)


class Held(NamedTuple):
    """What one version counted in a window, and when that last changed."""

    version: str
    rows: int
    counted: Counted
    updated: float


_GROUP = (WINDOWS.c.namespace, WINDOWS.c.name, WINDOWS.c.reference, WINDOWS.c.seconds, WINDOWS.c.since)


def unjudged(connection: Connection, ended: float, most: int) -> list[Group]:
    """Windows that ended by then and hold counts that were not judged yet, oldest first."""
    query = select(*_GROUP).distinct().where(WINDOWS.c.unjudged.is_(True), WINDOWS.c.since + WINDOWS.c.seconds <= ended)
    return [Group(*row) for row in connection.execute(query.order_by(WINDOWS.c.since).limit(most))]


def held(connection: Connection, group: Group) -> list[Held]:
    """What each version has in the window, that with most rows first."""
    query = select(WINDOWS.c.version, WINDOWS.c.rows, WINDOWS.c.profile, WINDOWS.c.updated)
    query = query.where(tuple_(*_GROUP) == tuple_(*map(literal, group)))
    rows = connection.execute(query.order_by(WINDOWS.c.rows.desc(), WINDOWS.c.version))
    return [Held(row.version, row.rows, Counted.unpack(row.profile), row.updated) for row in rows]


def judged(connection: Connection, group: Group, read: Sequence[Held]) -> None:
    """Note that these were judged; what has changed since stays to be judged again."""
    for one in read:
        same = tuple_(*_GROUP) == tuple_(*map(literal, group))
        query = update(WINDOWS).where(same, WINDOWS.c.version == one.version, WINDOWS.c.updated == one.updated)
        connection.execute(query.values(unjudged=False))
