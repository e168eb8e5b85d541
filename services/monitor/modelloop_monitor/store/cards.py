"""Model cards of versions, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import CARDS
from modelloop_monitor.store.upsert import upsert


class CardKey(NamedTuple):
    """One version of a model."""

    namespace: str
    name: str
    version: str


def save(connection: Connection, cards: Mapping[CardKey, str], now: float) -> None:
    """Keep the card of each version in place of what was there."""
    upsert(connection, CARDS, [{**key._asdict(), "document": card, "told": now} for key, card in cards.items()])


def latest(connection: Connection, model: Model, most: int) -> list[tuple[str, str]]:
    """Versions and their cards, those first that were told last."""
    query = select(CARDS.c.version, CARDS.c.document).where(CARDS.c.namespace == model[0], CARDS.c.name == model[1])
    rows = connection.execute(query.order_by(CARDS.c.told.desc(), CARDS.c.version.desc()).limit(most))
    return [(row.version, row.document) for row in rows]
