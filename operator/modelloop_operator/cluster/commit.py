"""Writes status at the resourceVersion that was observed: a decision on a stale view fails here, before it acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelloop_core.api import MLModel, MLModelStatus
from modelloop_operator.cluster.cache import Cache
from modelloop_operator.cluster.kinds import MLMODEL, Kind
from modelloop_operator.cluster.port import Cluster, Conflict, Missing, Object


@dataclass(frozen=True)
class Committer:
    """The only writer of MLModel status."""

    cluster: Cluster
    cache: Cache
    on_write: Callable[[str, Kind], None]

    async def commit(self, seen: MLModel, status: MLModelStatus) -> MLModel:
        """The MLModel with `status` as the API server holds it; raises Conflict when `seen` is no longer current."""
        if status == seen.status:
            return seen
        body = self.cache.models.get((seen.metadata.namespace, seen.metadata.name))
        if body is None:
            raise Conflict(f"MLModel {seen.metadata.namespace}/{seen.metadata.name} went away during the pass")
        return MLModel.parse(await self._write(_at(body, seen.metadata.resourceVersion), to_dict(status)))

    async def mark_stalled(self, body: Object, reason: str, problem: str, now: datetime) -> bool:
        """Say on an MLModel of which nothing can be decided why that is; whether it did not say so before."""
        generation = body["metadata"].get("generation", 0)
        status = body.get("status", {})
        stalled = _condition("Stalled", "True", reason, problem, now, generation, status)
        others = [c for c in status.get("conditions", ()) if c["type"] not in ("Stalled", "Reconciling")]
        marked = {**status, "conditions": [*others, stalled], "message": problem, "observedGeneration": generation}
        if marked == status:
            return False
        await self._write(body, marked)
        return True

    async def _write(self, body: Object, status: dict[str, Any]) -> Object:
        self.on_write("status", MLMODEL)
        try:
            written = await self.cluster.replace(MLMODEL, {**body, "status": status}, "status")
        except Missing as error:
            raise Conflict(f"it went away during the pass: {error}") from error
        self.cache.put_model(written)
        return written


def to_dict(status: MLModelStatus) -> dict[str, Any]:
    """Status as the API server takes it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _at(body: Object, revision: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "resourceVersion": revision}}


def _condition(
    kind: str, value: str, reason: str, message: str, now: datetime, generation: int, status: dict[str, Any]
) -> dict[str, Any]:
    before = next((c for c in status.get("conditions", ()) if c["type"] == kind and c["status"] == value), None)
    since = before["lastTransitionTime"] if before else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }
