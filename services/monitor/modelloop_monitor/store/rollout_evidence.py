"""What was answered about the evidence of a rollout as it went: close together at first, further apart later."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, delete, select

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence
from modelloop_monitor.store.rollout_schema import ROLLOUT_EVIDENCE
from modelloop_monitor.store.rollouts import RolloutKey
from modelloop_monitor.store.upsert import upsert

_SPACES = 100
"""Answers lie apart by this part of the rollout's age, so that one of a month has some hundreds and not 43,200."""


class Kept(NamedTuple):
    """An answer: until when counts are in it, and when the step began that it speaks of."""

    at: float
    step: float
    evidence: RolloutEvidence


def keep(connection: Connection, key: RolloutKey, query: EvidenceQuery, evidence: RolloutEvidence) -> None:
    """Keep an answer; the newest always stays, and the last one of each step."""
    at, step = evidence.until.timestamp(), (query.step_since or query.since).timestamp()
    table = ROLLOUT_EVIDENCE.c
    last = select(table.at, table.step).where(*_of(key), table.at < at).order_by(table.at.desc()).limit(2)
    found = connection.execute(last).all()
    if len(found) == 2 and {row.step for row in found} == {step} and at - found[1].at < (at - key.started) / _SPACES:
        connection.execute(delete(ROLLOUT_EVIDENCE).where(*_of(key), table.at == found[0].at))
    packed = zlib.compress(evidence.model_dump_json(exclude_defaults=True).encode(), 6)
    upsert(connection, ROLLOUT_EVIDENCE, [{**key._asdict(), "at": at, "step": step, "document": packed}])


def of(connection: Connection, key: RolloutKey) -> list[Kept]:
    """All that is kept of a rollout, oldest first."""
    table = ROLLOUT_EVIDENCE.c
    query = select(table.at, table.step, table.document).where(*_of(key)).order_by(table.at)
    kept = ((row.at, row.step, _read(row.document)) for row in connection.execute(query))
    return [Kept(at, step, evidence) for at, step, evidence in kept if evidence is not None]


def _read(packed: bytes) -> RolloutEvidence | None:
    try:
        return RolloutEvidence.model_validate_json(zlib.decompress(packed))
    except ValidationError:
        return None  # another release wrote it, with what this one has no words for


def _of(key: RolloutKey) -> tuple[ColumnElement[bool], ...]:
    table = ROLLOUT_EVIDENCE.c
    same = (table.namespace == key.namespace, table.name == key.name)
    return (*same, table.version == key.version, table.started == key.started)
