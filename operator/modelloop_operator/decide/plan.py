"""How a new version takes over: what spec.rollout says, and what of it this cluster can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelloop_core.api.experiments import AB
from modelloop_core.api.fields import delay
from modelloop_core.api.rollout import DEFAULT_STEPS, Rollout
from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.steps import Step
from modelloop_operator.decide.observation import NO_MONITOR, NoReport, Observation
from modelloop_operator.decide.shares import ALL, Share, share_in, share_of_step

CANARY, AB_TEST, BLUE_GREEN = "Canary", "AB", "BlueGreen"

PERCENT_DROPPED = "PercentDropped"
"""Why there are copies of all requests where the API server keeps no `percent`: only what it has written shows that."""

_COPIES_ALL = ("projectcontour.io/",)
"""Beginnings of controllers that pass over `percent` of a RequestMirror (Contour up to 1.33, read in its source)."""


@dataclass(frozen=True)
class Plan:
    """The way of a new version: shares of the traffic on its way to 100, none when all of it moves at once.

    `unmirrored` is why steps with copies are left out, if they are.
    """

    rollout: Rollout
    steps: tuple[Step, ...]
    keep_warm: timedelta
    unmirrored: NoReport | None = None

    @property
    def ab(self) -> AB | None:
        """The A/B test by which it goes, if it does."""
        return self.rollout.ab if self.staged else None

    @property
    def staged(self) -> bool:
        """Whether a new version takes traffic step by step."""
        return bool(self.steps)

    @property
    def strategy(self) -> str:
        """How it goes, in the spec's word."""
        if not self.staged:
            return BLUE_GREEN
        return AB_TEST if self.ab is not None else CANARY

    @property
    def shares(self) -> tuple[Share, ...]:
        """What the steps give, in their order."""
        return tuple(map(share_of_step, self.steps))

    def after(self, share: Share) -> Share:
        """The share that follows."""
        return min((other for other in self.shares if other > share), default=ALL)

    def index(self, share: Share) -> int:
        """The step of a share, or how many lie below it, those counted that are left out."""
        return sum(share_of_step(step) < share for step in self.rollout.stages if self.steps)

    def step(self, share: Share) -> Step:
        """What is said of a share; of one that the spec no longer names, what is said of the one below it."""
        below = [step for step in self.steps if share_of_step(step) <= share]
        return below[-1] if below else (*self.steps, *DEFAULT_STEPS)[0]


def plan_of(seen: Observation) -> Plan:
    """The plan in effect; one that runs stays what it was begun as, so that nobody skips steps by taking parts away."""
    declared, running = seen.model.spec.rollout, seen.model.status.rollout
    staged = running.strategy != BLUE_GREEN if running is not None else _can_be_staged(seen)
    lacking = unmirrored(seen)
    # Who has a share already, where all steps are copies, came by the usual ones: the route shows no copies any more.
    left_out = lacking is not None or share_in(seen.model.status).weight > 0
    rollout = _obeyable(declared or Rollout()) if left_out else declared or Rollout()
    kept = declared is not None or _can_be_staged(seen)
    return Plan(
        rollout=rollout,
        steps=tuple(step for step in rollout.stages if not lacking or not _is_partial(step)) if staged else (),
        keep_warm=delay(rollout.keepWarm) if kept else timedelta(0),
        unmirrored=lacking,
    )


def _obeyable(rollout: Rollout) -> Rollout:
    """The rollout, with the usual steps where all that it names are left out: not all traffic at once for that."""
    return rollout.model_copy(update={"steps": None}) if all(map(_is_partial, rollout.steps or ())) else rollout


def unmirrored(seen: Observation) -> NoReport | None:
    """Why steps with copies of a part of the requests cannot be obeyed, where the spec has any and they cannot."""
    declared, share = seen.model.spec.rollout, share_in(seen.model.status)
    asked = declared is not None and any(map(_is_partial, declared.steps or ()))
    if seen.route is None or not (asked or share.copies_a_part):
        return None
    if (
        share.copies_a_part
        and seen.route.confirmed
        and seen.candidate
        and seen.route.mirrors.get(seen.candidate) == 100
    ):
        told = f"the HTTPRoute copies all requests, not {share.mirror} %: the cluster's Gateway API drops percent"
        return NoReport(PERCENT_DROPPED, f"{told} (1.3 and later keep it); steps with mirror below 100 are left out")
    for controller in sorted(seen.route.controllers):
        if controller.startswith(_COPIES_ALL):
            told = f"the gateway's controller {controller!r} copies all requests, whatever the percentage"
            return NoReport("PercentIgnored", f"{told}; steps with mirror below 100 are left out")
    return None


def label_delay(spec: MLModelSpec) -> timedelta:
    """How long labels usually take."""
    quality = spec.watched.quality
    return delay(quality.labelDelay) if quality is not None else timedelta(0)


def labels_due(seen: Observation) -> datetime | None:
    """Until when a version that is judged by labels waits for its first ones, whatever the hold of its step."""
    rollout, plan = seen.model.status.rollout, plan_of(seen)
    limited = plan.rollout.analysis.maxQualityDrop is not None and seen.judgement is not None
    if not limited or seen.watch == NO_MONITOR or rollout is None or rollout.judgedSince is None:
        return None
    return datetime.fromisoformat(rollout.judgedSince) + label_delay(seen.model.spec)


def unjudged(seen: Observation) -> NoReport | None:
    """What keeps a new version from being judged by a share of the traffic, if anything does."""
    declared, traffic = seen.model.spec.rollout, seen.model.spec.traffic
    if declared is not None and declared.strategy == BLUE_GREEN:
        moves = "BlueGreen moves all traffic at once"
        alone = "by limits alone, not against the one before it (maxErrorIncrease and the like), while that is warm"
        return NoReport("AllAtOnce", f"{moves}; a version is judged {alone}")
    if traffic.gateway is None:
        missing = "shares of the traffic need spec.traffic.gateway; without it all traffic moves at once"
        return NoReport("NoGateway", missing)
    if not seen.capabilities.gateway_api:
        missing = "shares of the traffic need the Gateway API, which this cluster lacks; all traffic moves at once"
        return NoReport("GatewayAPIMissing", missing)
    if seen.watch == NO_MONITOR:
        judges = "and metrics" if declared is not None and declared.analysis.metrics else "alone"
        moves = f"steps go by their holds {judges}" if declared is not None else "all traffic moves at once"
        if declared is not None and declared.ab is not None:
            moves = "an A/B test comes to no decision"
        return NoReport(NO_MONITOR.reason, f"{NO_MONITOR.message}; without it {moves}")
    return None


def _is_partial(step: Step) -> bool:
    return step.mirror is not None and step.mirror < 100


def _can_be_staged(seen: Observation) -> bool:
    """Whether a rollout that begins now goes by steps; without being asked to, only where somebody judges them."""
    why_not = unjudged(seen)
    return why_not is None or (seen.model.spec.rollout is not None and why_not.reason == NO_MONITOR.reason)
