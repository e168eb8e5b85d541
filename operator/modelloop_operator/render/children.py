"""Everything an MLModel owns, as a pure function of its spec, its committed status and what the cluster offers."""

from __future__ import annotations

from collections.abc import Mapping

from modelloop_core.api import MLModel
from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import Replicas
from modelloop_operator.decide.holding import with_held_pods
from modelloop_operator.decide.observation import Capabilities
from modelloop_operator.decide.shares import share_in
from modelloop_operator.naming import Object
from modelloop_operator.render import jobs, predictor, traffic
from modelloop_operator.render.installation import Installation


def children(
    model: MLModel, installation: Installation, capabilities: Capabilities, replicas: Mapping[Version, Replicas]
) -> list[Object]:
    """All children in the order to apply them: pods and Services first, routes to them last."""
    model, status = with_held_pods(model), model.status
    blocks = [block for block in (status.stable, status.candidate, *status.warm) if block is not None]
    versions = [Version.parse(block.version) for block in blocks]
    stable = Version.parse(status.stable.version) if status.stable else None
    rendered: list[Object | None] = [predictor.service_account(model)] if versions else []
    for version in versions:
        rendered += _version_children(model, version, installation, replicas[version])
    rendered.append(jobs.replay(model, installation))
    if stable is not None:
        rendered += _traffic_children(model, stable, capabilities)
    return [child for child in rendered if child is not None]


def _version_children(
    model: MLModel, version: Version, installation: Installation, count: Replicas
) -> list[Object | None]:
    return [
        predictor.deployment(model, version, installation, count.fixed),
        predictor.version_service(model, version),
        predictor.mirror_service(model, version) if _mirrors(model) else None,
        predictor.disruption_budget(model, version),
        predictor.autoscaler(model, version, count.fewest),
    ]


def _traffic_children(model: MLModel, stable: Version, capabilities: Capabilities) -> list[Object | None]:
    routed = capabilities.gateway_api
    return [
        traffic.retry_policy(model, capabilities) if routed else None,
        traffic.http_route(model, _weights(model, stable), _mirrored(model)) if routed else None,
        traffic.stable_service(model, stable),
        traffic.ingress(model),
    ]


def _mirrors(model: MLModel) -> bool:
    """Whether versions are to be reached by copies: before the route says so, and as long as it may."""
    rollout = model.spec.rollout
    asked = rollout is not None and rollout.mirrors and model.spec.traffic.gateway is not None
    return asked or bool(share_in(model.status).mirror)


def _mirrored(model: MLModel) -> tuple[Version, int] | None:
    candidate, share = model.status.candidate, share_in(model.status)
    return (Version.parse(candidate.version), share.mirror) if candidate is not None and share.mirror else None


def _weights(model: MLModel, stable: Version) -> dict[Version, int]:
    """Shares of the traffic as committed; a candidate that has pods and no share is in it too, for tests to ask for."""
    candidate = model.status.candidate
    # Not before it has pods: a gateway that meets the route before the new Service would call the live route broken.
    if candidate is None or not (candidate.requestedWeight or candidate.readyReplicas):
        return {stable: 100}
    return {stable: 100 - candidate.requestedWeight, Version.parse(candidate.version): candidate.requestedWeight}
