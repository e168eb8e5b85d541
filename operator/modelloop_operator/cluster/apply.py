"""Makes children equal to what was rendered: one apply per object that differs, none when nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelloop_core.api import MLModel
from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.facts import Child
from modelloop_operator.cluster.kinds import CREATE_ONLY, SERVICE, Kind, kind_of
from modelloop_operator.cluster.ownership import owned_digest, rendered_digest
from modelloop_operator.cluster.port import Cluster, ClusterError, Conflict, Missing, Object, Rejected
from modelloop_operator.naming import MANAGER


class NameTaken(ClusterError):
    """An object of that name exists and is not this MLModel's: it is left alone."""


_Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Applied:
    uid: str
    rendered: str
    answered: str


@dataclass(frozen=True)
class Applier:
    """Writes children; `on_write` is told the verb and kind of each write.

    Per MLModel and child it remembers what was applied and what that was answered, so that a spelling which the API
    server rewrites is applied once and not in every pass; a restart costs one apply that changes nothing.
    """

    cluster: Cluster
    cache: Cache
    on_write: Callable[[str, Kind], None]
    _applied: dict[Key, dict[_Identity, _Applied]] = field(default_factory=dict)

    async def apply(self, model: MLModel, wanted: Iterable[Object]) -> bool:
        """Apply what differs, in order; whether anything did. Stops with ClusterError at what fails."""
        held, wrote = self._held(model), False
        for body in wanted:
            kind = kind_of(body)
            child = held.get((kind.kind, body["metadata"]["name"])) or await self._live(model, kind, body)
            if kind in CREATE_ONLY:
                wrote |= child is None and await self._create(kind, body)
            elif child is None or not self._is_current(model, child, rendered_digest(body)):
                await self._apply(model, kind, body)
                wrote = True
        return wrote

    async def prune(self, model: MLModel, wanted: Iterable[Object]) -> bool:
        """Delete children that are no longer rendered; whether there were any."""
        kept = {(kind_of(body).kind, body["metadata"]["name"]) for body in wanted}
        surplus = [child for identity, child in self._held(model).items() if identity not in kept]
        for child in surplus:
            self.on_write("delete", child.kind)
            await self.cluster.delete(child.kind, child.namespace, child.name, child.uid)
        return bool(surplus)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an MLModel that is gone."""
        self._applied.pop(key, None)

    async def _create(self, kind: Kind, body: Object) -> bool:
        self.on_write("create", kind)
        try:
            self.cache.put_child(kind, await self.cluster.create(kind, body))
        except Conflict:
            return False  # it is there, and the watch has not told of it yet
        return True

    async def _apply(self, model: MLModel, kind: Kind, body: Object) -> None:
        self.on_write("apply", kind)
        try:
            answer = await self.cluster.apply(kind, body)
        except Rejected:
            if kind != SERVICE or await self._live(model, kind, body) is None:
                raise
            answer = await self._replace_service(model, body)
        self.cache.put_child(kind, answer)
        applied = _Applied(answer["metadata"]["uid"], rendered_digest(body), owned_digest(answer, MANAGER))
        self._applied.setdefault(_key(model), {})[kind.kind, body["metadata"]["name"]] = applied

    async def _replace_service(self, model: MLModel, body: Object) -> Object:
        """Undo an edit of a Service's port, which apply cannot: it adds ours beside the edited one and is refused.

        Only for Services: a replaced Deployment would lose the count that an autoscaler set.
        """
        live = await self.cluster.get(SERVICE, model.metadata.namespace, body["metadata"]["name"])
        revision = {"resourceVersion": live["metadata"]["resourceVersion"]}
        await self.cluster.replace(SERVICE, {**body, "metadata": {**body["metadata"], **revision}})
        return await self.cluster.apply(SERVICE, body)

    def _is_current(self, model: MLModel, child: Child, rendered: str) -> bool:
        applied = self._applied.get(_key(model), {}).get((child.kind.kind, child.name))
        if applied is None or applied.uid != child.uid:
            return child.digest == rendered
        return applied.rendered == rendered and applied.answered == child.digest

    def _held(self, model: MLModel) -> dict[tuple[str, str], Child]:
        mine = [child for child in self.cache.children(_key(model)) if child.owner_uid == model.metadata.uid]
        return {(child.kind.kind, child.name): child for child in mine if not child.deleting}

    async def _live(self, model: MLModel, kind: Kind, body: Object) -> Child | None:
        """The object under this name that the cache does not know as ours, if there is one."""
        namespace, name = model.metadata.namespace, body["metadata"]["name"]
        try:
            live = await self.cluster.get(kind, namespace, name)
        except Missing:
            return None
        owners = live["metadata"].get("ownerReferences", ())
        if not any(ref["uid"] == model.metadata.uid for ref in owners):
            raise NameTaken(
                f"{kind.kind} {namespace}/{name} exists and does not belong to this MLModel; it is left alone: "
                f"delete or rename it, or give the MLModel another name"
            )
        if "deletionTimestamp" in live["metadata"]:
            raise Conflict(f"{kind.kind} {namespace}/{name} is still being deleted")
        self.cache.put_child(kind, live)
        return self._held(model).get((kind.kind, name))


def _key(model: MLModel) -> Key:
    return (model.metadata.namespace, model.metadata.name)
