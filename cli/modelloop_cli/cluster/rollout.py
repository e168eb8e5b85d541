"""A rollout in words: the present one as it stands, and those that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from modelloop_cli.cluster.describe import age
from modelloop_cli.cluster.figures import figure_lines
from modelloop_core.api import MLModelStatus
from modelloop_core.api.past_rollouts import Asked, PastRollout, StepTaken
from modelloop_core.api.rollout import DEFAULT_STEPS
from modelloop_core.api.status import RolloutStatus
from modelloop_core.api.steps import Step

VERDICT_SIGNS = {"Passed": "✓", "Failed": "✗", "Inconclusive": "…", "Error": "?"}
HEADINGS = ("VERSION", "AGAINST", "FROM", "UNTIL", "SHARES", "OUTCOME", "WHY")


def rollout_lines(model: dict[str, Any], status: MLModelStatus, now: datetime) -> list[str]:
    """Where the rollout stands: step, verdict, what it waits for and until when; nothing without one."""
    rollout, candidate = status.rollout, status.candidate
    if rollout is None or candidate is None:
        return []
    return [
        "",
        f"rollout: {candidate.version} at {_share(candidate.requestedWeight, rollout.mirror)}, {_step(model, rollout)}",
        *([f"staging: {rollout.staging.message}"] if rollout.staging and rollout.staging.message else []),
        *([f"shares so far: {shares(rollout.steps)}"] if rollout.steps else []),
        f"verdict: {rollout.verdict or 'none yet'}{f': {rollout.evidence}' if rollout.evidence else ''}",
        *(f"metric{' (dry run)' if one.dryRun else ''}: {one.verdict}: {one.message}" for one in rollout.metrics),
        f"waits for: {rollout.waitsFor or 'its pods'}{_until(rollout.until, now)}",
        *(figure_lines(rollout.figures, candidate.version, status.stable) if rollout.figures else []),
        *(f"asked: {said(one)}, {age(one.at, now)} ago" for one in rollout.asked[-1:]),
    ]


def past_rows(status: MLModelStatus) -> list[tuple[str, ...]]:
    """The rollout that is under way and those that are over, newest first, as rows under HEADINGS."""
    return [*_present_row(status), *(_row(one) for one in reversed(status.pastRollouts))]


def shares(steps: Sequence[StepTaken]) -> str:
    """The shares that a version had, each with the sign of its verdict."""
    signs = (VERDICT_SIGNS.get(step.verdict or "", "") for step in steps)
    told = (_share(step.weight, step.mirror) for step in steps)
    return " → ".join(f"{share}{sign and f' {sign}'}" for share, sign in zip(told, signs, strict=True))


def _share(weight: int, mirror: int | None) -> str:
    return f"copies of {mirror} %" if mirror else f"{weight} %"


def clock(at: str | None) -> str:
    """A moment in UTC, to the second."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else "-"


def said(asked: Asked) -> str:
    """What a person asked."""
    return f"{asked.verb} by {asked.by or 'somebody'}"


def _present_row(status: MLModelStatus) -> list[tuple[str, ...]]:
    rollout, candidate, stable = status.rollout, status.candidate, status.stable
    if rollout is None or candidate is None or stable is None:
        return []
    why = f"{rollout.waitsFor or 'its pods'}{_by(rollout.asked)}"
    began = clock(rollout.startedAt)
    return [(candidate.version, stable.version, began, "-", shares(rollout.steps) or "0 %", "under way", why)]


def _row(one: PastRollout) -> tuple[str, ...]:
    why = f"{one.reason}: {one.message}{_by(one.asked)}"
    taken = shares(one.steps) or "0 %"
    return (one.version, one.against, clock(one.from_), clock(one.until), taken, str(one.outcome), why)


def _by(asked: Sequence[Asked]) -> str:
    return f" ({'; '.join(said(one) for one in asked)})" if asked else ""


def _until(until: str | None, now: datetime) -> str:
    if until is None:
        return ""
    return f", until {clock(until)} UTC ({_ahead(datetime.fromisoformat(until), now)})"


def _ahead(at: datetime, now: datetime) -> str:
    return f"in {age(now.isoformat(), at)}" if at > now else "now"


def _step(model: dict[str, Any], rollout: RolloutStatus) -> str:
    if rollout.strategy == "BlueGreen":
        return "all traffic moves at once"
    rollouts = (model.get("spec") or {}).get("rollout") or {}
    test, declared = rollouts.get("ab"), rollouts.get("steps") or ()
    if test is not None and not rollout.advancing:
        return f"an A/B test on {test['metric']}" + (f" ({rollout.outcome})" if rollout.outcome else "")
    usual = (Step(weight=test["split"]),) if test is not None else DEFAULT_STEPS
    steps = [*([Step.model_validate(step) for step in declared] or usual)]
    places = [*(f"mirror {step.mirror}" if step.mirror else str(step.weight) for step in steps), "100"]
    here = min(rollout.stepIndex, len(places) - 1)
    doing = "making pods ready for" if rollout.advancing else "holding"
    return f"{doing} step {here + 1} of {len(places)} ({' → '.join(places)})"
