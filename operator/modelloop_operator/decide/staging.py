"""What a version goes through when its pods are ready, before anything of the traffic: a replay, and a hold."""

from __future__ import annotations

import hashlib
from datetime import datetime

from modelloop_core.api.fields import delay
from modelloop_core.api.rollout import Rollout
from modelloop_core.api.status import StagingStatus
from modelloop_core.evidence.binomial import chance_of_at_least
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.runs import UNREACHED, ReplayOutcome
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.decisions import Refuse, Stage, Wait
from modelloop_operator.decide.doubt import in_doubt
from modelloop_operator.decide.observation import USELESS_OUTCOMES, Observation, Policy, Trouble
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.questions import part_of_rate
from modelloop_operator.naming import run_name


def stage(candidate: Version, seen: Observation, now: datetime, policy: Policy) -> Refuse | Stage | Wait | None:
    """What is due before a first share of the traffic, None when nothing is.

    A person's promotion skips all but failure. What was live here before has answered such requests already.
    """
    rollout, declared = seen.model.status.rollout, plan_of(seen).rollout
    if rollout is None or declared.staging is None or share_of(seen) or _was_live(candidate, seen):
        return None
    if isinstance(seen.replay, ReplayOutcome) and judged(seen.replay, declared) is Verdict.FAILED:
        return Refuse(candidate, "ReplayFailed", f"before any traffic: {found(seen.replay)}{_limits(declared)}")
    if rollout.promoted:
        return None
    if rollout.staging is None:
        return _begin(candidate, declared, seen)
    if rollout.staging.run is not None and not isinstance(seen.replay, ReplayOutcome):
        return _replaying(candidate, rollout.staging, seen, now, policy)
    end = datetime.fromisoformat(rollout.staging.since) + delay(declared.staging.hold)
    if now < end:
        held = f"{candidate} is ready and is left without traffic until {end:%Y-%m-%d %H:%M:%S} UTC"
        return Wait("HoldingStaging", held, min(policy.idle, end - now), until=end)
    return None


def judged(outcome: ReplayOutcome, declared: Rollout) -> Verdict:
    """Failed where chance alone does not explain what was found; too little to tell is no reason to stop."""
    rate, analysis = part_of_rate(declared), declared.analysis
    counted = [(outcome.failed, outcome.reached, analysis.maxErrorRate)]
    if analysis.minAgreement is not None:
        counted.append((outcome.differing, outcome.compared, 1 - analysis.minAgreement))
    # Each of them gets its part, as all are looked at.
    shown = (chance_of_at_least(*one) <= rate / len(counted) for one in counted)
    return Verdict.FAILED if any(shown) else Verdict.PASSED


def found(outcome: ReplayOutcome) -> str:
    """What came of a replay, as a sentence."""
    if not outcome.asked:
        return f"nothing was replayed: {outcome.note}"
    reasons = sorted((reason, count) for reason, count in outcome.failures.items() if reason != UNREACHED)
    kinds = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
    failed = f"{outcome.failed:,} of {outcome.reached:,} replayed requests failed{f' ({kinds})' if kinds else ''}"
    differing = f"{outcome.differing:,} of {outcome.compared:,} were answered otherwise than {outcome.against} did"
    moved = f", PSI {outcome.psi:.3f}" if outcome.psi is not None else ""
    p95 = f", 95 % within {1000 * outcome.latency_p95:.0f} ms" if outcome.latency_p95 is not None else ""
    left_out = f"; {outcome.unreached:,} came to no pod of it" if outcome.unreached else ""
    return f"{failed}, {differing}{moved}{p95}{left_out}{f'; {outcome.note}' if outcome.note else ''}"


def _begin(candidate: Version, declared: Rollout, seen: Observation) -> Stage:
    if not declared.replays:
        return Stage(candidate, None, "Staged", f"{candidate} is ready and is left without traffic for a while")
    about = seen.model.status.candidate
    told = f"{seen.model.metadata.uid} {candidate} {about.since if about else ''}"
    run = run_name(seen.model.metadata.name, "replay", hashlib.sha256(told.encode()).hexdigest())
    replay = f"{candidate} is ready and answers up to {declared.replays:,} requests that {seen.stable} has answered"
    return Stage(candidate, run, "Replaying", replay)


def _replaying(
    candidate: Version, staging: StagingStatus, seen: Observation, now: datetime, policy: Policy
) -> Refuse | Wait:
    job = f"Job {staging.run}"
    if not isinstance(seen.replay, Trouble):
        return Wait("Replaying", f"{candidate} answers captured requests ({job})", policy.recheck)
    if not seen.replay.permanent:
        return Wait(seen.replay.reason, f"{candidate} waits for {job}: {seen.replay.message}", policy.recheck)
    # A Job writes an outcome only where there is none.
    first = "remove that object, then " if seen.replay.reason in USELESS_OUTCOMES else ""
    advice = f"{first}delete the Job to have it tried again: `kubectl delete job {staging.run}`"
    return in_doubt(candidate, "ReplayUnfinished", f"{job}: {seen.replay.message}; {advice}", seen, now, policy)


def _limits(declared: Rollout) -> str:
    agreement = declared.analysis.minAgreement
    least = f", and {100 * agreement:g} % have to agree" if agreement is not None else ""
    return f"; {100 * declared.analysis.maxErrorRate:g} % may fail{least}"


def _was_live(candidate: Version, seen: Observation) -> bool:
    return any(entry.version == str(candidate) for entry in seen.model.status.history)
