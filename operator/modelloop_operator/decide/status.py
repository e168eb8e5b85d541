"""The status to commit: the decision's effect on what is remembered, and a summary of what was observed."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import (
    FAILED_VERSIONS_LENGTH,
    HISTORY_LENGTH,
    FailedVersion,
    HandledRequest,
    HistoryEntry,
    VersionStatus,
)
from modelloop_core.versions import Version
from modelloop_operator.decide.conditions import conditions, phase
from modelloop_operator.decide.decisions import (
    Abandon,
    Adopt,
    Answer,
    Decision,
    Drain,
    Forget,
    Promote,
    Refuse,
    Retire,
    Start,
    Wait,
)
from modelloop_operator.decide.failures import pods_digest
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.watching import drift_status

_AROUND = {
    **dict.fromkeys(("RouteAccepted", "DeviceAvailable", "ScalingAvailable", "MonitoringAvailable"), "False"),
    **dict.fromkeys(("Degraded", "Drifted"), "True"),
}
"""Conditions that tell of something wrong beside the decision, and the status in which they do."""


def next_status(seen: Observation, decision: Decision, now: datetime) -> MLModelStatus:
    """The whole status after `decision`, equal to the present one when nothing changed."""
    remembered = _remember(seen, decision, now)
    counted = remembered.model_copy(
        update={
            "observedGeneration": seen.model.metadata.generation,
            "stable": _observed(remembered.stable, seen),
            "candidate": _observed(remembered.candidate, seen),
            "warm": [block for old in remembered.warm if (block := _observed(old, seen))],
            "drift": drift_status(seen, stamp(now)) if remembered.stable else None,
        }
    )
    judged = counted.model_copy(update={"conditions": conditions(counted, seen, decision, now)})
    return judged.model_copy(
        update={
            "replicas": judged.stable.readyReplicas if judged.stable else 0,
            "phase": phase(judged, decision),
            "message": _message(judged, seen, decision),
        }
    )


def _message(status: MLModelStatus, seen: Observation, decision: Decision) -> str:
    """What happens, and what is wrong around it: `kubectl get` shows no conditions, and `Ready` knows only the pods."""
    said = seen.rejected or decision.message
    wrong = [found.message for found in status.conditions if _AROUND.get(found.type) == found.status]
    return "; ".join([said, *(problem for problem in wrong if problem not in said)])


def _remember(seen: Observation, decision: Decision, now: datetime) -> MLModelStatus:
    status = seen.model.status
    match decision:
        case Wait():
            return status
        case Start(version):
            warm = [block for block in status.warm if block.version != str(version)]
            candidate = VersionStatus(version=str(version), since=stamp(now))
            return status.model_copy(update={"candidate": candidate, "warm": warm})
        case Abandon() | Refuse():
            return _without_candidate(seen, decision, now)
        case Promote(version):
            return _promoted(status, decision, now)
        case Adopt(version, reason):
            stable = VersionStatus(version=str(version), requestedWeight=100, since=stamp(now))
            return status.model_copy(update={"stable": stable, "history": _went_live(status, version, reason, now)})
        case Drain(version, after):
            return status.model_copy(update={"warm": [_drained(block, version, now + after) for block in status.warm]})
        case Retire(version):
            return status.model_copy(update={"warm": [b for b in status.warm if b.version != str(version)]})
        case Forget(versions):
            return _forget(status, versions)
        case Answer():
            return _answered(status, decision, now)
        case _:
            assert_never(decision)


def _without_candidate(seen: Observation, decision: Abandon | Refuse, now: datetime) -> MLModelStatus:
    status = seen.model.status.model_copy(update={"candidate": None})
    if isinstance(decision, Abandon):
        return status
    failure = FailedVersion(
        version=str(decision.version),
        reason=decision.reason,
        message=decision.message[:1024],
        at=stamp(now),
        pin=seen.model.spec.version,
        podsDigest=pods_digest(seen.model.spec),
    )
    others = [known for known in status.failedVersions if known.version != failure.version]
    return status.model_copy(update={"failedVersions": [*others, failure][-FAILED_VERSIONS_LENGTH:]})


def _promoted(status: MLModelStatus, decision: Promote, now: datetime) -> MLModelStatus:
    warm = list(status.warm)
    if status.stable is not None:
        warm.append(status.stable.model_copy(update={"since": stamp(now), "requestedWeight": 0}))
    stable = VersionStatus(version=str(decision.version), requestedWeight=100, since=stamp(now))
    history = _went_live(status, decision.version, decision.reason, now)
    return status.model_copy(update={"stable": stable, "candidate": None, "warm": warm, "history": history})


def _drained(block: VersionStatus, version: Version, end: datetime) -> VersionStatus:
    return block.model_copy(update={"warmUntil": stamp(end)}) if block.version == str(version) else block


def _went_live(status: MLModelStatus, version: Version, reason: str, now: datetime) -> list[HistoryEntry]:
    ended = [entry if entry.until else entry.model_copy(update={"until": stamp(now)}) for entry in status.history]
    return [*ended, HistoryEntry(version=str(version), from_=stamp(now), reason=reason)][-HISTORY_LENGTH:]


def _forget(status: MLModelStatus, versions: tuple[Version, ...]) -> MLModelStatus:
    gone = {str(version) for version in versions}
    kept = [failure for failure in status.failedVersions if failure.version not in gone]
    return status.model_copy(update={"failedVersions": kept})


def _answered(status: MLModelStatus, decision: Answer, now: datetime) -> MLModelStatus:
    handled = HandledRequest(
        id=decision.request_id,
        verb=decision.verb,
        outcome="Done" if decision.done else "Refused",
        message=decision.message,
        at=stamp(now),
    )
    failures = [] if decision.forget_failures else status.failedVersions
    return status.model_copy(update={"handledRequest": handled, "failedVersions": failures})


def _observed(block: VersionStatus | None, seen: Observation) -> VersionStatus | None:
    if block is None:
        return None
    version = Version.parse(block.version)
    pods = seen.pods.get(version)
    effective = seen.route.weights.get(version, 0) if seen.route and seen.route.confirmed else None
    return block.model_copy(update={"readyReplicas": pods.ready if pods else 0, "effectiveWeight": effective})


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
