"""The tables of rollouts: what the operator told of them, and what was answered about the evidence as they went."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, LargeBinary, String, Table, Text

from modelloop_monitor.store.schema import METADATA


def _model() -> list[Column[str]]:
    return [Column("namespace", String(253), primary_key=True), Column("name", String(253), primary_key=True)]


def _rollout() -> list[Column[Any]]:
    return [
        *_model(),
        Column("version", String(253), primary_key=True),
        Column("started", BigInteger, primary_key=True),
    ]


ROLLOUT_STATES = Table(
    "rollout_states",
    METADATA,
    *_model(),
    Column("told", Double, nullable=False),
    Column("document", Text, nullable=False),
    comment="What is live and what is tried of each model, as JSON, and when it was last told.",
)

ROLLOUTS = Table(
    "rollouts",
    METADATA,
    *_rollout(),
    Column("told", Double, nullable=False),
    Column("ended", Double),
    Column("document", Text, nullable=False),
    comment="Rollouts, as JSON.",
)
Index("rollouts_told", ROLLOUTS.c.told)

ROLLOUT_EVIDENCE = Table(
    "rollout_evidence",
    METADATA,
    *_rollout(),
    Column("at", Double, primary_key=True),
    Column("step", Double, nullable=False),
    Column("document", LargeBinary, nullable=False),
    comment="Answers about the evidence of a rollout, and when the step began that they speak of; deflated JSON.",
)
Index("rollout_evidence_at", ROLLOUT_EVIDENCE.c.at)
