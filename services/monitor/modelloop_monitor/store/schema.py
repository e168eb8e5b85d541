"""The tables. Times are seconds since 1970 UTC; whatever grows with traffic is pruned by age."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

_Key = BigInteger().with_variant(Integer, "sqlite")


def _model() -> list[Column[str]]:
    return [Column("namespace", String(253), primary_key=True), Column("name", String(253), primary_key=True)]


def _owned() -> list[Column[str]]:
    return [Column("namespace", String(253), nullable=False), Column("name", String(253), nullable=False)]


MODELS = Table(
    "models",
    METADATA,
    *_model(),
    Column("settings", Text),
    Column("settings_at", Double),
    Column("last_post", Double),
    comment="Every model that posted or was set up.",
)

SOURCES = Table(
    "sources",
    METADATA,
    Column("source", String(253), primary_key=True),
    Column("epoch", String(253), primary_key=True),
    *_owned(),
    Column("following", BigInteger, nullable=False),
    Column("ahead", Text, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("clock_ahead", Double, nullable=False),
    Column("last_seen", Double, nullable=False, index=True),
    comment="Which posts were applied.",
)

REFERENCES = Table(
    "reference_documents",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("document", LargeBinary, nullable=False),
    # When it was last known to be needed.
    Column("needed", Double, nullable=False),
    comment="reference.json, deflated.",
)

CARDS = Table(
    "cards",
    METADATA,
    *_model(),
    Column("version", String(253), primary_key=True),
    Column("document", Text, nullable=False),
    Column("told", Double, nullable=False),
    comment="card.yaml of versions, and when a predictor last brought it.",
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("received", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="Posts that were answered and wait to be folded into windows.",
)

WINDOWS = Table(
    "windows",
    METADATA,
    *_model(),
    Column("version", String(253), primary_key=True),
    Column("reference", String(64), primary_key=True),
    Column("seconds", Integer, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("profile", LargeBinary, nullable=False),
    Column("unjudged", Boolean, nullable=False),
    Column("updated", Double, nullable=False),
    comment="Counts by window.",
)
Index("windows_unjudged", WINDOWS.c.unjudged, WINDOWS.c.since)
Index("windows_since", WINDOWS.c.since)

TRAFFIC = Table(
    "traffic",
    METADATA,
    *_model(),
    Column("version", String(253), primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("counts", LargeBinary, nullable=False),
    comment="Requests by minute: TrafficDelta and the outputs' counts, as deflated JSON.",
)
Index("traffic_minute", TRAFFIC.c.minute)

PREDICTIONS = Table(
    "predictions",
    METADATA,
    *_model(),
    Column("request_id", String(128), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("version", String(253), nullable=False),
    Column("reference", String(64)),
    Column("entity", String(256)),
    Column("at", Double, nullable=False),
    Column("prediction", Text, nullable=False),
    Column("again", Integer, nullable=False, server_default="0"),
    comment="The prediction log, for labels and events to find; `prediction` is JSON.",
)
Index("predictions_at", PREDICTIONS.c.namespace, PREDICTIONS.c.name, PREDICTIONS.c.at)

MIRRORED = Table(
    "mirrored",
    METADATA,
    *_model(),
    Column("request_id", String(128), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("version", String(253), primary_key=True),
    Column("reference", String(64)),
    Column("at", Double, nullable=False),
    Column("received", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("prediction", Text, nullable=False),
    comment="Answers to copies of requests, until they were held against the live version's; `prediction` is JSON.",
)
Index("mirrored_due", MIRRORED.c.due)

REPORTS = Table(
    "reports",
    METADATA,
    *_model(),
    Column("reference", String(64), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("version", String(253), nullable=False),
    Column("verdict", String(32), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("generated", Double, nullable=False),
    comment="What was said of a window; `document` is deflated JSON.",
)
Index("reports_until", REPORTS.c.until)
Index("reports_generated", REPORTS.c.generated)

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", String(64), primary_key=True),
    *_owned(),
    Column("cause", String(32), nullable=False),
    Column("opened", Double, nullable=False),
    Column("closed", Double),
    Column("level", String(32), nullable=False),
    Column("document", Text, nullable=False),
    comment="Stretches of drift, of silence or of bad quality; `document` is JSON.",
)
Index(
    "incidents_open",
    INCIDENTS.c.namespace,
    INCIDENTS.c.name,
    INCIDENTS.c.cause,
    unique=True,
    sqlite_where=INCIDENTS.c.closed.is_(None),
    postgresql_where=INCIDENTS.c.closed.is_(None),
)
Index("incidents_model", INCIDENTS.c.namespace, INCIDENTS.c.name, INCIDENTS.c.opened)

SILENCES = Table(
    "silences",
    METADATA,
    Column("id", String(64), primary_key=True),
    *_owned(),
    Column("until", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("reason", Text, nullable=False),
    comment="Until when a model's notifications are withheld.",
)
Index("silences_model", SILENCES.c.namespace, SILENCES.c.name, SILENCES.c.until)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", String(160), primary_key=True),
    *_owned(),
    Column("incident", String(64), nullable=False),
    Column("target", String(32), nullable=False),
    Column("created", Double, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Double, nullable=False),
    Column("ended", Double),
    Column("outcome", Text, nullable=False),
    comment="Notifications: one row for each change of an incident and each target, so that none is sent twice.",
)
Index("outbox_incident", OUTBOX.c.incident, OUTBOX.c.target)
Index("outbox_due", OUTBOX.c.ended, OUTBOX.c.due)
