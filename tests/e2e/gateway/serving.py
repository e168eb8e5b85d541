"""The handle by which the tests act on the route and put traffic on it."""

from dataclasses import dataclass

from e2e.gateway import kube, objects
from e2e.gateway.load import Load


@dataclass(frozen=True)
class Serving:
    """What the tests act on."""

    cluster: kube.Cluster
    namespace: str

    def load(self) -> Load:
        """Traffic to the route of this namespace."""
        return Load(self.cluster.gateway_url, objects.hostname(self.namespace))

    def shift(self, weights: dict[str, int], mirror: tuple[str, int] | None = None) -> None:
        """Write the route; returns when the API server has it."""
        self.cluster.apply(objects.route(self.namespace, weights, mirror))

    def route_ready(self) -> object:
        """True once the gateway took the current generation; else what it says."""
        route = self.cluster.get("httproute", "model", "-n", self.namespace)
        generation, parents = route["metadata"]["generation"], route.get("status", {}).get("parents", [])
        conditions = [condition for parent in parents for condition in parent["conditions"]]
        current = {
            one["type"] for one in conditions if one["status"] == "True" and one["observedGeneration"] == generation
        }
        return True if {"Accepted", "ResolvedRefs"} <= current else conditions

    def serves(self, weights: dict[str, int], mirror: tuple[str, int] | None = None) -> None:
        """Write the route and wait until answers show it."""
        self.shift(weights, mirror)
        kube.eventually("route Accepted and ResolvedRefs", self.route_ready)
        with self.load() as load:
            only = [name for name, weight in weights.items() if weight == 100]
            if only:
                kube.eventually(
                    "answers from one version", lambda: load.answers[-1].version in only or load.answers[-1]
                )
