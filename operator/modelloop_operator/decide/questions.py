"""What the monitor is asked about a version that earns its traffic: a pure function of what was committed."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api.fields import seconds
from modelloop_core.api.rollout import Analysis
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.selection import is_condemned, previous

_PARTS_OF_A_ROLLOUT = 2


def question(seen: Observation) -> EvidenceQuery | None:
    """How the candidate does at its share, or the promoted version while the one before it is warm; else None."""
    return _about_candidate(seen) if seen.candidate is not None else _about_promoted(seen)


def asked_every(seen: Observation) -> float:
    """Seconds between two such questions."""
    return seconds(plan_of(seen).rollout.analysis.interval)


def _about_candidate(seen: Observation) -> EvidenceQuery | None:
    status = seen.model.status
    stable, candidate, rollout = status.stable, status.candidate, status.rollout
    if stable is None or candidate is None or rollout is None or not candidate.requestedWeight:
        return None
    if rollout.judgedSince is None or rollout.stepStartedAt is None:
        return None
    analysis = plan_of(seen).rollout.analysis
    alone = _limits(analysis, candidate.version, against=stable.version, since=rollout.judgedSince)
    return alone.model_copy(
        update={
            "step_since": datetime.fromisoformat(rollout.stepStartedAt),
            "max_error_increase": analysis.maxErrorIncrease,
            "max_latency_increase": analysis.maxLatencyIncrease,
            "max_prediction_psi": analysis.maxPredictionPSI,
        }
    )


def _about_promoted(seen: Observation) -> EvidenceQuery | None:
    stable, before, plan = seen.model.status.stable, previous(seen), plan_of(seen)
    warm = any(block.version == str(before) for block in seen.model.status.warm)
    if stable is None or stable.since is None or not warm or not plan.keep_warm or is_condemned(seen):
        return None
    # By its own limits: the version before it has no traffic any more, and to be worse than it could not be shown.
    return _limits(plan.rollout.analysis, stable.version, against=str(before), since=stable.since)


def _limits(analysis: Analysis, version: str, *, against: str, since: str) -> EvidenceQuery:
    longest = analysis.maxLatencyP95
    return EvidenceQuery(
        version=version,
        against=against,
        since=datetime.fromisoformat(since),
        min_requests=analysis.minRequests,
        # One half for the way to 100, one for the time after it: both together keep what was asked for.
        false_rollback_rate=max(1e-6, analysis.falseRollbackRate / _PARTS_OF_A_ROLLOUT),
        max_error_rate=analysis.maxErrorRate,
        max_latency_p95_seconds=seconds(longest) if longest else None,
    )
