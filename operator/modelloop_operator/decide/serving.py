"""The next single move of an MLModel: bring up the version it should serve, then move the traffic, then tidy up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from modelloop_core.api.status import VersionStatus
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.capacity import needed_replicas
from modelloop_operator.decide.crashing import crashes_of_promoted
from modelloop_operator.decide.decisions import Abandon, Condemn, Decision, Drain, Retire, RollBack, Start, Wait
from modelloop_operator.decide.forgiveness import forgivable
from modelloop_operator.decide.observation import Observation, Policy
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.recovery import recover
from modelloop_operator.decide.requests import answer
from modelloop_operator.decide.rollout import about_candidate, unready
from modelloop_operator.decide.selection import Nothing, awaits_a_yes, holding_back, is_condemned, previous, select

_ENDING = frozenset({"InvalidSpec", "NoVersionInRange", "NoVersions", "TaskDiffers", "VersionNotFound"})
"""Reasons for which nothing may be chosen that also end what is tried."""


def decide(seen: Observation, now: datetime, policy: Policy) -> Decision:
    """Choose the next move from what is true now; the same observation and time give the same move."""
    if seen.foreign:
        return Wait("NameTaken", f"{', '.join(seen.foreign)} still belong to another owner", policy.recheck)
    if seen.stable is None and seen.candidate is None and (found := recover(seen)) is not None:
        return found
    if (reply := answer(seen)) is not None:
        return reply
    if (forgiven := forgivable(seen)) is not None:
        return forgiven
    if (tidying := _tidying(seen, now, policy)) is not None:
        return tidying
    if seen.candidate is not None:
        return _given_up(seen.candidate, seen) or about_candidate(seen.candidate, seen, now, policy)
    return _condemned(seen) or _about_stable(seen, now, policy)


def _given_up(candidate: Version, seen: Observation) -> Abandon | None:
    """Why the candidate is no longer wanted, whatever it did, if it is not."""
    wanted = select(seen)
    if isinstance(wanted, Version) and wanted != candidate:
        return Abandon(candidate, "Superseded", f"{wanted} is wanted instead of {candidate}")
    if isinstance(wanted, Nothing) and wanted.reason in _ENDING:
        return Abandon(candidate, wanted.reason, wanted.message)
    return None


def _about_stable(seen: Observation, now: datetime, policy: Policy) -> Decision:
    wanted = select(seen)
    if isinstance(wanted, Nothing):
        return _without_choice(wanted, seen, now, policy)
    if wanted != seen.stable:
        return _take_up(wanted, seen, now, policy)
    wait = _about_live(wanted, seen, now, policy)
    return replace(wait, message=f"{wait.message}{_refused(seen)}{_awaiting(seen)}")


def _condemned(seen: Observation) -> Condemn | None:
    """What is live is judged on while the version before it is warm."""
    live, before, judgement = seen.stable, previous(seen), seen.judgement
    if live is None or before is None or is_condemned(seen):
        return None
    if judgement is not None and judgement.verdict is Verdict.FAILED:
        return Condemn(live, "EvidenceFailed", f"after its promotion: {judgement.message}; {before} comes in its place")
    if (crashes := crashes_of_promoted(seen)) is not None:
        return Condemn(live, "KeepsCrashing", f"after its promotion {crashes}; {before} comes in its place")
    return None


def _take_up(wanted: Version, seen: Observation, now: datetime, policy: Policy) -> RollBack | Start | Wait:
    """Another version than the live one is wanted: a warm one that was live takes over at once, others come up."""
    if seen.stable is None:
        return Start(wanted, "NewVersion", f"bringing up {wanted} as the first version")
    condemned, known = is_condemned(seen), _was_live(wanted, seen)
    why = f"because {seen.stable} failed here" if condemned else f"instead of {seen.stable}"
    if known and _is_warm(wanted, seen):
        reason = "RolledBack" if condemned else "BackToWarm"
        return RollBack(wanted, reason, f"all traffic goes back to {wanted}, whose pods are warm, {why}")
    back = condemned or (known and wanted < seen.stable)
    if back:
        return Start(wanted, "GoingBack", f"bringing up {wanted} again, {why}")
    declared = seen.model.spec.rollout
    if declared is not None and declared.paused:
        wait = _about_live(seen.stable, seen, now, policy)
        return Wait("PausedBySpec", f"{wanted} waits: spec.rollout.paused is true; {wait.message}", wait.recheck)
    message = f"bringing up {wanted} beside {seen.stable}, which stays live"
    return Start(wanted, "NewVersion", message, staged=plan_of(seen).staged)


def _was_live(version: Version, seen: Observation) -> bool:
    status = seen.model.status
    failed = any(failure.version == str(version) for failure in status.failedVersions)
    return not failed and any(entry.version == str(version) for entry in status.history)


def _is_warm(version: Version, seen: Observation) -> bool:
    """Whether a version's pods can take all traffic now."""
    pods = seen.pods.get(version)
    warm = any(block.version == str(version) for block in seen.model.status.warm)
    return warm and pods is not None and pods.ready >= needed_replicas(seen)


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
        return Wait(reason, unready(live, pods, needed_replicas(seen)), policy.recheck)
    if seen.route is not None and not seen.route.confirmed:
        return Wait("RouteNotConfirmed", seen.route.problem, policy.recheck)
    return Wait("UpToDate", f"{live} serves", _until_next_drain(seen, now, policy))


def _tidying(seen: Observation, now: datetime, policy: Policy) -> Drain | Retire | None:
    """What to do about a replaced version once no request goes to it: end its requests, then let its pods leave."""
    for block in _unrouted(seen):
        version, end = Version.parse(block.version), block.warmUntil
        kept = plan_of(seen).keep_warm if version == previous(seen) else timedelta(0)
        after = max(policy.drain, kept)
        if end is None:
            left = f"its pods leave in {after.total_seconds():g} s"
            return Drain(version, after, "Unrouted", f"no request goes to {version} any more; {left}")
        if datetime.fromisoformat(end) <= now:
            return Retire(version, "Drained", f"{version} no longer serves and its time to drain is over")
        if datetime.fromisoformat(end) > now + after:
            message = f"{version} is not kept warm so long any more: its pods leave in {after.total_seconds():g} s"
            return Drain(version, after, "NotKept", message)
    return None


def _unrouted(seen: Observation) -> list[VersionStatus]:
    if seen.route is None or not seen.route.confirmed:
        return []
    route, versions = seen.route, ((block, Version.parse(block.version)) for block in seen.model.status.warm)
    return [
        block for block, version in versions if not (route.weights.get(version, 0) or route.mirrors.get(version, 0))
    ]


def _until_next_drain(seen: Observation, now: datetime, policy: Policy) -> timedelta:
    ends = [datetime.fromisoformat(block.warmUntil) - now for block in seen.model.status.warm if block.warmUntil]
    return max(timedelta(seconds=1), min([policy.idle, *ends]))


def _refused(seen: Observation) -> str:
    newer = holding_back(seen.model.status.failedVersions, seen)
    return "".join(f"; {failed.version} was refused ({failed.reason}): {failed.message}" for failed in newer[-1:])


def _awaiting(seen: Observation) -> str:
    waits = awaits_a_yes(seen)
    if waits is None:
        return ""
    return f"; {waits} has another signature and waits for a yes: spec.version {str(waits)!r}, or a range with it"
