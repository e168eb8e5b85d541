"""What the monitor is asked about a version that earns its traffic: a pure function of what was committed."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api.analysis import Analysis
from modelloop_core.api.experiments import AB
from modelloop_core.api.fields import seconds
from modelloop_core.api.rollout import Rollout
from modelloop_core.api.spec import MLModelSpec
from modelloop_core.wire.events import AskedEvent, write_events
from modelloop_core.wire.evidence import COMPARED_METRICS, OUTPUT_METRICS, EvidenceQuery
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.crashing import kept_warm
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import label_delay, plan_of


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
    plan = plan_of(seen)
    analysis = plan.rollout.analysis
    alone = _limits(plan.rollout, candidate.version, against=stable.version, since=rollout.judgedSince)
    answers: dict[str, object] = {"mirrored": True, "min_agreement": analysis.minAgreement}
    if not share.mirror:
        answers = {
            "max_prediction_psi": None if _compares_answers(plan.ab) else analysis.maxPredictionPSI,
            "without_reference": analysis.onNoReference or "Hold",
            **_worth(seen.model.spec, analysis),
            **_tested(plan.ab),
        }
    return alone.model_copy(
        update={
            "step_since": datetime.fromisoformat(rollout.stepStartedAt),
            "max_error_increase": analysis.maxErrorIncrease,
            "max_latency_increase": analysis.maxLatencyIncrease,
            **answers,
        }
    )


def _compares_answers(ab: AB | None) -> bool:
    """Whether a test is about answers that differ: that they do is no fault then."""
    return ab is not None and ab.metric in OUTPUT_METRICS


def _tested(ab: AB | None) -> dict[str, object]:
    if ab is None:
        return {}
    return {"ab_metric": ab.metric, "ab_higher": ab.higher, "ab_false_positive_rate": ab.falsePositiveRate}


def _worth(spec: MLModelSpec, analysis: Analysis) -> dict[str, object]:
    """What is compared of the model's worth: all that is watched and can be, with the limits that are asked for."""
    quality = spec.watched.quality
    named = quality is not None and quality.metric in COMPARED_METRICS
    limits = {limit.name: limit.maxDrop for limit in analysis.business or ()}
    events = [
        AskedEvent(event.name, event.kind, event.delay_seconds, limits.get(event.name))
        for event in spec.watched.business
    ]
    return {
        "quality_metric": quality.metric if quality is not None and named else None,
        "max_quality_drop": analysis.maxQualityDrop,
        "label_delay_seconds": label_delay(spec).total_seconds(),
        "events": write_events(events),
    }


def _about_promoted(seen: Observation) -> EvidenceQuery | None:
    stable, before, plan = seen.model.status.stable, kept_warm(seen), plan_of(seen)
    if stable is None or stable.since is None or before is None:
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
