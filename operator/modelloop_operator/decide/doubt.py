"""Holding a version for want of something that nobody can promise: a verdict, the gateway's yes, a Job."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api.fields import delay
from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.decisions import Refuse, Wait
from modelloop_operator.decide.observation import Observation, Policy
from modelloop_operator.decide.plan import plan_of


def in_doubt(
    candidate: Version, reason: str, found: str, seen: Observation, now: datetime, policy: Policy
) -> Refuse | Wait:
    """It stays where it is, and for how long at the most."""
    plan, rollout = plan_of(seen), seen.model.status.rollout
    held = f"{candidate} stays at {share_of(seen)}: {found}"
    since = rollout.inconclusiveSince if rollout is not None else None
    if since is None:
        return Wait(reason, held, policy.recheck, doubtful=True)
    allowed = plan.rollout.inconclusiveDeadline
    deadline = datetime.fromisoformat(since) + delay(allowed)
    if now < deadline:
        return Wait(reason, held, min(policy.longest_recheck, deadline - now), until=deadline, doubtful=True)
    if plan.rollout.onInconclusive == "RollBack":
        return Refuse(candidate, "InconclusiveDeadlineExceeded", f"no verdict within {allowed}: {found}")
    over = f"{held}; so for longer than {allowed}, and spec.rollout.onInconclusive is Hold: {_ways_on(seen)}"
    return Wait("InconclusiveDeadlineExceeded", over, policy.longest_recheck, doubtful=True)


def _ways_on(seen: Observation) -> str:
    name = seen.model.metadata.name
    return f"`kubectl mlmodel promote {name}` or `kubectl mlmodel abort {name}`"
