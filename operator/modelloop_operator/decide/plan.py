"""How a new version takes over: what spec.rollout says, and what of it this cluster can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from modelloop_core.api.fields import seconds
from modelloop_core.api.rollout import Rollout, Step
from modelloop_operator.decide.observation import NO_MONITOR, NoReport, Observation

CANARY, BLUE_GREEN = "Canary", "BlueGreen"


@dataclass(frozen=True)
class Plan:
    """The way of a new version: shares of the traffic on its way to 100, none when all of it moves at once."""

    rollout: Rollout
    steps: tuple[Step, ...]
    keep_warm: timedelta

    @property
    def staged(self) -> bool:
        """Whether a new version takes traffic step by step."""
        return bool(self.steps)

    def after(self, weight: int) -> int:
        """The share that follows `weight`."""
        return min((step.weight for step in self.steps if step.weight > weight), default=100)

    def index(self, weight: int) -> int:
        """The step of `weight`, or how many lie below it."""
        return sum(step.weight < weight for step in self.steps)

    def step(self, weight: int) -> Step:
        """What is said of a share; of one that the spec no longer names, what is said of the one below it."""
        below = [step for step in self.steps if step.weight <= weight]
        return below[-1] if below else self.steps[0]


def plan_of(seen: Observation) -> Plan:
    """The plan in effect; one that runs stays what it was begun as, so that nobody skips steps by taking parts away."""
    declared, running = seen.model.spec.rollout, seen.model.status.rollout
    staged = running.strategy != BLUE_GREEN if running is not None else _can_be_staged(seen)
    rollout = declared or Rollout()
    kept = declared is not None or _can_be_staged(seen)
    return Plan(
        rollout=rollout,
        steps=rollout.canary_steps if staged else (),
        keep_warm=timedelta(seconds=seconds(rollout.keepWarm)) if kept else timedelta(0),
    )


def unjudged(seen: Observation) -> NoReport | None:
    """What keeps a new version from being judged by a share of the traffic, if anything does."""
    declared, traffic = seen.model.spec.rollout, seen.model.spec.traffic
    if declared is not None and declared.strategy == BLUE_GREEN:
        moves = "BlueGreen moves all traffic at once"
        return NoReport("AllAtOnce", f"{moves}; a version is judged by limits alone, while the one before it is warm")
    if traffic.gateway is None:
        missing = "shares of the traffic need spec.traffic.gateway; without it all traffic moves at once"
        return NoReport("NoGateway", missing)
    if not seen.capabilities.gateway_api:
        missing = "shares of the traffic need the Gateway API, which this cluster lacks; all traffic moves at once"
        return NoReport("GatewayAPIMissing", missing)
    if seen.watch == NO_MONITOR:
        moves = "steps go by their holds alone" if declared is not None else "all traffic moves at once"
        return NoReport(NO_MONITOR.reason, f"{NO_MONITOR.message}; without it {moves}")
    return None


def _can_be_staged(seen: Observation) -> bool:
    """Whether a rollout that begins now goes by steps; without being asked to, only where somebody judges them."""
    why_not = unjudged(seen)
    return why_not is None or (seen.model.spec.rollout is not None and why_not.reason == NO_MONITOR.reason)
