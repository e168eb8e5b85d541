"""An API server in memory that obeys the cluster port: apply with ownership, revisions, events, garbage, failures."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fakes.field_sets import FieldSet, applied_fields, from_fields_v1, merged, to_fields_v1, value_at, without
from modelloop_operator.cluster import kinds
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.port import ClusterError, Conflict, Missing, Object, Rejected, Unreachable

BUILT_IN = frozenset(
    {
        *kinds.CHILD_KINDS,
        kinds.ENDPOINT_SLICE,
        kinds.POD,
        kinds.SECRET,
        kinds.NODE,
        kinds.EVENT,
        kinds.LEASE,
        kinds.QUOTA,
    }
)
EVERYTHING = BUILT_IN | {*kinds.OPTIONAL_CHILD_KINDS, kinds.MLMODEL, kinds.GATEWAY}
_KEYED_STATUS = {"conditions": "type", "failedVersions": "version", "warm": "version"}

Id = tuple[Kind, str, str]
Listener = Callable[[Kind, str, Object], None]


class Crashed(BaseException):
    """The process was killed; a BaseException, because nothing may catch it."""


class Events(Enum):
    """How watch events reach a listener."""

    IMMEDIATE = "at once"
    DELAYED = "late"
    DROPPED = "never"
    REPEATED = "twice"


@dataclass(frozen=True)
class Write:
    """One accepted change by a client."""

    verb: str
    kind: str
    name: str


class FakeCluster:
    """Implements `Cluster`.

    `served` says which APIs exist. `crash_after` ends the client's process right after that many writes.
    `refuse` may answer any verb with an error. `while_listing` runs between a LIST's snapshot and its answer.
    """

    def __init__(self, *, manager: str = "modelloop", served: frozenset[Kind] = EVERYTHING) -> None:
        self.manager = manager
        self.served = served
        self.objects: dict[Id, Object] = {}
        self.writes: list[Write] = []
        self.events = Events.IMMEDIATE
        self.unreachable = False
        self.crash_after: int | None = None
        self.refuse: Callable[[str, Kind, str], ClusterError | None] = lambda verb, kind, name: None
        self.while_listing: Callable[[Kind], None] = lambda kind: None
        self.on_get: Callable[[Kind], None] = lambda kind: None
        self.on_write: Callable[[Write, Object], None] = lambda write, body: None
        self._revision = 100
        self._listeners: list[Listener] = []
        self._late: list[tuple[Kind, str, Object]] = []

    # --- the port -------------------------------------------------------------------------------------------------

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """One object; raises Missing."""
        await self._enter("get", kind, name)
        self.on_get(kind)
        return _copy(self._find(kind, namespace or "", name))

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind that carry the selector's labels."""
        await self._enter("list", kind, "")
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        found = [
            _copy(live)
            for (of, at, _), live in self.objects.items()
            if of == kind
            and namespace in (None, at)
            and wanted.items() <= (live["metadata"].get("labels") or {}).items()
        ]
        self.while_listing(kind)
        return found

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply with force; changes nothing when nothing differs."""
        await self._enter("apply", kind, body["metadata"]["name"])
        live = self.objects.get(_id(kind, body))
        fields = applied_fields(body)
        if live is None:
            return self._add("apply", kind, _copy(body), {(self.manager, "Apply"): fields})
        return self._take_over(kind, live, body, fields)

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create; raises Conflict when the name is taken."""
        await self._enter("create", kind, body["metadata"]["name"])
        if _id(kind, body) in self.objects:
            raise Conflict(f"POST {kind.plural} {body['metadata']['name']!r} already exists")
        return self._add("create", kind, _copy(body), {(self.manager, "Update"): applied_fields(body)})

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete exactly that object; finalizers hold it in deletion."""
        await self._enter("delete", kind, name)
        live = self.objects.get((kind, namespace, name))
        if live is None or live["metadata"]["uid"] != uid:
            return
        self._delete(kind, live)
        self._written("delete", kind, live)

    async def replace(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        """Replace at body's revision; `status` changes nothing but status."""
        await self._enter("replace", kind, body["metadata"]["name"])
        live = self._find(kind, body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if body["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
            raise Conflict(f"PUT {kind.plural} {body['metadata']['name']!r}: the object has been modified")
        _check_keyed(body)
        kept = {"apiVersion", "kind", "metadata", *(live.keys() if subresource else {"status"})} - {subresource}
        rest = {key: value for key, value in body.items() if key not in kept}
        wanted = {**{key: live[key] for key in kept if key in live}, **_copy(rest)}
        if wanted == live:
            return _copy(live)
        return self._store(subresource or "replace", kind, wanted)

    @property
    def revision(self) -> int:
        """Grows with every change, whoever made it."""
        return self._revision

    # --- what other clients and controllers do ----------------------------------------------------------------------

    def put(self, kind: Kind, body: Object) -> Object:
        """Create or overwrite an object as its owner would; not counted as a write of the operator."""
        live = self.objects.get(_id(kind, body))
        fresh = _copy(body)
        if live is None:
            return self._add("", kind, fresh, {("kubectl", "Update"): applied_fields(body)})
        meta = {**live["metadata"], **{k: v for k, v in fresh["metadata"].items() if k in ("annotations", "labels")}}
        return self._store("", kind, {**live, **fresh, "metadata": meta})

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None]) -> None:
        """A hand edit: fields that it changes are no longer those of whoever applied them."""
        live = self.objects[kind, namespace, name]
        edited = _copy(live)
        change(edited)
        owners = _owners(live)
        for owner, fields in owners.items():
            owners[owner] = frozenset(path for path in fields if value_at(edited, path) == value_at(live, path))
        edited["metadata"]["managedFields"] = _managed_fields(owners)
        self._store("", kind, edited)

    def set_status(self, kind: Kind, namespace: str, name: str, status: Object) -> None:
        """What a controller reports."""
        live = self.objects[kind, namespace, name]
        if live.get("status") != status:
            self._store("", kind, {**live, "status": _copy(status)})

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """A person's delete; children go by `collect_garbage`."""
        self._delete(kind, self.objects[kind, namespace, name])

    def finish_deletion(self, kind: Kind, namespace: str, name: str) -> None:
        """The last finalizer is done."""
        self._drop(kind, self.objects[kind, namespace, name])

    def collect_garbage(self) -> bool:
        """Remove what is owned by an object that is gone; returns whether there was any."""
        alive = {live["metadata"]["uid"] for live in self.objects.values()}
        orphans = [
            (kind, live)
            for (kind, _, _), live in self.objects.items()
            for owners in [live["metadata"].get("ownerReferences", ())]
            if owners and not any(ref["uid"] in alive for ref in owners)
        ]
        for kind, live in orphans:
            self._delete(kind, live)
        return bool(orphans)

    def listen(self, listener: Listener) -> None:
        """Get every later change as a watch event, in the way that `events` says."""
        self._listeners = [listener]
        self._late = []

    def deliver(self) -> None:
        """Let late events arrive, in order."""
        late, self._late = self._late, []
        for kind, event, live in late:
            for listener in self._listeners:
                listener(kind, event, _copy(live))

    def of(self, kind: Kind, namespace: str | None = None) -> dict[str, Object]:
        """Objects of a kind by name, as they are."""
        return {name: live for (k, at, name), live in self.objects.items() if k == kind and namespace in (None, at)}

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _enter(self, verb: str, kind: Kind, name: str) -> None:
        await asyncio.sleep(0)
        if self.unreachable:
            raise Unreachable(f"{verb} {kind.plural}: connection refused")
        if kind not in self.served:
            raise Missing(f"{verb} {kind.plural}: the server could not find the requested resource")
        error = self.refuse(verb, kind, name)
        if error is not None:
            raise error

    def _find(self, kind: Kind, namespace: str, name: str) -> Object:
        try:
            return self.objects[kind, namespace if kind.namespaced else "", name]
        except KeyError:
            raise Missing(f"GET {kind.plural} {namespace}/{name} not found") from None

    def _take_over(self, kind: Kind, live: Object, body: Object, fields: FieldSet) -> Object:
        owners = _owners(live)
        mine = (self.manager, "Apply")
        others = {owner: claimed for owner, claimed in owners.items() if owner != mine}
        after = _copy(live)
        for path in sorted(owners.get(mine, frozenset()) - fields, key=lambda path: (path[-1] != ".", path)):
            # List items as a whole come first: without its keys the rest of an item cannot be found.
            if not any(path in claimed for claimed in others.values()):
                without(after, path[:-1] if path[-1] == "." else path)
        after = merged(after, {key: value for key, value in body.items() if key != "metadata"})
        after["metadata"] = merged(live["metadata"], body["metadata"], "metadata")
        for owner, claimed in others.items():
            others[owner] = frozenset(p for p in claimed if p not in fields or value_at(live, p) == value_at(after, p))
        after["metadata"]["managedFields"] = _managed_fields({**others, mine: fields})
        if after == live:
            # The API server answers such an apply without a new revision; for the operator it was a write all the same.
            self._written("apply", kind, live)
            return _copy(live)
        return self._store("apply", kind, after)

    def _add(self, verb: str, kind: Kind, body: Object, owners: dict[tuple[str, str], FieldSet]) -> Object:
        meta = body["metadata"]
        meta["uid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind.plural}/{meta['name']}/{self._revision}"))
        meta["generation"] = 1
        meta["creationTimestamp"] = "2026-03-01T12:00:00Z"
        meta["managedFields"] = _managed_fields(owners)
        return self._store(verb, kind, body)

    def _store(self, verb: str, kind: Kind, body: Object) -> Object:
        before = self.objects.get(_id(kind, body))
        if before is not None and before.get("spec") != body.get("spec"):
            body["metadata"]["generation"] = before["metadata"]["generation"] + 1
        self._revision += 1
        body["metadata"]["resourceVersion"] = str(self._revision)
        self.objects[_id(kind, body)] = body
        self._tell(kind, "ADDED" if before is None else "MODIFIED", body)
        if verb:
            self._written(verb, kind, body)
        return _copy(body)

    def _delete(self, kind: Kind, live: Object) -> None:
        if not live["metadata"].get("finalizers"):
            self._drop(kind, live)
        elif "deletionTimestamp" not in live["metadata"]:
            meta = {**live["metadata"], "deletionTimestamp": "2026-03-01T12:00:00Z"}
            self._store("", kind, {**live, "metadata": meta})

    def _drop(self, kind: Kind, live: Object) -> None:
        self.objects.pop(_id(kind, live), None)
        self._revision += 1
        last = {**live, "metadata": {**live["metadata"], "resourceVersion": str(self._revision)}}
        self._tell(kind, "DELETED", last)

    def _tell(self, kind: Kind, event: str, live: Object) -> None:
        news = (kind, event, _copy(live))
        if self.events is Events.DROPPED:
            return
        if self.events in (Events.DELAYED, Events.REPEATED):
            self._late.append(news)
        if self.events in (Events.IMMEDIATE, Events.REPEATED):
            for listener in self._listeners:
                listener(kind, event, _copy(live))

    def _written(self, verb: str, kind: Kind, body: Object) -> None:
        write = Write(verb, kind.kind, body["metadata"]["name"])
        self.writes.append(write)
        self.on_write(write, body)
        if self.crash_after is not None and len(self.writes) >= self.crash_after:
            self.crash_after = None
            raise Crashed(f"after {write}")


def _copy(body: Object) -> Object:
    # As over the wire, and much quicker than deepcopy.
    copied: Object = json.loads(json.dumps(body))
    return copied


def _id(kind: Kind, body: Object) -> Id:
    return (kind, body["metadata"].get("namespace", "") if kind.namespaced else "", body["metadata"]["name"])


def _owners(live: Object) -> dict[tuple[str, str], FieldSet]:
    entries = live["metadata"].get("managedFields", ())
    return {(entry["manager"], entry["operation"]): from_fields_v1(entry["fieldsV1"]) for entry in entries}


def _managed_fields(owners: dict[tuple[str, str], FieldSet]) -> list[dict[str, Any]]:
    return [
        {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(fields)}
        for (manager, operation), fields in owners.items()
        if fields
    ]


def _check_keyed(body: Object) -> None:
    for field, key in _KEYED_STATUS.items():
        items = [json.dumps(item.get(key)) for item in body.get("status", {}).get(field, ())]
        if len(set(items)) != len(items):
            raise Rejected(f"status.{field}: Duplicate value")
