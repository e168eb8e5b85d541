"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""

    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Posts that were answered and wait to be folded into windows.",
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("opened", sa.Double(), nullable=False),
        sa.Column("closed", sa.Double(), nullable=True),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Stretches of drift, of silence or of bad quality; `document` is JSON.",
    )
    op.create_index("incidents_model", "incidents", ["namespace", "name", "opened"], unique=False)
    op.create_index(
        "incidents_open",
        "incidents",
        ["namespace", "name", "cause"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "models",
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("settings", sa.Text(), nullable=True),
        sa.Column("settings_at", sa.Double(), nullable=True),
        sa.Column("last_post", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("namespace", "name"),
        comment="Every model that posted or was set up.",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Notifications: one row for each change of an incident and each target, so that none is sent twice.",
    )
    op.create_index("outbox_due", "outbox", ["ended", "due"], unique=False)
    op.create_index("outbox_incident", "outbox", ["incident", "target"], unique=False)
    op.create_table(
        "predictions",
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("entity", sa.String(length=256), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "request_id", "row"),
        comment="The prediction log, for labels and events to find; `prediction` is JSON.",
    )
    op.create_index("predictions_at", "predictions", ["namespace", "name", "at"], unique=False)
    op.create_table(
        "reference_documents",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        comment="reference.json, deflated.",
    )
    op.create_table(
        "reports",
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("generated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "reference", "since", "until"),
        comment="What was said of a window; `document` is deflated JSON.",
    )
    op.create_index("reports_generated", "reports", ["generated"], unique=False)
    op.create_index("reports_until", "reports", ["until"], unique=False)
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Until when a model's notifications are withheld.",
    )
    op.create_index("silences_model", "silences", ["namespace", "name", "until"], unique=False)
    op.create_table(
        "sources",
        sa.Column("source", sa.String(length=253), nullable=False),
        sa.Column("epoch", sa.String(length=253), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("following", sa.BigInteger(), nullable=False),
        sa.Column("ahead", sa.Text(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("clock_ahead", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("source", "epoch"),
        comment="Which posts were applied.",
    )
    op.create_index(op.f("ix_sources_last_seen"), "sources", ["last_seen"], unique=False)
    op.create_table(
        "traffic",
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version", "minute"),
        comment="Requests by minute: TrafficDelta and the outputs' counts, as deflated JSON.",
    )
    op.create_index("traffic_minute", "traffic", ["minute"], unique=False)
    op.create_table(
        "windows",
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("unjudged", sa.Boolean(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version", "reference", "seconds", "since"),
        comment="Counts by window.",
    )
    op.create_index("windows_since", "windows", ["since"], unique=False)
    op.create_index("windows_unjudged", "windows", ["unjudged", "since"], unique=False)
