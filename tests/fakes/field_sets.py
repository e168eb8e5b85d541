"""Server-side apply's bookkeeping (`managedFields`), as far as the kinds need that ModelLoop renders.

A field set is a set of paths; a path is a tuple of `f:NAME` and `k:{KEYS}` as in `fieldsV1`. Which lists are merged by
keys, and which maps count as one field, is read off the real API server (the contract suite compares both).
"""

from __future__ import annotations

import copy
import json
from typing import Any

Path = tuple[str, ...]
FieldSet = frozenset[Path]

KEYED_LISTS: dict[str, tuple[str, ...]] = {
    "metadata.ownerReferences": ("uid",),
    "spec.ports": ("port", "protocol"),
    "spec.template.spec.containers": ("name",),
    "spec.template.spec.containers.env": ("name",),
    "spec.template.spec.containers.ports": ("containerPort", "protocol"),
    "spec.template.spec.containers.volumeMounts": ("mountPath",),
    "spec.template.spec.imagePullSecrets": ("name",),
    "spec.template.spec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "spec.template.spec.volumes": ("name",),
}
ATOMIC_MAPS = frozenset(
    {
        *("selector", "labelSelector", "nodeSelector", "requiredDuringSchedulingIgnoredDuringExecution"),
        *("fieldRef", "resourceFieldRef", "secretKeyRef", "configMapKeyRef", "nodePublishSecretRef"),
    }
)
ATOMIC_ITEMS = frozenset({"metadata.ownerReferences", "spec.template.spec.imagePullSecrets"})
"""Lists whose items are found by keys and then belong to one manager as a whole."""
_SERVER_SIDE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "name", "namespace")


def applied_fields(body: dict[str, Any]) -> FieldSet:
    """The paths that applying `body` claims."""
    claimed = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "status")}
    claimed["metadata"] = {key: value for key, value in body["metadata"].items() if key not in _SERVER_SIDE}
    return frozenset(_paths(claimed, (), ""))


def to_fields_v1(fields: FieldSet) -> dict[str, Any]:
    """The tree that an object's `managedFields` carries."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def from_fields_v1(tree: dict[str, Any]) -> FieldSet:
    """The paths of such a tree."""
    return frozenset(_leaves(tree, ()))


def value_at(body: Any, path: Path) -> Any:
    """What stands at a path, or None."""
    for step in path:
        body = _child(body, step)
    return body


def without(body: Any, path: Path) -> None:
    """Remove what stands at a path; its absence is fine."""
    parent = value_at(body, path[:-1])
    kind, name = path[-1][:2], path[-1][2:]
    if kind == "f:" and isinstance(parent, dict):
        parent.pop(name, None)
    if kind == "k:" and isinstance(parent, list):
        parent[:] = [item for item in parent if not _has(item, json.loads(name))]


def merged(live: Any, applied: Any, where: str = "") -> Any:
    """`live` with everything that `applied` says; list items that both know stand in the order applied."""
    if isinstance(live, dict) and isinstance(applied, dict) and not _is_atomic_map(where):
        parts = {name: merged(live.get(name), value, _below(where, name)) for name, value in applied.items()}
        return {**live, **parts}
    if isinstance(live, list) and isinstance(applied, list) and where in KEYED_LISTS:
        keys = KEYED_LISTS[where]
        old = {_key_of(item, keys): item for item in live}
        new = [merged(old.pop(_key_of(item, keys), None), item, where) for item in applied]
        return [*new, *old.values()]
    return copy.deepcopy(applied)


def _paths(value: Any, path: Path, where: str) -> list[Path]:
    if isinstance(value, dict) and value and not _is_atomic_map(where):
        return [found for key, part in value.items() for found in _paths(part, (*path, f"f:{key}"), _below(where, key))]
    if isinstance(value, list) and value and where in KEYED_LISTS:
        found: list[Path] = []
        for item in value:
            at = (*path, f"k:{_key_of(item, KEYED_LISTS[where])}")
            found += [at] if where in ATOMIC_ITEMS else [(*at, "."), *_paths(item, at, where)]
        return found
    return [path]


def _leaves(tree: dict[str, Any], path: Path) -> list[Path]:
    if not tree:
        return [path]
    return [leaf for step, subtree in tree.items() for leaf in _leaves(subtree, (*path, step))]


def _child(body: Any, step: str) -> Any:
    kind, name = step[:2], step[2:]
    if kind == "f:" and isinstance(body, dict):
        return body.get(name)
    if kind == "k:" and isinstance(body, list):
        return next((item for item in body if _has(item, json.loads(name))), None)
    return body if step == "." else None


def _has(item: Any, keys: dict[str, Any]) -> bool:
    return isinstance(item, dict) and all(item.get(name) == value for name, value in keys.items())


def _key_of(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    return json.dumps({key: item.get(key) for key in sorted(keys)}, separators=(",", ":"))


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _is_atomic_map(where: str) -> bool:
    # A Deployment's and a Service's `spec.selector` alike; labels and annotations are merged.
    return where.rpartition(".")[2] in ATOMIC_MAPS
