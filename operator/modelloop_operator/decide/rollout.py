"""The next move of a version that is tried: pods first, then its share of the traffic, then time and evidence."""

from __future__ import annotations

from datetime import datetime, timedelta

from modelloop_core.api.fields import delay
from modelloop_core.api.status import RolloutStatus
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.capacity import capacity_for, has_its_pods, needed_replicas, share_of, target_of
from modelloop_operator.decide.crashing import crashes_of_candidate
from modelloop_operator.decide.decisions import Advance, Decision, Promote, Refuse, Shift, Wait
from modelloop_operator.decide.doubt import in_doubt
from modelloop_operator.decide.experiment import Doubt, about_test
from modelloop_operator.decide.observation import Observation, Pods, Policy
from modelloop_operator.decide.plan import Plan, labels_due, plan_of
from modelloop_operator.decide.shares import ALL, Share
from modelloop_operator.decide.staging import stage

MOST_LOSSES = 3
"""How often a version may lose all its pods under traffic before it is taken back."""


def about_candidate(candidate: Version, seen: Observation, now: datetime, policy: Policy) -> Decision:
    """Take it back, bring its pods up, hold its share, or go on: the first of these that is due."""
    pods = seen.pods.get(candidate)
    if (failed := _failed(candidate, pods, seen)) is not None:
        return failed
    if share_of(seen) and (pods is None or not pods.ready):
        return _lost(candidate, seen)
    rollout = seen.model.status.rollout
    if rollout is None or rollout.advancing:
        return _get_ready(candidate, pods, seen, now, policy)
    return _hold(candidate, rollout, seen, now, policy)


def _failed(candidate: Version, pods: Pods | None, seen: Observation) -> Refuse | None:
    if pods is not None and pods.trouble is not None and pods.trouble.permanent:
        return Refuse(candidate, pods.trouble.reason, pods.trouble.message)
    if pods is not None and pods.deadline_exceeded:
        return Refuse(candidate, "ProgressDeadlineExceeded", unready(candidate, pods, _needed(seen)))
    if seen.judgement is not None and seen.judgement.verdict is Verdict.FAILED and share_of(seen):
        return Refuse(candidate, "EvidenceFailed", f"at {share_of(seen)}: {seen.judgement.message}")
    if (crashes := crashes_of_candidate(candidate, seen)) is not None:
        return Refuse(candidate, "KeepsCrashing", crashes)
    return None


def _lost(candidate: Version, seen: Observation) -> Refuse | Shift:
    rollout, share = seen.model.status.rollout, share_of(seen)
    times = (rollout.failedChecks if rollout else 0) + 1
    pods = seen.pods.get(candidate)
    why = f": {pods.trouble.message}" if pods and pods.trouble else ""
    if times >= MOST_LOSSES:
        return Refuse(candidate, "KeepsFailing", f"it lost all its pods {times} times while it had traffic{why}")
    message = f"{candidate} has no ready pod at {share} ({times} of at most {MOST_LOSSES - 1} times){why}"
    return Shift(candidate, 0, "LostItsPods", message)


def _get_ready(candidate: Version, pods: Pods | None, seen: Observation, now: datetime, policy: Policy) -> Decision:
    """Pods before traffic: as many as the next share needs, ready and reachable."""
    needed = _needed(seen)
    if pods is None:
        return Wait("PodsNotCreated", f"waiting for the Deployment of {candidate}", policy.recheck)
    if not has_its_pods(candidate, seen):
        return _unready_yet(candidate, pods, seen, now, policy)
    if pods.reachable < needed:
        found = f"{pods.reachable} of {needed} pods of {candidate} have endpoints"
        return Wait("EndpointsPending", found, policy.recheck)
    if (paused := _paused(seen, policy)) is not None:
        return paused
    if (staging := stage(candidate, seen, now, policy)) is not None:
        return staging
    if target_of(seen) == ALL:
        return Promote(candidate, *_why_promote(candidate, seen))
    target = target_of(seen)
    ready = f"{candidate} is ready with {needed} pods and gets {target}"
    return Shift(candidate, target.weight, "PodsReady", ready, mirror=target.mirror)


def _unready_yet(candidate: Version, pods: Pods, seen: Observation, now: datetime, policy: Policy) -> Refuse | Wait:
    found, rollout = unready(candidate, pods, _needed(seen)), seen.model.status.rollout
    reason = pods.trouble.reason if pods.trouble else "CandidateNotReady"
    if rollout is None or seen.model.spec.rollout is None:
        return Wait(reason, found, _patience(seen, now, policy))
    since = datetime.fromisoformat(rollout.preparingSince) if rollout.preparingSince else now
    deadline = since + delay(plan_of(seen).rollout.progressDeadline)
    if now >= deadline:
        return Refuse(candidate, "ProgressDeadlineExceeded", f"{found}, after {plan_of(seen).rollout.progressDeadline}")
    return Wait(reason, found, min(_patience(seen, now, policy), deadline - now), until=deadline)


