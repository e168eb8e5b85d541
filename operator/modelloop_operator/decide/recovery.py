"""What was live, when status no longer says: the route and pods as they are, then the registry's history."""

from __future__ import annotations

from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import Adopt
from modelloop_operator.decide.observation import Catalog, Observation, Route


def recover(seen: Observation) -> Adopt | None:
    """The version to take as live, or None when this is a first start."""
    weights = seen.route.weights if seen.route else {}
    carrying = [(weight, version) for version, weight in weights.items() if weight and version in seen.pods]
    if carrying:
        named = seen.route.named if seen.route else None
        # In mid-rollout the route names two, and the tried one may have the larger share: the Service tells them apart.
        version = named if named is not None and (named in weights and named in seen.pods) else max(carrying)[1]
        return Adopt(version, "RouteFound", f"status was lost; {version} carries the traffic", _beside(version, seen))
    last = seen.last_live
    if last is not None and (
        last in seen.pods or (isinstance(seen.catalog, Catalog) and last in seen.catalog.releases)
    ):
        found = f"status was lost; {last} was the last that the registry's history shows live here"
        return Adopt(last, "HistoryFound", found)
    return None


def _is_asked(version: Version, route: Route) -> bool:
    return bool(route.weights.get(version) or route.mirrors.get(version))


def _beside(version: Version, seen: Observation) -> tuple[Version, ...]:
    """Others that requests may still go to: by the route, or because the gateway has not taken it up yet."""
    route = seen.route
    others = sorted(other for other in seen.pods if other != version)
    return tuple(other for other in others if route is not None and (_is_asked(other, route) or not route.confirmed))
