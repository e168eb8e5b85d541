"""Rollouts of models, as the operator tells of them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from modelloop_core.evidence.observed import moment
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.rollouts import ModelRollouts, Rollout
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.rollout_schema import ROLLOUT_STATES, ROLLOUTS
from modelloop_monitor.store.upsert import upsert

UNTOLD = "the operator no longer tells of it: the MLModel's status was lost, or it was deleted and made again"


class RolloutKey(NamedTuple):
    """One rollout: a version is tried again after it failed, but not twice in a second."""

    namespace: str
    name: str
    version: str
    started: int


class State(NamedTuple):
    """What was last told of a model's versions, and when."""

    told: float
    rollouts: ModelRollouts


def key_of(model: Model, rollout: Rollout) -> RolloutKey:
    """Its key."""
    return RolloutKey(*model, rollout.version, int(rollout.started.timestamp()))


def save(connection: Connection, model: Model, told: ModelRollouts, now: float) -> None:
    """Keep what was told in place of what was there; rollouts that are not told of any more stay as they were."""
    lost = [one for one in _open(connection, model) if key_of(model, one) not in _keys(model, told)]
    ended = [one.model_copy(update={"ended": moment(now), "message": UNTOLD}) for one in lost]
    state = told.model_copy(update={"rollouts": ()}).model_dump_json(exclude_defaults=True)
    upsert(connection, ROLLOUT_STATES, [{"namespace": model[0], "name": model[1], "told": now, "document": state}])
    upsert(connection, ROLLOUTS, [_row(model, one, now) for one in (*ended, *told.rollouts)])


def state(connection: Connection, model: Model) -> State | None:
    """What was last told, without the rollouts."""
    query = select(ROLLOUT_STATES.c.told, ROLLOUT_STATES.c.document)
    query = query.where(ROLLOUT_STATES.c.namespace == model[0], ROLLOUT_STATES.c.name == model[1])
    row = connection.execute(query).one_or_none()
    return None if row is None else State(row.told, ModelRollouts.model_validate_json(row.document))


def latest(connection: Connection, model: Model, most: int) -> list[Rollout]:
    """The last `most`, newest first."""
    query = select(ROLLOUTS.c.document).where(*_of(model)).order_by(ROLLOUTS.c.started.desc()).limit(most)
    return [Rollout.model_validate_json(row.document) for row in connection.execute(query)]


def find(connection: Connection, key: RolloutKey) -> Rollout | None:
    """One of them."""
    mine = (*_of(key[:2]), ROLLOUTS.c.version == key.version, ROLLOUTS.c.started == key.started)
    found = connection.execute(select(ROLLOUTS.c.document).where(*mine)).scalar()
    return None if found is None else Rollout.model_validate_json(found)


def asking(connection: Connection, model: Model, query: EvidenceQuery) -> RolloutKey | None:
    """The rollout about which the operator asks this."""
    mine = (*_of(model), ROLLOUTS.c.version == query.version)
    newest = select(ROLLOUTS.c.document).where(*mine).order_by(ROLLOUTS.c.started.desc()).limit(1)
    found = connection.execute(newest).scalar()
    rollout = None if found is None else Rollout.model_validate_json(found)
    return key_of(model, rollout) if rollout is not None and rollout.question == query else None


def _open(connection: Connection, model: Model) -> list[Rollout]:
    query = select(ROLLOUTS.c.document).where(*_of(model), ROLLOUTS.c.ended.is_(None))
    return [Rollout.model_validate_json(row.document) for row in connection.execute(query)]


def _keys(model: Model, told: ModelRollouts) -> set[RolloutKey]:
    return {key_of(model, one) for one in told.rollouts}


def _row(model: Model, rollout: Rollout, now: float) -> dict[str, object]:
    ended = rollout.ended.timestamp() if rollout.ended is not None else None
    document = rollout.model_dump_json(exclude_defaults=True)
    return {**key_of(model, rollout)._asdict(), "told": now, "ended": ended, "document": document}


def _of(model: Model) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ROLLOUTS.c.namespace == model[0], ROLLOUTS.c.name == model[1]