def _hold(candidate: Version, rollout: RolloutStatus, seen: Observation, now: datetime, policy: Policy) -> Decision:
    """Its share for its time, until the verdict is Passed and whoever has to say yes did."""
    plan, share = plan_of(seen), share_of(seen)
    step = plan.step(share)
    if plan.unmirrored is not None and share.copies_a_part:
        on = f"{candidate} goes on from {share} to {plan.after(share)}: {plan.unmirrored.message}"
        return Advance(candidate, plan.unmirrored.reason, on)
    if not is_confirmed(candidate, seen):
        return in_doubt(candidate, "RouteNotConfirmed", _route_problem(seen), seen, now, policy)
    if rollout.stepStartedAt is None:
        return Wait("StepBegins", f"the gateway confirmed {share} for {candidate}", policy.recheck)
    if (paused := _paused(seen, policy)) is not None:
        return paused
    if plan.ab is not None and share != plan.shares[0]:
        return _to_split(candidate, plan, share)
    began = datetime.fromisoformat(rollout.stepStartedAt)
    if plan.ab is not None:
        found = about_test(candidate, plan.ab, began, seen, now, policy)
        if not isinstance(found, Doubt):
            return found
        return in_doubt(candidate, found.reason, found.message, seen, now, policy)
    end = began + delay(step.hold)
    if now < end:
        held = f"{candidate} has {share} and holds it for {step.hold}, until {end:%Y-%m-%d %H:%M:%S} UTC"
        return Wait("HoldingStep", held, min(policy.idle, end - now), until=end)
    due = labels_due(seen) if share.weight else None
    if due is not None and now < due:
        held = f"{candidate} stays at {share} until labels can have come, {due:%Y-%m-%d %H:%M:%S} UTC"
        return Wait("LabelsPending", held, min(policy.idle, due - now), until=due)
    judgement = seen.judgement
    if judgement is not None and judgement.verdict is not Verdict.PASSED:
        return in_doubt(candidate, judgement.reason, judgement.message, seen, now, policy)
    if step.approval and rollout.approvedWeight != share.weight:
        return Wait("ApprovalPending", _asks(candidate, plan, seen), policy.idle)
    earned = judgement.message if judgement is not None else "nobody judges it"
    after = f"{candidate} goes on from {share} to {plan.after(share)}: {earned}"
    return Advance(candidate, "StepPassed" if judgement is not None else "StepHeld", after)


def _to_split(candidate: Version, plan: Plan, share: Share) -> Advance | Shift:
    """A test at another share than its split: pods come before more of the traffic, and less needs none."""
    split = plan.shares[0]
    found = f"{candidate} goes from {share} to {split}: spec.rollout.ab says so now"
    if split > share:
        return Advance(candidate, "SplitChanged", found)
    return Shift(candidate, split.weight, "SplitChanged", found)


def _paused(seen: Observation, policy: Policy) -> Wait | None:
    rollout, declared = seen.model.status.rollout, seen.model.spec.rollout
    if seen.stable is None or rollout is None or is_way_back(seen):
        return None
    name, at = seen.model.metadata.name, f"{seen.candidate} stays at {share_of(seen)}"
    if declared is not None and declared.paused:
        return Wait("PausedBySpec", f"{at}: spec.rollout.paused is true", policy.idle)
    if rollout.paused:
        return Wait("PausedByRequest", f"{at}: somebody asked for it; `kubectl mlmodel resume {name}`", policy.idle)
    return None


def is_confirmed(candidate: Version, seen: Observation) -> bool:
    """Whether the gateway confirmed the candidate's present share."""
    route, share = seen.route, share_of(seen)
    if route is None or not route.confirmed:
        return False
    return (route.weights.get(candidate, 0), route.mirrors.get(candidate, 0)) == (share.weight, share.mirror)


def is_way_back(seen: Observation) -> bool:
    """Whether the candidate is what traffic goes back to, because what is live failed here."""
    stable = seen.model.status.stable
    return stable is not None and any(failed.version == stable.version for failed in seen.model.status.failedVersions)


def unready(version: Version, pods: Pods | None, needed: int) -> str:
    """How many pods of a version are ready, and why not more."""
    if pods is None:
        return f"{version} has no Deployment yet"
    count = f"{pods.ready} of {needed} pods of {version} are ready"
    return f"{count}: {pods.trouble.message}" if pods.trouble else count


def _needed(seen: Observation) -> int:
    return capacity_for(target_of(seen), seen)


def _route_problem(seen: Observation) -> str:
    if seen.route is None:
        return "traffic is not routed yet"
    if seen.model.spec.traffic.gateway is None or not seen.capabilities.gateway_api:
        return "shares of the traffic need spec.traffic.gateway and the Gateway API, which it began with"
    return seen.route.problem or "the route does not say so yet"


def _asks(candidate: Version, plan: Plan, seen: Observation) -> str:
    share, name = share_of(seen), seen.model.metadata.name
    following = plan.after(share)
    return f"{candidate} has earned more than {share}; `kubectl mlmodel approve {name}` lets it go to {following}"


def _patience(seen: Observation, now: datetime, policy: Policy) -> timedelta:
    """Half as long again as the candidate took so far: counts come by events, only troubles by looking at pods."""
    block = seen.model.status.candidate
    waited = now - datetime.fromisoformat(block.since) if block and block.since else timedelta(0)
    return min(max(policy.recheck, waited / 2), policy.longest_recheck)


def _why_promote(candidate: Version, seen: Observation) -> tuple[str, str]:
    pods = f"ready with {needed_replicas(seen)} pods"
    rollout = seen.model.status.rollout
    if seen.stable is None:
        return "FirstVersion", f"{candidate} is ready and is the first version"
    if is_way_back(seen):
        return "RolledBack", f"{candidate} is {pods} and replaces {seen.stable}, which failed here"
    if rollout is not None and rollout.promoted:
        return "PromotedByRequest", f"{candidate} is {pods} and replaces {seen.stable}, as somebody asked"
    if rollout is not None and rollout.outcome:
        return rollout.outcome, f"{candidate} is {pods} and replaces {seen.stable}: {rollout.evidence}"
    if plan_of(seen).staged and rollout is not None:
        return "RolloutPassed", f"{candidate} has held every step, is {pods} and replaces {seen.stable}"
    return "CandidateReady", f"{candidate} is {pods} and replaces {seen.stable}"
