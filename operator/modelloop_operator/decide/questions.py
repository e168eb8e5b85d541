"""What the monitor is asked about a version that earns its traffic: a pure function of what was committed."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api.fields import seconds
from modelloop_core.api.rollout import Rollout
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.selection import is_condemned, previous


def question(seen: Observation) -> EvidenceQuery | None:
    """How the candidate does at its share, or the promoted version while the one before it is warm; else None."""
    return _about_candidate(seen) if seen.candidate is not None else _about_promoted(seen)


def asked_every(seen: Observation) -> float:
    """Seconds between two such questions."""
    return seconds(plan_of(seen).rollout.analysis.interval)


def part_of_rate(rollout: Rollout) -> float:
    """The chance that a version which is well is taken back in one part of its rollout.

    The way to 100 is one, the time after it one, and copies and replays before it, where there are any, one each:
    together they keep what was asked for.
    """
    parts = 2 + rollout.mirrors + bool(rollout.replays)
    return max(1e-6, rollout.analysis.falseRollbackRate / parts)


def _about_candidate(seen: Observation) -> EvidenceQuery | None:
    status = seen.model.status
    stable, candidate, rollout = status.stable, status.candidate, status.rollout
    share = share_of(seen)
    if stable is None or candidate is None or rollout is None or not share:
        return None
    if rollout.judgedSince is None or rollout.stepStartedAt is None:
        return None
    declared = plan_of(seen).rollout
    analysis = declared.analysis
    alone = _limits(declared, candidate.version, against=stable.version, since=rollout.judgedSince)
    answers: dict[str, object] = {"max_prediction_psi": analysis.maxPredictionPSI}
    if share.mirror:
        answers = {"mirrored": True, "min_agreement": analysis.minAgreement}
    return alone.model_copy(
        update={
            "step_since": datetime.fromisoformat(rollout.stepStartedAt),
            "max_error_increase": analysis.maxErrorIncrease,
            "max_latency_increase": analysis.maxLatencyIncrease,
            **answers,
        }
    )


def _about_promoted(seen: Observation) -> EvidenceQuery | None:
    stable, before, plan = seen.model.status.stable, previous(seen), plan_of(seen)
    warm = any(block.version == str(before) for block in seen.model.status.warm)
    if stable is None or stable.since is None or not warm or not plan.keep_warm or is_condemned(seen):
        return None
    # By its own limits: the version before it has no traffic any more, and to be worse than it could not be shown.
    return _limits(plan.rollout, stable.version, against=str(before), since=stable.since)


def _limits(rollout: Rollout, version: str, *, against: str, since: str) -> EvidenceQuery:
    analysis = rollout.analysis
    longest = analysis.maxLatencyP95
    return EvidenceQuery(
        version=version,
        against=against,
        since=datetime.fromisoformat(since),
        min_requests=analysis.minRequests,
        false_rollback_rate=part_of_rate(rollout),
        max_error_rate=analysis.maxErrorRate,
        max_latency_p95_seconds=seconds(longest) if longest else None,
    )
