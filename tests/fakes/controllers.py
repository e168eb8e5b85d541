"""What a cluster's controllers do to the fake: pods come up, endpoints follow, gateways take routes, garbage goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.cluster import FakeCluster
from modelloop_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, HTTP_ROUTE, JOB, SERVICE
from modelloop_operator.cluster.port import Object

SERVICE_NAME = "kubernetes.io/service-name"


@dataclass
class Controllers:
    """One `step` moves each object one stage on; `broken` names Deployments whose pods never get ready.

    A Job is done when `on_job` has done its work.
    """

    cluster: FakeCluster
    broken: set[str] = field(default_factory=set)
    gateway_answers: bool = True
    on_job: Callable[[Object], None] | None = None

    def step(self) -> bool:
        """One stage for everything; returns whether anything changed."""
        before = self.cluster.revision
        self.cluster.collect_garbage()
        for name, live in list(self.cluster.of(DEPLOYMENT).items()):
            self.cluster.set_status(DEPLOYMENT, live["metadata"]["namespace"], name, self._deployment(name, live))
        for live in list(self.cluster.of(SERVICE).values()):
            self._endpoints(live)
        for name, live in list(self.cluster.of(JOB).items()):
            if self.on_job is not None and "status" not in live:
                self.on_job(live)
                done: Object = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
                self.cluster.set_status(JOB, live["metadata"]["namespace"], name, done)
        for name, live in list(self.cluster.of(HTTP_ROUTE).items()):
            if self.gateway_answers:
                self.cluster.set_status(HTTP_ROUTE, live["metadata"]["namespace"], name, _accepted(live))
        return self.cluster.revision != before

    def _deployment(self, name: str, live: Object) -> Object:
        desired, generation = live["spec"].get("replicas", 1), live["metadata"]["generation"]
        old = live.get("status", {})
        fresh = old.get("observedGeneration") != generation
        ready = min(old.get("readyReplicas", 0), desired) if fresh or name in self.broken else desired
        return {
            "observedGeneration": generation,
            "replicas": desired,
            "updatedReplicas": desired,
            "readyReplicas": 0 if name in self.broken else ready,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}],
        }

    def _endpoints(self, service: Object) -> None:
        meta = service["metadata"]
        wanted = (service["spec"].get("selector") or {}).items()
        ready = sum(
            live.get("status", {}).get("readyReplicas", 0)
            for live in self.cluster.of(DEPLOYMENT, meta["namespace"]).values()
            if wanted <= live["spec"]["template"]["metadata"]["labels"].items()
        )
        endpoints: list[dict[str, Any]] = [{"conditions": {"ready": True}} for _ in range(ready)]
        name = f"{meta['name']}-slice"
        held = self.cluster.of(ENDPOINT_SLICE, meta["namespace"]).get(name)
        if held is None or held["endpoints"] != endpoints:
            owner = {"kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True}
            described = {
                "name": name,
                "namespace": meta["namespace"],
                "labels": {SERVICE_NAME: meta["name"]},
                "ownerReferences": [owner],
            }
            self.cluster.put(ENDPOINT_SLICE, {"metadata": described, "endpoints": endpoints})


def _accepted(route: Object) -> Object:
    generation = route["metadata"]["generation"]
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": generation}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {"parents": [{"parentRef": ref, "conditions": conditions} for ref in route["spec"]["parentRefs"]]}
