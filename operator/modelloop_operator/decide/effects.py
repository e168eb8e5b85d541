"""What each decision changes of what is remembered: roles, shares of the traffic, failures, answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from modelloop_core.api import MLModelStatus
from modelloop_core.api.past_rollouts import StepTaken
from modelloop_core.api.status import (
    FAILED_VERSIONS_LENGTH,
    HISTORY_LENGTH,
    FailedVersion,
    HandledRequest,
    HistoryEntry,
    RolloutStatus,
    StagingStatus,
    VersionStatus,
)
from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import (
    Abandon,
    Adopt,
    Advance,
    Answer,
    Approve,
    Condemn,
    Decision,
    Drain,
    Effect,
    Force,
    Forget,
    Pause,
    Promote,
    Refuse,
    Retire,
    RollBack,
    Shift,
    Stage,
    Start,
    Wait,
)
from modelloop_operator.decide.experiment import UNDECIDED, WON
from modelloop_operator.decide.failures import NOT_THE_PODS_FAULT, pods_digest
from modelloop_operator.decide.holding import serving_of
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.past import with_asked, with_end, with_share
from modelloop_operator.decide.plan import BLUE_GREEN, plan_of
from modelloop_operator.decide.shares import Share, share_in

_AB_ENDS = frozenset({WON, UNDECIDED})


def remembered(seen: Observation, decision: Decision, now: datetime) -> MLModelStatus:
    """The status with the decision's own effect, before anything observed is noted in it."""
    status = seen.model.status
    match decision:
        case Wait():
            return status
        case Adopt():
            return _adopted(status, decision, now)
        case Start():
            return _started(seen, decision, now)
        case Stage(run=run):
            return _with_rollout(status, staging=StagingStatus(since=stamp(now), run=run))
        case Advance() | Shift():
            return _moved(seen, decision, now)
        case Promote(version) | RollBack(version):
            return with_end(status, _live(seen, version, decision.reason, now), decision, stamp(now))
        case Abandon():
            return with_end(status, _without_candidate(seen, now), decision, stamp(now))
        case Drain(version, after):
            return status.model_copy(update={"warm": [_drained(block, version, now + after) for block in status.warm]})
        case Retire(version):
            return status.model_copy(update={"warm": [b for b in status.warm if b.version != str(version)]})
        case Answer():
            return _answered(seen, decision, now)
        case Refuse() | Condemn() | Forget():
            return _changed(seen, decision, now)
        case _:
            assert_never(decision)


def _changed(seen: Observation, effect: Effect, now: datetime) -> MLModelStatus:
    status = seen.model.status
    match effect:
        case Refuse():
            over = with_end(status, _without_candidate(seen, now), effect, stamp(now))
            return _held_against(over, seen, effect, now)
        case Condemn():
            return _held_against(with_end(status, status, effect, stamp(now)), seen, effect, now)
        case Forget(versions):
            return _forget(status, versions)
        case Force():
            return _with_rollout(status, promoted=True, advancing=True, paused=False, preparingSince=stamp(now))
        case Approve():
            weight = status.candidate.requestedWeight if status.candidate else None
            return _with_rollout(status, approvedWeight=weight)
        case Pause(paused):
            return _with_rollout(status, paused=paused)
        case _:
            assert_never(effect)


def _adopted(status: MLModelStatus, decision: Adopt, now: datetime) -> MLModelStatus:
    stable = VersionStatus(version=str(decision.version), requestedWeight=100, since=stamp(now))
    # Requests still go to these: their pods stay until the gateway has taken up the route without them.
    warm = [VersionStatus(version=str(version), since=stamp(now)) for version in decision.beside]
    history = _went_live(status, decision.version, decision.reason, now)
    return status.model_copy(update={"stable": stable, "warm": warm, "history": history})


def _started(seen: Observation, decision: Start, now: datetime) -> MLModelStatus:
    status = seen.model.status
    warm = [block for block in status.warm if block.version != str(decision.version)]
    candidate = VersionStatus(version=str(decision.version), since=stamp(now))
    rollout = None
    if status.stable is not None:
        strategy = plan_of(seen).strategy if decision.staged else BLUE_GREEN
        rollout = RolloutStatus(strategy=strategy, startedAt=stamp(now), preparingSince=stamp(now))
    return status.model_copy(update={"candidate": candidate, "warm": warm, "rollout": rollout})


def _moved(seen: Observation, decision: Advance | Shift, now: datetime) -> MLModelStatus:
    status = seen.model.status
    if isinstance(decision, Advance):
        ended = {"outcome": decision.reason, "evidence": decision.message[:1024]} if decision.reason in _AB_ENDS else {}
        return _with_rollout(status, advancing=True, preparingSince=stamp(now), inconclusiveSince=None, **ended)
    before, given = share_in(status), bool(decision.weight or decision.mirror)
    losses = (status.rollout.failedChecks if status.rollout else 0) + (not given)
    held = status.rollout.serving if status.rollout else None
    held = held if held is not None else serving_of(seen.model.spec)
    moved = _with_rollout(
        status,
        strategy=plan_of(seen).strategy,
        advancing=not given,
        preparingSince=None if given else stamp(now),
        stepStartedAt=None,
        inconclusiveSince=None,
        verdict=None,
        evidence="",
        steps=_shares(status.rollout, Share(decision.weight, decision.mirror), now),
        failedChecks=losses,
        promoted=False,
        outcome="",
        mirror=decision.mirror or None,
        serving=held if given else None,
        **_asked_anew(before.mirror, decision.mirror),
    )
    return _weighted(moved, decision.weight)


