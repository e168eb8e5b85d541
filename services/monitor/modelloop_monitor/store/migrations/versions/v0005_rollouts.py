"""Rollouts, which the operator tells of, and the evidence that it was answered."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _model() -> list[sa.Column[str]]:
    return [
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
    ]


def _rollout() -> list[sa.Column[Any]]:
    return [
        *_model(),
        sa.Column("version", sa.String(length=253), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
    ]


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "rollout_states",
        *_model(),
        sa.Column("told", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name"),
        comment="What is live and what is tried of each model, as JSON, and when it was last told.",
    )
    op.create_table(
        "rollouts",
        *_rollout(),
        sa.Column("told", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version", "started"),
        comment="Rollouts, as JSON.",
    )
    op.create_index("rollouts_told", "rollouts", ["told"])
    op.create_table(
        "rollout_evidence",
        *_rollout(),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("step", sa.Double(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "version", "started", "at"),
        comment="Answers about the evidence of a rollout, and when the step began that they speak of; deflated JSON.",
    )
    op.create_index("rollout_evidence_at", "rollout_evidence", ["at"])
