"""What is remembered of a rollout as it goes and when it is over: its shares, who asked for what, how it ended."""

from __future__ import annotations

from modelloop_core.api import MLModelStatus
from modelloop_core.api.past_rollouts import (
    ASKED_LENGTH,
    PAST_ROLLOUTS_LENGTH,
    STEPS_LENGTH,
    Asked,
    Outcome,
    PastRollout,
    StepTaken,
)
from modelloop_core.api.status import RolloutStatus
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.decisions import Abandon, Condemn, Promote, Refuse, RollBack
from modelloop_operator.decide.shares import ALL, Share

End = Promote | RollBack | Abandon | Refuse | Condemn
"""Decisions that end a rollout, or change how one ended."""

_LONGEST_MESSAGE = 400
_LONGEST_NAME = 100
_ABOUT_A_ROLLOUT = frozenset({"promote", "approve", "pause", "resume", "abort", "rollback"})
_EVIDENCE = "EvidenceFailed"
_WAY_BACK = "RolledBack"
"""The reason of a version that comes back because the one after it failed, which that one's rollout tells already."""


def with_share(rollout: RolloutStatus, share: Share, at: str) -> list[StepTaken]:
    """The shares that a version had, and this one since `at`."""
    return [*rollout.steps, StepTaken(weight=share.weight, mirror=share.mirror or None, since=at)][-STEPS_LENGTH:]


def with_verdict(rollout: RolloutStatus, verdict: str) -> list[StepTaken]:
    """The same with what the evidence says of the present share."""
    if not rollout.steps:
        return []
    return [*rollout.steps[:-1], rollout.steps[-1].model_copy(update={"verdict": str(verdict)})]


def with_asked(status: MLModelStatus, verb: str, by: str, at: str) -> MLModelStatus:
    """A person's word, noted at the rollout that it is about: the present one, else that of the live version."""
    if verb not in _ABOUT_A_ROLLOUT:
        return status
    asked = Asked(verb=verb, by=by[:_LONGEST_NAME], at=at)
    if status.rollout is not None:
        noted = [*status.rollout.asked, asked][-ASKED_LENGTH:]
        return status.model_copy(update={"rollout": status.rollout.model_copy(update={"asked": noted})})
    last = _of_the_live_one(status)
    if last is None:
        return status
    return _changed(status, last, asked=[*last.asked, asked][-ASKED_LENGTH:])


def with_end(before: MLModelStatus, after: MLModelStatus, decision: End, at: str) -> MLModelStatus:
    """`after` with the rollout that `decision` ends, if it ends one."""
    if isinstance(decision, Condemn):
        return _with_condemned(after, decision, at)
    rollout, candidate, stable = before.rollout, before.candidate, before.stable
    if rollout is None or after.rollout is not None or candidate is None or stable is None:
        return after
    if decision.reason == _WAY_BACK:
        return after
    ended = PastRollout(
        version=candidate.version,
        against=stable.version,
        strategy=rollout.strategy,
        from_=rollout.startedAt,
        until=at,
        outcome=_outcome(rollout, decision),
        reason=decision.reason,
        message=decision.message[:_LONGEST_MESSAGE],
        steps=_last_steps(rollout, decision, at),
        asked=rollout.asked,
    )
    return after.model_copy(update={"pastRollouts": [*after.pastRollouts, ended][-PAST_ROLLOUTS_LENGTH:]})


def _last_steps(rollout: RolloutStatus, decision: End, at: str) -> list[StepTaken]:
    if isinstance(decision, Promote):
        return with_share(rollout, ALL, at)
    return with_verdict(rollout, Verdict.FAILED) if decision.reason == _EVIDENCE else rollout.steps


def _outcome(rollout: RolloutStatus, decision: End) -> Outcome:
    if isinstance(decision, Promote):
        return Outcome.PROMOTED
    if isinstance(decision, Refuse):
        return Outcome.ROLLED_BACK if any(step.weight for step in rollout.steps) else Outcome.REFUSED
    return Outcome.ABANDONED


def _with_condemned(status: MLModelStatus, decision: Condemn, at: str) -> MLModelStatus:
    """What went live and failed then: its rollout ended otherwise than it had seemed."""
    last = _of_the_live_one(status)
    if last is None:
        return status
    message = decision.message[:_LONGEST_MESSAGE]
    return _changed(status, last, until=at, outcome=Outcome.ROLLED_BACK, reason=decision.reason, message=message)


def _of_the_live_one(status: MLModelStatus) -> PastRollout | None:
    """The rollout by which the live version came, unless it is condemned already."""
    live = status.stable.version if status.stable is not None else None
    mine = (one for one in reversed(status.pastRollouts) if one.version == live)
    last = next(mine, None)
    return last if last is not None and last.outcome is Outcome.PROMOTED else None


def _changed(status: MLModelStatus, rollout: PastRollout, **changes: object) -> MLModelStatus:
    after = [one.model_copy(update=changes) if one is rollout else one for one in status.pastRollouts]
    return status.model_copy(update={"pastRollouts": after})
