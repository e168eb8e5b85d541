"""The next single move of an MLModel: bring up the version it should serve, then move the traffic, then tidy up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from modelloop_core.api.status import VersionStatus
from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import Abandon, Adopt, Decision, Drain, Promote, Refuse, Retire, Start, Wait
from modelloop_operator.decide.forgiveness import forgivable
from modelloop_operator.decide.observation import Observation, Pods, Policy
from modelloop_operator.decide.recovery import recover
from modelloop_operator.decide.requests import answer
from modelloop_operator.decide.selection import Nothing, holding_back, select


def decide(seen: Observation, now: datetime, policy: Policy) -> Decision:
    """Choose the next move from what is true now; the same observation and time give the same move."""
    if seen.foreign:
        return Wait("NameTaken", f"{', '.join(seen.foreign)} still belong to another owner", policy.recheck)
    if seen.stable is None and seen.candidate is None and (found := recover(seen)) is not None:
        return Adopt(*found)
    if (reply := answer(seen)) is not None:
        return reply
    if (forgiven := forgivable(seen)) is not None:
        return forgiven
    if (tidying := _tidying(seen, now, policy)) is not None:
        return tidying
    if seen.candidate is not None:
        return _about_candidate(seen.candidate, seen, now, policy)
    return _about_stable(seen, now, policy)


def _about_candidate(candidate: Version, seen: Observation, now: datetime, policy: Policy) -> Decision:
    wanted = select(seen)
    if isinstance(wanted, Version) and wanted != candidate:
        return Abandon(candidate, "Superseded", f"{wanted} is wanted instead of {candidate}")
    if isinstance(wanted, Nothing) and wanted.reason in (
        "VersionNotFound",
        "NoVersionInRange",
        "TaskDiffers",
        "NoVersions",
        "InvalidSpec",
    ):
        return Abandon(candidate, wanted.reason, wanted.message)
    pods = seen.pods.get(candidate)
    if pods is None:
        return Wait("PodsNotCreated", f"waiting for the Deployment of {candidate}", policy.recheck)
    if pods.trouble is not None and pods.trouble.permanent:
        return Refuse(candidate, pods.trouble.reason, pods.trouble.message)
    if pods.deadline_exceeded:
        return Refuse(candidate, "ProgressDeadlineExceeded", _unready(candidate, pods, needed_replicas(seen)))
    needed = needed_replicas(seen)
    if not pods.settled or pods.ready < needed:
        reason = pods.trouble.reason if pods.trouble else "CandidateNotReady"
        return Wait(reason, _unready(candidate, pods, needed), _patience(seen, now, policy))
    if pods.reachable < needed:
        return Wait(
            "EndpointsPending", f"{pods.reachable} of {needed} pods of {candidate} have endpoints", policy.recheck
        )
    return Promote(candidate, *_why_promote(candidate, seen))


def _about_stable(seen: Observation, now: datetime, policy: Policy) -> Decision:
    wanted = select(seen)
    if isinstance(wanted, Nothing):
        return _without_choice(wanted, seen, now, policy)
    if wanted != seen.stable:
        live = f"beside {seen.stable}, which stays live" if seen.stable else "as the first version"
        return Start(wanted, "NewVersion", f"bringing up {wanted} {live}")
    wait = _about_live(wanted, seen, now, policy)
    return replace(wait, message=f"{wait.message}{_refused(seen)}")


def _without_choice(why: Nothing, seen: Observation, now: datetime, policy: Policy) -> Wait:
    """What is live needs care also while the registry or the pin has a problem, which a person must hear first."""
    if seen.stable is None:
        return Wait(why.reason, why.message, policy.idle)
    wait = _about_live(seen.stable, seen, now, policy)
    return Wait(why.reason, f"{why.message}; {wait.message}", wait.recheck)


def _about_live(live: Version, seen: Observation, now: datetime, policy: Policy) -> Wait:
    pods = seen.pods.get(live)
    if pods is None or not pods.settled or pods.ready < needed_replicas(seen):
        reason = pods.trouble.reason if pods and pods.trouble else "Updating"
        return Wait(reason, _unready(live, pods, needed_replicas(seen)), policy.recheck)
    if seen.route is not None and not seen.route.confirmed:
        return Wait("RouteNotConfirmed", seen.route.problem, policy.recheck)
    return Wait("UpToDate", f"{live} serves", _until_next_drain(seen, now, policy))


def needed_replicas(seen: Observation) -> int:
    """Ready pods a version needs before it may take all traffic: as many as serve now, at least what spec asks."""
    live = seen.pods.get(seen.stable) if seen.stable else None
    if live is None or seen.model.spec.serving.autoscaling is None:
        return seen.model.spec.replicas
    return max(seen.model.spec.replicas, min(live.desired, seen.model.spec.serving.autoscaling.maxReplicas))


def floor_of(version: Version, seen: Observation) -> int:
    """Fewest pods an autoscaler may leave a version: as many as live now for one that comes or goes."""
    if version == seen.stable:
        return seen.model.spec.replicas
    pods, scaling = seen.pods.get(version), seen.model.spec.serving.autoscaling
    if version == seen.candidate or pods is None:
        return needed_replicas(seen)
    return max(1, min(pods.desired, scaling.maxReplicas) if scaling else pods.desired)


def _tidying(seen: Observation, now: datetime, policy: Policy) -> Drain | Retire | None:
    """What to do about a replaced version once no request goes to it: end its requests, then let its pods leave."""
    for block in _unrouted(seen):
        version = Version.parse(block.version)
        if block.warmUntil is None:
            left = f"its pods leave in {policy.drain.total_seconds():g} s"
            return Drain(version, policy.drain, "Unrouted", f"no request goes to {version} any more; {left}")
        if datetime.fromisoformat(block.warmUntil) <= now:
            return Retire(version, "Drained", f"{version} no longer serves and its time to drain is over")
    return None


def _unrouted(seen: Observation) -> list[VersionStatus]:
    if seen.route is None or not seen.route.confirmed:
        return []
    return [block for block in seen.model.status.warm if not seen.route.weights.get(Version.parse(block.version), 0)]


def _patience(seen: Observation, now: datetime, policy: Policy) -> timedelta:
    """Half as long again as the candidate took so far: counts come by events, only troubles by looking at pods."""
    block = seen.model.status.candidate
    waited = now - datetime.fromisoformat(block.since) if block and block.since else timedelta(0)
    return min(max(policy.recheck, waited / 2), policy.longest_recheck)


def _until_next_drain(seen: Observation, now: datetime, policy: Policy) -> timedelta:
    ends = [datetime.fromisoformat(block.warmUntil) - now for block in seen.model.status.warm if block.warmUntil]
    return max(timedelta(seconds=1), min([policy.idle, *ends]))


def _unready(version: Version, pods: Pods | None, needed: int) -> str:
    if pods is None:
        return f"{version} has no Deployment yet"
    count = f"{pods.ready} of {needed} pods of {version} are ready"
    return f"{count}: {pods.trouble.message}" if pods.trouble else count


def _refused(seen: Observation) -> str:
    newer = holding_back(seen.model.status.failedVersions, seen)
    return "".join(f"; {failed.version} was refused ({failed.reason}): {failed.message}" for failed in newer[-1:])


def _why_promote(candidate: Version, seen: Observation) -> tuple[str, str]:
    if seen.stable is None:
        return "FirstVersion", f"{candidate} is ready and is the first version"
    return "CandidateReady", f"{candidate} is ready with {needed_replicas(seen)} pods and replaces {seen.stable}"
