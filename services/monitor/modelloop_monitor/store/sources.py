"""Which posts of which source were applied."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select, tuple_

from modelloop_monitor.sequences import Sequences
from modelloop_monitor.store.schema import SOURCES
from modelloop_monitor.store.upsert import insert_missing, upsert

Key = tuple[str, str]
About = Mapping[Key, Mapping[str, object]]


def load(connection: Connection, about: About) -> dict[Key, Sequences]:
    """What is known of these (source, epoch), locked until the transaction ends; `about` are their other columns."""
    # First of all a row for each: one that is not there cannot be locked, and two that hear of a process at the same
    # moment would both take its first post.
    _add_missing(connection, about)
    columns = (SOURCES.c.source, SOURCES.c.epoch)
    query = select(*columns, SOURCES.c.following, SOURCES.c.ahead, SOURCES.c.lost)
    # In one order, so that two processes that lock the same ones never wait for each other.
    query = query.where(tuple_(*columns).in_(sorted(about))).order_by(*columns).with_for_update()
    return {
        (row.source, row.epoch): Sequences(row.following, tuple(json.loads(row.ahead)), row.lost)
        for row in connection.execute(query)
    }


def save(connection: Connection, found: Mapping[Key, Sequences], about: About) -> None:
    """Keep the state of each, with the other columns that `about` has of it."""
    upsert(connection, SOURCES, [_row(key, state, about[key]) for key, state in found.items()])


def _add_missing(connection: Connection, about: About) -> None:
    insert_missing(connection, SOURCES, [_row(key, Sequences(), about[key]) for key in sorted(about)])


def _row(key: Key, state: Sequences, about: Mapping[str, object]) -> dict[str, object]:
    source, epoch = key
    numbers = {"following": state.following, "ahead": json.dumps(state.ahead), "lost": state.lost}
    return {"source": source, "epoch": epoch, **numbers, **about}
