"""Labels, events and quality; how often a logged prediction's request id came again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    op.add_column("predictions", sa.Column("again", sa.Integer(), nullable=False, server_default="0"))
    _outcomes(
        "feedback",
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=True),
        key=("row",),
        comment="The truth about predictions; `label` and `prediction` are JSON.",
    )
    _outcomes(
        "events",
        sa.Column("event", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        key=("event", "id"),
        comment="Business events that followed predictions.",
    )
    _quality()


def _outcomes(name: str, *own: sa.Column[object], key: tuple[str, ...], comment: str) -> None:
    op.create_table(
        name,
        *_model(),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        *own,
        sa.Column("told", sa.Double(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("version", sa.String(length=253), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("entity", sa.String(length=256), nullable=True),
        sa.Column("predicted", sa.Double(), nullable=True),
        sa.Column("due", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("namespace", "name", "request_id", *key),
        comment=comment,
    )
    op.create_index(f"{name}_due", name, ["due"])
    op.create_index(f"{name}_predicted", name, ["namespace", "name", "version", "predicted"])
    op.create_index(f"{name}_received", name, ["received"])


def _quality() -> None:
    op.create_table(
        "quality",
        *_model(),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("judged", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version", "seconds", "since"),
        comment="What was said of a window's quality: deflated JSON. It is due where judged < marks.",
    )
    due = sa.text("marks > judged")
    op.create_index("quality_due", "quality", ["updated"], sqlite_where=due, postgresql_where=due)
    op.create_index("quality_since", "quality", ["since"])
    op.create_table(
        "quality_versions",
        *_model(),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version"),
        comment="How labels come for a version and whether its errors grow: deflated JSON.",
    )


def _model() -> list[sa.Column[str]]:
    return [
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
    ]
