"""A rollout as a person follows it: what happened when, what the evidence said of each step, what is to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from modelloop_core.wire.evidence import RolloutEvidence
from modelloop_core.wire.rollouts import Rollout, RolloutStep
from modelloop_monitor.dashboard.charts import Chart
from modelloop_monitor.dashboard.queries.rollouts import Judged, Rollouts
from modelloop_monitor.dashboard.views.evidence import evidence_charts

_ALL = 100


@dataclass(frozen=True)
class Happening:
    """Something at a time; a step also has how long it lasted, its verdict, and the last that was found in it."""

    at: datetime
    words: str
    seconds: float | None = None
    verdict: str | None = None
    evidence: RolloutEvidence | None = None


@dataclass(frozen=True)
class RolloutView:
    """One rollout: what happened, oldest first, the shares that are to come, and a chart for each check."""

    rollout: Rollout
    happened: tuple[Happening, ...]
    ahead: tuple[int, ...]
    charts: tuple[Chart, ...]

    @property
    def path(self) -> str:
        """Its address below the model's."""
        return rollout_path(self.rollout)


@dataclass(frozen=True)
class Role:
    """A version with pods and its share: `confirmed` None where the gateway has not said so."""

    name: str
    version: str
    weight: int
    confirmed: int | None
    ready: int


@dataclass(frozen=True)
class RolloutsView:
    """What is live and tried, as told at `told` (None: never), why it waits, the newest rollout, and those before."""

    told: float | None
    roles: tuple[Role, ...]
    message: str
    newest: RolloutView | None
    before: tuple[Rollout, ...]


def rollouts_view(found: Rollouts, now: float) -> RolloutsView:
    """The view of all that is kept of a model's rollouts."""
    told = found.state.rollouts if found.state is not None else None
    named = (("live", told.live), ("tried", told.tried)) if told is not None else ()
    return RolloutsView(
        told=found.state.told if found.state is not None else None,
        roles=tuple(Role(name, one.version, one.weight, one.confirmed, one.ready) for name, one in named if one),
        message=told.message if told is not None else "",
        newest=rollout_view(found.newest, now) if found.newest is not None else None,
        before=found.before,
    )


def rollout_view(judged: Judged, now: float) -> RolloutView:
    """The view of one rollout."""
    rollout = judged.rollout
    happened = [
        Happening(rollout.started, f"{rollout.version} was tried beside {rollout.against}: its pods were asked for"),
        *_steps(judged, now),
        *(Happening(one.at, f"{one.by or 'somebody'} asked: {one.verb}") for one in rollout.asked),
        *_end(rollout),
    ]
    reached = max((step.weight for step in rollout.steps), default=0)
    return RolloutView(
        rollout=rollout,
        happened=tuple(sorted(happened, key=lambda one: one.at)),
        ahead=() if rollout.ended is not None else tuple(weight for weight in rollout.plan if weight > reached),
        charts=evidence_charts([kept.evidence for kept in judged.answers]),
    )


def rollout_path(rollout: Rollout) -> str:
    """The address of a rollout below its model's."""
    return f"/rollouts/{rollout.version}/{int(rollout.started.timestamp())}"


def _steps(judged: Judged, now: float) -> list[Happening]:
    steps, found = judged.rollout.steps, []
    for step, after in zip_longest(steps, steps[1:]):
        evidence = _last(judged, step)
        verdict = step.verdict or (evidence.verdict if evidence is not None else None)
        seconds = _end_of(judged.rollout, step, after, now) - step.since.timestamp()
        found.append(Happening(step.since, _words(step), seconds, verdict, evidence))
    return found


def _last(judged: Judged, step: RolloutStep) -> RolloutEvidence | None:
    mine = [kept.evidence for kept in judged.answers if kept.step == step.since.timestamp()]
    return mine[-1] if mine else None


def _end_of(rollout: Rollout, step: RolloutStep, after: RolloutStep | None, now: float) -> float:
    if after is not None:
        return after.since.timestamp()
    if rollout.ended is not None and rollout.ended > step.since:
        return rollout.ended.timestamp()
    return now


def _words(step: RolloutStep) -> str:
    if step.mirror:
        return f"copies of {step.mirror} % of the requests"
    match step.weight:
        case 0:
            return "0 %: it had lost all its pods"
        case 100:
            return "100 %: it went live"
        case weight:
            return f"{weight} % of the traffic"


def _end(rollout: Rollout) -> Sequence[Happening]:
    went_live = rollout.outcome == "Promoted" and any(step.weight == _ALL for step in rollout.steps)
    if rollout.ended is None or went_live:
        return ()
    why = ": ".join(part for part in (rollout.reason, rollout.message) if part)
    return (Happening(rollout.ended, f"{_ENDS.get(rollout.outcome, 'over')}: {why}"),)


_ENDS = {"RolledBack": "taken back", "Refused": "refused", "Abandoned": "given up", "Promoted": "went live"}
