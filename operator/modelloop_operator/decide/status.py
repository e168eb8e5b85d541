"""The status to commit: the decision's effect on what is remembered, and a summary of what was observed."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import MetricStatus, RolloutStatus, VersionStatus
from modelloop_core.versions import Version
from modelloop_core.wire.runs import ReplayOutcome
from modelloop_operator.decide.capacity import has_its_pods
from modelloop_operator.decide.conditions import conditions, phase
from modelloop_operator.decide.decisions import Advance, Decision, Wait
from modelloop_operator.decide.effects import remembered, stamp
from modelloop_operator.decide.holding import waits
from modelloop_operator.decide.observation import UNJUDGED, Observation
from modelloop_operator.decide.past import with_share, with_verdict
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.shares import ALL, share_in
from modelloop_operator.decide.staging import found, judged
from modelloop_operator.decide.watching import drift_status

_AROUND = {
    "RouteAccepted": "False",
    **{f"{what}Available": "False" for what in ("Mirror", "Metrics", "Device", "Scaling", "Monitoring")},
    **dict.fromkeys(("Degraded", "Drifted"), "True"),
}
"""Conditions that tell of something wrong beside the decision, and the status in which they do."""


_MISSING = frozenset({"GatewayAPIMissing", "NoGateway", "NoMonitor"})
"""Why a declared rollout is not judged as it asks to be."""


def next_status(seen: Observation, decision: Decision, now: datetime) -> MLModelStatus:
    """The whole status after `decision`, equal to the present one when nothing changed."""
    after = remembered(seen, decision, now)
    counted = after.model_copy(
        update={
            "observedGeneration": seen.model.metadata.generation,
            "stable": _observed(after.stable, seen),
            "candidate": _observed(after.candidate, seen),
            "warm": [block for old in after.warm if (block := _observed(old, seen))],
            "rollout": _progress(after, seen, decision, now),
            "drift": drift_status(seen, stamp(now)) if after.stable else None,
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
    judged = status.condition("RolloutJudged")
    if seen.model.spec.rollout is not None and judged is not None and judged.reason in _MISSING:
        wrong.append(judged.message)
    held = waits(seen.model.model_copy(update={"status": status}))
    wrong += [held] if held else []
    return "; ".join([said, *(problem for problem in wrong if problem not in said)])


def _observed(block: VersionStatus | None, seen: Observation) -> VersionStatus | None:
    if block is None:
        return None
    version = Version.parse(block.version)
    pods = seen.pods.get(version)
    effective = seen.route.weights.get(version, 0) if seen.route and seen.route.confirmed else None
    return block.model_copy(update={"readyReplicas": pods.ready if pods else 0, "effectiveWeight": effective})


def _progress(after: MLModelStatus, seen: Observation, decision: Decision, now: datetime) -> RolloutStatus | None:
    """How far the candidate is: when its share was confirmed, what the evidence says, and what it waits for."""
    rollout, candidate = after.rollout, after.candidate
    if rollout is None or candidate is None:
        return None
    plan, share = plan_of(seen), share_in(after)
    update: dict[str, object] = {"stepIndex": plan.index(plan.after(share) if rollout.advancing else share)}
    if rollout.promoted or not plan.staged:
        update["stepIndex"] = plan.index(ALL)
    if isinstance(decision, Wait):
        update |= _waiting(rollout, decision, now) | _prepared(rollout, Version.parse(candidate.version), seen, now)
        if share and rollout.stepStartedAt is None and not rollout.advancing and decision.reason == "StepBegins":
            rollout = rollout.model_copy(update={"steps": with_share(rollout, share, stamp(now))})
            update |= {"stepStartedAt": stamp(now), "judgedSince": rollout.judgedSince or stamp(now)}
    if share and isinstance(decision, Wait | Advance):
        update |= _judged(rollout, seen)
    update |= _staged(rollout, seen)
    return rollout.model_copy(update=update)


def _judged(rollout: RolloutStatus, seen: Observation) -> dict[str, object]:
    judgement = seen.judgement
    # A new leader has asked nobody yet, which is no news about the version.
    if judgement is None or judgement == UNJUDGED:
        return {}
    metrics = [
        MetricStatus(name=one.name, verdict=one.verdict.value, message=one.message[:256], dryRun=one.dry_run)
        for one in judgement.metrics
    ]
    told: dict[str, object] = {} if _same(metrics, rollout.metrics) else {"metrics": metrics}
    told["figures"] = judgement.figures or rollout.figures
    if judgement.verdict == rollout.verdict:
        return told
    verdict = judgement.verdict.value
    # How an A/B test ended is what is told of it from then on.
    evidence = rollout.evidence if rollout.outcome else judgement.message[:1024]
    words = {"verdict": verdict, "evidence": evidence}
    return {**told, **words, "steps": with_verdict(rollout, verdict)}


def _same(ours: list[MetricStatus], theirs: list[MetricStatus]) -> bool:
    """Whether metrics say the same but for their numbers, with which status would never come to rest."""
    gists = ([(one.name, one.verdict, one.dryRun) for one in metrics] for metrics in (ours, theirs))
    return next(gists) == next(gists)


def _staged(rollout: RolloutStatus, seen: Observation) -> dict[str, object]:
    """What came of a replay, from when it is known."""
    staging, outcome = rollout.staging, seen.replay
    if staging is None or not isinstance(outcome, ReplayOutcome) or outcome.run != staging.run:
        return {}
    verdict = judged(outcome, plan_of(seen).rollout).value if outcome.asked else None
    told = {"verdict": verdict, "message": found(outcome)[:1024]}
    return {"staging": staging.model_copy(update=told)}


def _prepared(rollout: RolloutStatus, candidate: Version, seen: Observation, now: datetime) -> dict[str, object]:
    """Since when its pods are waited for: while they are ready nobody does, and one that moves later is given time."""
    if not rollout.advancing:
        return {}
    return {"preparingSince": None if has_its_pods(candidate, seen) else rollout.preparingSince or stamp(now)}


def _waiting(rollout: RolloutStatus, decision: Wait, now: datetime) -> dict[str, object]:
    since = (rollout.inconclusiveSince or stamp(now)) if decision.doubtful else None
    until = stamp(decision.until) if decision.until is not None else None
    return {"waitsFor": decision.reason, "until": until, "inconclusiveSince": since}
