"""What becomes of an A/B test: the better version stays; what happens when neither is shown to be better in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from modelloop_core.api.experiments import AB
from modelloop_core.api.fields import delay
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.decisions import Advance, Refuse, Wait
from modelloop_operator.decide.observation import Judgement, Observation, Policy

WON, LOST, UNDECIDED, UNAVAILABLE = "ABWon", "ABLost", "ABUndecided", "ABMetricUnavailable"


@dataclass(frozen=True)
class Doubt:
    """What is missing before it may be said how the test ended."""

    reason: str
    message: str


def about_test(
    candidate: Version, ab: AB, began: datetime, seen: Observation, now: datetime, policy: Policy
) -> Refuse | Advance | Wait | Doubt:
    """Keep what is live, go on with the candidate, or hold the split; limits that fail were looked at before."""
    judgement = seen.judgement
    if judgement is not None and judgement.winner == "stable":
        return Refuse(candidate, LOST, judgement.experiment)
    if judgement is not None and judgement.winner == "candidate":
        return _once_passed(candidate, WON, judgement.experiment, judgement)
    if (lacking := _unavailable(judgement)) is not None:
        return Doubt(UNAVAILABLE, f"{ab.metric} cannot be had: {lacking}")
    end = began + delay(ab.maxDuration)
    if now < end:
        held = f"{candidate} has {ab.split} % until {ab.metric} shows which version does better"
        held = f"{held}, at most until {end:%Y-%m-%d %H:%M:%S} UTC"
        return Wait("ABRunning", held, min(policy.idle, end - now), until=end)
    if judgement is not None and judgement.verdict is Verdict.ERROR:
        return Doubt(judgement.reason, judgement.message)
    return _undecided(candidate, ab, seen, policy)


def _unavailable(judgement: Judgement | None) -> str | None:
    """Why the metric that decides cannot be had, if it cannot: no time ends such a test."""
    figures = judgement.figures if judgement is not None else None
    return figures.experiment.note if figures is not None and figures.experiment is not None else None


def _undecided(candidate: Version, ab: AB, seen: Observation, policy: Policy) -> Refuse | Advance | Wait | Doubt:
    judgement, name = seen.judgement, seen.model.metadata.name
    what = judgement.experiment if judgement is not None and judgement.experiment else "nobody judges it"
    found = f"neither version was shown to be better within {ab.maxDuration}: {what}"
    match ab.onUndecided:
        case "RollBack":
            return Refuse(candidate, UNDECIDED, f"{found}; {seen.stable} stays (onUndecided: RollBack)")
        case "Promote":
            return _once_passed(candidate, UNDECIDED, f"{found} (onUndecided: Promote)", judgement)
        case "Hold":
            ways = f"`kubectl mlmodel promote {name}` or `kubectl mlmodel abort {name}`"
            return Wait(UNDECIDED, f"{found}; the test goes on (onUndecided: Hold): {ways}", policy.longest_recheck)
        case _:
            assert_never(ab.onUndecided)


def _once_passed(candidate: Version, reason: str, found: str, judgement: Judgement | None) -> Advance | Doubt:
    """It takes all traffic only within the limits of spec.rollout.analysis."""
    if judgement is not None and judgement.verdict is not Verdict.PASSED:
        return Doubt(judgement.reason, f"{found}; but {judgement.message}")
    return Advance(candidate, reason, f"{candidate} goes on to 100 %: {found}")
