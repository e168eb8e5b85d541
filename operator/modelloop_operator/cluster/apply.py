"""Makes children equal to what was rendered: one apply per object that differs, none when nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelloop_core.api import MLModel
from modelloop_operator.cluster.cache import Cache
from modelloop_operator.cluster.facts import Child
from modelloop_operator.cluster.kinds import Kind, kind_of
from modelloop_operator.cluster.ownership import rendered_digest
from modelloop_operator.cluster.port import Cluster, Missing, Object


class NameTaken(Exception):
    """An object of that name exists and is not this MLModel's: it is left alone."""


@dataclass(frozen=True)
class Applier:
    """Writes children; `on_write` is told the verb and kind of each write."""

    cluster: Cluster
    cache: Cache
    on_write: Callable[[str, Kind], None]

    async def apply(self, model: MLModel, wanted: Iterable[Object]) -> None:
        """Apply what differs, in order; raises NameTaken or ClusterError at the first that fails."""
        held = self._held(model)
        for body in wanted:
            kind = kind_of(body)
            child = held.get((kind.kind, body["metadata"]["name"])) or await self._live(model, kind, body)
            if child is None or child.digest != rendered_digest(body):
                self.on_write("apply", kind)
                self.cache.put_child(kind, await self.cluster.apply(kind, body))

    async def prune(self, model: MLModel, wanted: Iterable[Object]) -> None:
        """Delete children that are no longer rendered; none while nothing has been decided."""
        if model.status.stable is None and model.status.candidate is None:
            return
        kept = {(kind_of(body).kind, body["metadata"]["name"]) for body in wanted}
        for identity, child in self._held(model).items():
            if identity not in kept:
                self.on_write("delete", child.kind)
                await self.cluster.delete(child.kind, child.namespace, child.name, child.uid)

    def _held(self, model: MLModel) -> dict[tuple[str, str], Child]:
        key = (model.metadata.namespace, model.metadata.name)
        mine = [child for child in self.cache.children(key) if child.owner_uid == model.metadata.uid]
        return {(child.kind.kind, child.name): child for child in mine if not child.deleting}

    async def _live(self, model: MLModel, kind: Kind, body: Object) -> Child | None:
        """The object under this name that the cache does not know as ours, if there is one."""
        namespace, name = model.metadata.namespace, body["metadata"]["name"]
        try:
            live = await self.cluster.get(kind, namespace, name)
        except Missing:
            return None
        owners = live["metadata"].get("ownerReferences", ())
        if "deletionTimestamp" in live["metadata"] or not any(ref["uid"] == model.metadata.uid for ref in owners):
            raise NameTaken(
                f"{kind.kind} {namespace}/{name} exists and does not belong to this MLModel; it is left alone: "
                f"delete or rename it, or give the MLModel another name"
            )
        self.cache.put_child(kind, live)
        return self._held(model).get((kind.kind, name))
