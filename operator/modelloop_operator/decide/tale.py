"""What the monitor is told of an MLModel's rollouts: a pure function of status and of what is asked of the evidence."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api.past_rollouts import Asked, PastRollout, StepTaken
from modelloop_core.api.status import VersionStatus
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.rollouts import (
    LONGEST_TEXT,
    ModelRollouts,
    Rollout,
    RolloutRequest,
    RolloutStep,
    RolloutVersion,
)
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.questions import question


def tale_of(seen: Observation) -> ModelRollouts | None:
    """All that status says of rollouts; None before a version is live."""
    status = seen.model.status
    if status.stable is None:
        return None
    asked = question(seen)
    past = [_past(one, asked if one is status.pastRollouts[-1] else None) for one in status.pastRollouts]
    present = _present(seen, asked)
    return ModelRollouts(
        live=_version(status.stable),
        tried=_version(status.candidate) if status.candidate is not None else None,
        message=status.message[:LONGEST_TEXT],
        rollouts=(*past, present) if present is not None else tuple(past),
    )


def _present(seen: Observation, asked: EvidenceQuery | None) -> Rollout | None:
    status = seen.model.status
    rollout, candidate, stable = status.rollout, status.candidate, status.stable
    if rollout is None or candidate is None or stable is None:
        return None
    return Rollout(
        version=candidate.version,
        against=stable.version,
        strategy=rollout.strategy,
        started=_at(rollout.startedAt),
        steps=tuple(map(_step, rollout.steps)),
        asked=tuple(map(_request, rollout.asked)),
        plan=(*(step.weight for step in plan_of(seen).steps if step.weight), 100),
        waits_for=rollout.waitsFor,
        until=_at(rollout.until) if rollout.until else None,
        question=asked,
    )


def _past(one: PastRollout, asked: EvidenceQuery | None) -> Rollout:
    return Rollout(
        version=one.version,
        against=one.against,
        strategy=one.strategy,
        started=_at(one.from_),
        steps=tuple(map(_step, one.steps)),
        asked=tuple(map(_request, one.asked)),
        ended=_at(one.until),
        outcome=one.outcome,
        reason=one.reason,
        message=one.message,
        question=asked if asked is not None and asked.version == one.version else None,
    )


def _version(block: VersionStatus) -> RolloutVersion:
    return RolloutVersion(
        version=block.version,
        weight=block.requestedWeight,
        confirmed=block.effectiveWeight,
        ready=block.readyReplicas,
    )


def _step(taken: StepTaken) -> RolloutStep:
    return RolloutStep(weight=taken.weight, mirror=taken.mirror, since=_at(taken.since), verdict=taken.verdict)


def _request(asked: Asked) -> RolloutRequest:
    return RolloutRequest(verb=asked.verb, by=asked.by, at=_at(asked.at))


def _at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)
