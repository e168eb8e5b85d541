"""How many pods each version needs for its share of the traffic."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.versions import Version
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.shares import ALL, Share, share_in


@dataclass(frozen=True)
class Replicas:
    """Pod counts of one version: `fixed` is None once an autoscaler owns the count; `fewest` bounds it below."""

    fixed: int | None
    fewest: int


def needed_replicas(seen: Observation) -> int:
    """Ready pods a version needs before it may take all traffic: as many as serve now, at least what spec asks."""
    live = seen.pods.get(seen.stable) if seen.stable else None
    if live is None or seen.model.spec.serving.autoscaling is None:
        return seen.model.spec.replicas
    return max(seen.model.spec.replicas, min(live.desired, seen.model.spec.serving.autoscaling.maxReplicas))


def share_of(seen: Observation) -> Share:
    """What the candidate was given of the traffic."""
    return share_in(seen.model.status)


def target_of(seen: Observation) -> Share:
    """Share for which the candidate's pods are there, or are made ready: the present one while that is held."""
    rollout = seen.model.status.rollout
    if rollout is None or rollout.promoted:
        return ALL
    if not rollout.advancing:
        return share_of(seen)
    plan = plan_of(seen)
    # A test goes on to its split, which may have been edited to less, and to all of the traffic once it is over.
    if plan.ab is not None:
        return ALL if rollout.outcome else plan.shares[0]
    return plan.after(share_of(seen))


def capacity_for(share: Share, seen: Observation) -> int:
    """Pods that carry a share of what the live version carries, one at the least."""
    return max(1, -(-needed_replicas(seen) * share.percent // 100))


def has_its_pods(candidate: Version, seen: Observation) -> bool:
    """Whether as many pods are ready as the candidate's share needs, and none of them is being replaced."""
    pods = seen.pods.get(candidate)
    return pods is not None and pods.settled and pods.ready >= capacity_for(target_of(seen), seen)


def replicas_of(version: Version, seen: Observation) -> Replicas:
    """Pod counts to render; one that an autoscaler has not taken over yet is kept, because dropping it would mean 1."""
    fewest, pods = floor_of(version, seen), seen.pods.get(version)
    if seen.model.spec.serving.autoscaling is None or pods is None:
        return Replicas(fewest, fewest)
    return Replicas(max(pods.desired, fewest) if pods.count_is_ours else None, fewest)


def floor_of(version: Version, seen: Observation) -> int:
    """Fewest pods of a version: what its share needs for one that comes, as many as it has for one that goes."""
    if version == seen.candidate:
        # A target below its share is that of a test whose split is less now: until the route says so, it has more.
        return capacity_for(max(target_of(seen), share_of(seen)), seen)
    if version == seen.stable and not share_of(seen).weight:
        return seen.model.spec.replicas
    pods, scaling = seen.pods.get(version), seen.model.spec.serving.autoscaling
    if pods is None:
        return needed_replicas(seen)
    held = max(1, min(pods.desired, scaling.maxReplicas) if scaling else pods.desired)
    # What is live is not shrunk while it shares its traffic: all of it may have to come back at once.
    return max(held, seen.model.spec.replicas) if version == seen.stable else held
