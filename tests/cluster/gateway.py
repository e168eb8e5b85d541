"""What a gateway's controller does to routes, where none is installed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.control_plane import Object
from cluster.scene import Scene
from modelloop_core.wire.predictions import FORCED_HEADER

_POLL_SECONDS = 0.25


def accept_route(scene: Scene, name: str = "churn") -> None:
    """Say of the route as it is now that it was taken up."""
    route = scene.child("httproute", name)
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": "",
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": "2026-03-01T12:00:00Z",
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parents = [
        {"parentRef": ref, "controllerName": "example.org/gateway", "conditions": conditions}
        for ref in route["spec"]["parentRefs"]
    ]
    patch = json.dumps({"status": {"parents": parents}})
    words = ("patch", "httproute", name, "-n", scene.namespace, "--subresource=status", "--type=merge", "-p", patch)
    # A route that is gone by now needs no word.
    scene.plane.kubectl(*words)


@contextmanager
def a_gateway(scene: Scene) -> Iterator[None]:
    """Take up the route of `churn` whenever it changes, until the block ends."""
    over = threading.Event()

    def follow() -> None:
        taken = 0
        while not over.wait(_POLL_SECONDS):
            generation = scene.child("httproute", "churn").get("metadata", {}).get("generation", 0)
            if generation and generation != taken:
                accept_route(scene)
                taken = generation

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def weights(scene: Scene) -> dict[str, int]:
    """Shares of the traffic by version, as the route says them now."""
    rules = scene.child("httproute", "churn").get("spec", {}).get("rules", ())
    (rule,) = [rule for rule in rules if not is_forced(rule)] or [{}]
    found = rule.get("backendRefs", ())
    return {ref["name"].removeprefix("churn-v").replace("-", "."): ref["weight"] for ref in found}


def is_forced(rule: Object) -> bool:
    """Whether a header picks this rule."""
    return any(header["name"] == FORCED_HEADER for match in rule["matches"] for header in match.get("headers", ()))
