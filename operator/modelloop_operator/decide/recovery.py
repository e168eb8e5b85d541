"""What was live, when status no longer says: the route and pods as they are, then the registry's history."""

from __future__ import annotations

from modelloop_core.versions import Version
from modelloop_operator.decide.observation import Catalog, Observation


def recover(seen: Observation) -> tuple[Version, str, str] | None:
    """The version to take as live with reason and message, or None when this is a first start."""
    weights = seen.route.weights if seen.route else {}
    carrying = [(weight, version) for version, weight in weights.items() if weight and version in seen.pods]
    if carrying:
        version = max(carrying)[1]
        return version, "RouteFound", f"status was lost; {version} carries the traffic"
    last = seen.last_live
    if last is not None and (
        last in seen.pods or (isinstance(seen.catalog, Catalog) and last in seen.catalog.releases)
    ):
        return last, "HistoryFound", f"status was lost; {last} was the last that the registry's history shows live here"
    return None
