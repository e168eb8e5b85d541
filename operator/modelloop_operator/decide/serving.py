"""The next single move of an MLModel: bring up the version it should serve, then move the traffic, then tidy up."""

from __future__ import annotations

from datetime import datetime, timedelta

from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import Abandon, Adopt, Decision, Promote, Refuse, Retire, Start, Wait
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
    if (done := _retirable(seen, now)) is not None:
        return Retire(done, "Drained", f"{done} no longer serves and its time to drain is over")
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
    return Promote(candidate, policy.drain, *_why_promote(candidate, seen))


def _about_stable(seen: Observation, now: datetime, policy: Policy) -> Decision:
    wanted = select(seen)
    if isinstance(wanted, Nothing):
        return Wait(wanted.reason, wanted.message, policy.idle)
    if wanted != seen.stable:
        live = f"beside {seen.stable}, which stays live" if seen.stable else "as the first version"
        return Start(wanted, "NewVersion", f"bringing up {wanted} {live}")
    pods = seen.pods.get(wanted)
    if pods is None or not pods.settled or pods.ready < needed_replicas(seen):
        reason = pods.trouble.reason if pods and pods.trouble else "Updating"
        return Wait(reason, _unready(wanted, pods, needed_replicas(seen)), policy.recheck)
    if seen.route is not None and not seen.route.confirmed:
        return Wait("RouteNotConfirmed", seen.route.problem, policy.recheck)
    return Wait("UpToDate", f"{wanted} serves{_refused(seen)}", _until_next_drain(seen, now, policy))


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


def _retirable(seen: Observation, now: datetime) -> Version | None:
    if seen.route is not None and not seen.route.confirmed:
        return None
    for block in seen.model.status.warm:
        version = Version.parse(block.version)
        carries = seen.route.weights.get(version, 0) if seen.route else 0
        if not carries and (block.warmUntil is None or datetime.fromisoformat(block.warmUntil) <= now):
            return version
    return None


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
