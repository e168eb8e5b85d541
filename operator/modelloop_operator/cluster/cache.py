"""What is known of the cluster between passes: MLModels and the kept part of their children.

Watch events fill it, a periodic LIST corrects it. It may be behind the API server, never inconsistent in itself:
a decision made on it is committed with the resourceVersion it was made on. A LIST and the watch race, so nothing
here ever goes back to an older revision, also not past a deletion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelloop_operator.cluster.facts import Child, child_of, revision_of
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.port import Object

Key = tuple[str, str]
"""Namespace and name of an MLModel."""

_ChildId = tuple[str, str, str]
Mark = dict[Key | _ChildId, int]
"""Revisions of everything known at one moment."""


@dataclass
class Cache:
    """MLModels by key, children by owner."""

    models: dict[Key, Object] = field(default_factory=dict)
    _children: dict[Key, dict[_ChildId, Child]] = field(default_factory=dict)
    _owners: dict[_ChildId, Key] = field(default_factory=dict)
    _gone: dict[Key | _ChildId, int] = field(default_factory=dict)

    def put_model(self, live: Object) -> Key:
        """Keep an MLModel; its managed fields are of no use here."""
        meta = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
        key = (meta["namespace"], meta["name"])
        held = self.models.get(key)
        newest = max(revision_of(held) if held else 0, self._gone.get(key, 0))
        if revision_of(live) >= newest:
            self.models[key] = {**live, "metadata": meta}
        return key

    def drop_model(self, live: Object) -> Key:
        """Forget an MLModel that is gone; `live` is its last state."""
        key = (live["metadata"]["namespace"], live["metadata"]["name"])
        held = self.models.get(key)
        if held is None or revision_of(held) <= revision_of(live):
            self.models.pop(key, None)
            self._gone[key] = revision_of(live)
        return key

    def put_child(self, kind: Kind, live: Object) -> Key | None:
        """Keep a child; returns its owner's key when its kept part changed, else None."""
        child = child_of(kind, live)
        identity = _identity(kind, live)
        held_by = self._owners.get(identity)
        held = self._children[held_by].get(identity) if held_by else None
        if revision_of(live) < max(held.revision if held else 0, self._gone.get(identity, 0)):
            return None
        if child is None:
            return self._remove(identity)
        owner = (child.namespace, child.owner)
        if held_by not in (None, owner):
            self._remove(identity)
        self._owners[identity] = owner
        self._children.setdefault(owner, {})[identity] = child
        return None if held == child else owner

    def drop_child(self, kind: Kind, live: Object) -> Key | None:
        """Forget a child that is gone; `live` is its last state. Returns its owner's key if it was known."""
        identity = _identity(kind, live)
        held_by = self._owners.get(identity)
        if held_by is not None and self._children[held_by][identity].revision > revision_of(live):
            return None
        self._gone[identity] = revision_of(live)
        return self._remove(identity)

    def children(self, key: Key) -> tuple[Child, ...]:
        """All children that name this MLModel as their owner, whatever its uid."""
        return tuple(self._children.get(key, {}).values())

    def mark(self) -> Mark:
        """What is known now; taken before a LIST, so that what the watch brings meanwhile is not taken for a ghost."""
        known: Mark = {key: revision_of(model) for key, model in self.models.items()}
        known.update({one: self._children[owner][one].revision for one, owner in self._owners.items()})
        return known

    def resync_models(self, listed: Iterable[Object], mark: Mark) -> set[Key]:
        """Make the MLModels equal to an authoritative LIST begun after `mark`; returns the keys that differed."""
        before = {key: revision_of(model) for key, model in self.models.items()}
        fresh = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in listed}
        for key in before.keys() - fresh.keys():
            if mark.get(key) == before[key]:
                del self.models[key]
        for item in fresh.values():
            self.put_model(item)
        after = {key: revision_of(model) for key, model in self.models.items()}
        return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    def resync_children(self, kind: Kind, listed: Iterable[Object], mark: Mark) -> set[Key]:
        """Make the children of one kind equal to a LIST begun after `mark`; returns the owners of what differed."""
        items = list(listed)
        live = {_identity(kind, item) for item in items}
        absent = [identity for identity in self._owners if identity[0] == kind.kind and identity not in live]
        ghosts = [one for one in absent if mark.get(one) == self._children[self._owners[one]][one].revision]
        changed = {self._remove(identity) for identity in ghosts}
        changed |= {self.put_child(kind, item) for item in items}
        return {key for key in changed if key is not None}

    def forget_deletions(self) -> None:
        """Drop the memory of deletions, once every LIST that could predate them is over."""
        self._gone.clear()

    def _remove(self, identity: _ChildId) -> Key | None:
        owner = self._owners.pop(identity, None)
        if owner is not None:
            del self._children[owner][identity]
            if not self._children[owner]:
                del self._children[owner]
        return owner


def _identity(kind: Kind, live: Object) -> _ChildId:
    return (kind.kind, live["metadata"]["namespace"], live["metadata"]["name"])
