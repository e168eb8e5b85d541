"""The tables of labels, events and quality. What is joined to a prediction copies what it had, and outlives it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, String, Table, Text

from modelloop_monitor.store.schema import METADATA


def _model() -> list[Column[str]]:
    return [Column("namespace", String(253), primary_key=True), Column("name", String(253), primary_key=True)]


def _joined() -> list[Column[object]]:
    """Without a prediction all but the first two are null, and `due` says when to look for one again."""
    return [
        Column("told", Double, nullable=False),
        Column("received", Double, nullable=False),
        Column("version", String(253)),
        Column("reference", String(64)),
        Column("entity", String(256)),
        Column("predicted", Double),
        Column("due", Double),
    ]


FEEDBACK = Table(
    "feedback",
    METADATA,
    *_model(),
    Column("request_id", String(128), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("prediction", Text),
    *_joined(),
    comment="The truth about predictions; `label` and `prediction` are JSON.",
)

EVENTS = Table(
    "events",
    METADATA,
    *_model(),
    Column("request_id", String(128), primary_key=True),
    Column("event", String(63), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("value", Double, nullable=False),
    *_joined(),
    comment="Business events that followed predictions.",
)

for _table in (FEEDBACK, EVENTS):
    Index(f"{_table.name}_due", _table.c.due)
    Index(f"{_table.name}_predicted", _table.c.namespace, _table.c.name, _table.c.version, _table.c.predicted)
    Index(f"{_table.name}_received", _table.c.received)

QUALITY = Table(
    "quality",
    METADATA,
    *_model(),
    Column("version", String(253), primary_key=True),
    Column("seconds", Integer, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("marks", BigInteger, nullable=False),
    Column("judged", BigInteger, nullable=False),
    Column("document", LargeBinary),
    Column("updated", Double, nullable=False),
    comment="What was said of a window's quality: deflated JSON. It is due where judged < marks.",
)
Index(
    "quality_due",
    QUALITY.c.updated,
    sqlite_where=QUALITY.c.marks > QUALITY.c.judged,
    postgresql_where=QUALITY.c.marks > QUALITY.c.judged,
)
Index("quality_since", QUALITY.c.since)

QUALITY_VERSIONS = Table(
    "quality_versions",
    METADATA,
    *_model(),
    Column("version", String(253), primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("updated", Double, nullable=False),
    comment="How labels come for a version and whether its errors grow: deflated JSON.",
)


@dataclass(frozen=True)
class Ledger:
    """One of the two tables that are joined to predictions: what makes an entry distinct, and what it says."""

    table: Table
    distinct: tuple[str, ...]
    said: str


LABELS = Ledger(FEEDBACK, ("row",), "label")
FOLLOWED = Ledger(EVENTS, ("event", "id"), "value")
LEDGERS = (LABELS, FOLLOWED)