def _shares(rollout: RolloutStatus | None, share: Share, now: datetime) -> list[StepTaken]:
    """The shares it had: a new one counts once the gateway confirmed it, the loss of all at once."""
    if rollout is None:
        return []
    return rollout.steps if share else with_share(rollout, share, stamp(now))


def _asked_anew(before: int, after: int) -> dict[str, object]:
    """Copies are judged by themselves, with numbers of their own; a yes to some of them is none to what follows."""
    anew: dict[str, object] = {"judgedSince": None, "figures": None, "metrics": []}
    changed = anew if bool(before) != bool(after) else {}
    return {**changed, "approvedWeight": None} if before or after else changed


def _weighted(status: MLModelStatus, weight: int) -> MLModelStatus:
    """The candidate with `weight` and the live version with the rest: they add to 100."""
    update: dict[str, VersionStatus] = {}
    if status.stable is not None:
        update["stable"] = status.stable.model_copy(update={"requestedWeight": 100 - weight})
    if status.candidate is not None:
        update["candidate"] = status.candidate.model_copy(update={"requestedWeight": weight})
    return status.model_copy(update=update)


def _live(seen: Observation, version: Version, reason: str, now: datetime) -> MLModelStatus:
    """All traffic to `version`; what was live stays warm, and so does a candidate that another one passes by."""
    status = seen.model.status
    if status.candidate is not None and status.candidate.version != str(version):
        status = _without_candidate(seen, now)
    warm = [block for block in status.warm if block.version != str(version)]
    if status.stable is not None:
        warm.append(_leaving(status.stable, now))
    stable = VersionStatus(version=str(version), requestedWeight=100, since=stamp(now))
    history = _went_live(status, version, reason, now)
    if status.rollout is not None and status.rollout.outcome:
        history[-1] = history[-1].model_copy(update={"evidence": status.rollout.evidence})
    return status.model_copy(
        update={"stable": stable, "candidate": None, "rollout": None, "warm": warm, "history": history}
    )


def _without_candidate(seen: Observation, now: datetime) -> MLModelStatus:
    """All traffic to what is live; the candidate's pods stay while requests may still come to them."""
    block, route = seen.model.status.candidate, seen.route
    status = _weighted(seen.model.status, 0).model_copy(update={"candidate": None, "rollout": None})
    if block is None or status.stable is None or route is None:
        return status
    version = Version.parse(block.version)
    asked = share_in(seen.model.status) or route.weights.get(version, 0) or route.mirrors.get(version, 0)
    routed = asked or not route.confirmed
    return status.model_copy(update={"warm": [*status.warm, _leaving(block, now)]}) if routed else status


def _leaving(block: VersionStatus, now: datetime) -> VersionStatus:
    return block.model_copy(update={"since": stamp(now), "requestedWeight": 0, "warmUntil": None})


def _held_against(status: MLModelStatus, seen: Observation, decision: Refuse | Condemn, now: datetime) -> MLModelStatus:
    failure = FailedVersion(
        version=str(decision.version),
        reason=decision.reason,
        message=decision.message[:1024],
        at=stamp(now),
        pin=seen.model.spec.version,
        podsDigest=None if decision.reason in NOT_THE_PODS_FAULT else pods_digest(seen.model.spec),
    )
    others = [known for known in status.failedVersions if known.version != failure.version]
    return status.model_copy(update={"failedVersions": [*others, failure][-FAILED_VERSIONS_LENGTH:]})


def _drained(block: VersionStatus, version: Version, end: datetime) -> VersionStatus:
    return block.model_copy(update={"warmUntil": stamp(end)}) if block.version == str(version) else block


def _went_live(status: MLModelStatus, version: Version, reason: str, now: datetime) -> list[HistoryEntry]:
    ended = [entry if entry.until else entry.model_copy(update={"until": stamp(now)}) for entry in status.history]
    return [*ended, HistoryEntry(version=str(version), from_=stamp(now), reason=reason)][-HISTORY_LENGTH:]


def _forget(status: MLModelStatus, versions: tuple[Version, ...]) -> MLModelStatus:
    gone = {str(version) for version in versions}
    kept = [failure for failure in status.failedVersions if failure.version not in gone]
    return status.model_copy(update={"failedVersions": kept})


def _answered(seen: Observation, decision: Answer, now: datetime) -> MLModelStatus:
    status = seen.model.status
    if decision.effect is not None:
        by = seen.request.by if seen.request is not None else ""
        noted = with_asked(status, decision.verb, by, stamp(now))
        asked = replace(seen, model=seen.model.model_copy(update={"status": noted}))
        status = _changed(asked, decision.effect, now)
    handled = HandledRequest(
        id=decision.request_id,
        verb=decision.verb,
        outcome="Done" if decision.done else "Refused",
        message=decision.message,
        at=stamp(now),
    )
    return status.model_copy(update={"handledRequest": handled})


def _with_rollout(status: MLModelStatus, **changes: object) -> MLModelStatus:
    if status.rollout is None:
        return status
    return status.model_copy(update={"rollout": status.rollout.model_copy(update=changes)})


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
