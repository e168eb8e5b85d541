"""Which posts of which source were applied."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select, tuple_

from modelloop_monitor.sequences import Sequences
from modelloop_monitor.store.schema import SOURCES
from modelloop_monitor.store.upsert import upsert

Key = tuple[str, str]


def load(connection: Connection, keys: Collection[Key]) -> dict[Key, Sequences]:
    """What is known of these (source, epoch), locked until the transaction ends."""
    columns = (SOURCES.c.source, SOURCES.c.epoch)
    query = select(*columns, SOURCES.c.following, SOURCES.c.ahead, SOURCES.c.lost)
    # In one order, so that two processes that lock the same ones never wait for each other.
    query = query.where(tuple_(*columns).in_(sorted(keys))).order_by(*columns).with_for_update()
    return {
        (row.source, row.epoch): Sequences(row.following, tuple(json.loads(row.ahead)), row.lost)
        for row in connection.execute(query)
    }


def save(connection: Connection, found: Mapping[Key, Sequences], about: Mapping[Key, Mapping[str, object]]) -> None:
    """Keep the state of each, with the other columns that `about` has of it."""
    rows = [
        {
            "source": key[0],
            "epoch": key[1],
            "following": state.following,
            "ahead": json.dumps(state.ahead),
            "lost": state.lost,
            **about[key],
        }
        for key, state in found.items()
    ]
    upsert(connection, SOURCES, rows)
