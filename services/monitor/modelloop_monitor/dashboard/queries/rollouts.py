"""A model's rollouts with the answers about their evidence."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from modelloop_core.wire.rollouts import Rollout
from modelloop_monitor.problems import NOT_FOUND, ProblemError
from modelloop_monitor.store import rollout_evidence, rollouts
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.rollout_evidence import Kept
from modelloop_monitor.store.rollouts import RolloutKey, State

_MOST = 50


@dataclass(frozen=True)
class Judged:
    """A rollout, and what was answered about it as it went, oldest first."""

    rollout: Rollout
    answers: tuple[Kept, ...]


@dataclass(frozen=True)
class Rollouts:
    """What the operator told last (None: nothing yet), the newest rollout, and those before it, newest first."""

    state: State | None
    newest: Judged | None
    before: tuple[Rollout, ...]


def read_rollouts(connection: Connection, model: Model) -> Rollouts:
    """All that is shown of a model's rollouts."""
    found = rollouts.latest(connection, model, _MOST)
    newest = _judged(connection, model, found[0]) if found else None
    return Rollouts(rollouts.state(connection, model), newest, tuple(found[1:]))


def read_rollout(connection: Connection, model: Model, version: str, started: str) -> Judged:
    """One rollout by its address; raises ProblemError (404)."""
    moment = int(started) if started.isdecimal() and len(started) < 12 else -1
    found = rollouts.find(connection, RolloutKey(*model, version, moment))
    if found is None:
        raise ProblemError(NOT_FOUND, f"no rollout of {version!r} that began at {started!r} is kept")
    return _judged(connection, model, found)


def _judged(connection: Connection, model: Model, rollout: Rollout) -> Judged:
    return Judged(rollout, tuple(rollout_evidence.of(connection, rollouts.key_of(model, rollout))))
