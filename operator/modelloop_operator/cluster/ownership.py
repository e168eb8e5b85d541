"""Which part of a live object is ours: the fields that server-side apply recorded for our manager.

A hand edit takes a field away from us or changes it, the digest moves, and the next apply puts it back. The API server
rewrites some of what it is given (`1000m` becomes `1`, defaults appear inside atomic parts), so the part is compared
with what the last apply was answered, and with what is rendered only when nothing is remembered.
Format of `fieldsV1`: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

_IDENTITY = ("apiVersion", "kind")
_NOT_APPLIED = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


def owned_digest(live: dict[str, Any], manager: str) -> str:
    """Digest of the fields of `live` that `manager` applied; equal to `rendered_digest` when nothing is to do."""
    return _digest(_extract(live, owned_fields(live, manager)))


def rendered_digest(rendered: dict[str, Any]) -> str:
    """Digest of a rendered object, comparable with `owned_digest`."""
    body = {key: value for key, value in rendered.items() if key not in _IDENTITY}
    body["metadata"] = {key: value for key, value in rendered["metadata"].items() if key not in _NOT_APPLIED}
    return _digest(body)


def owned_fields(live: dict[str, Any], manager: str) -> dict[str, Any]:
    """The `fieldsV1` tree that `manager` applied to `live` (not through a subresource); empty when none."""
    for entry in live.get("metadata", {}).get("managedFields", ()):
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            fields: dict[str, Any] = entry.get("fieldsV1", {})
            return fields
    return {}


def owns(live: dict[str, Any], manager: str, *path: str) -> bool:
    """Whether `manager` applied the field at `path` (plain field names)."""
    tree = owned_fields(live, manager)
    for name in path:
        if f"f:{name}" not in tree:
            return False
        tree = tree[f"f:{name}"]
    return True


def _extract(value: Any, tree: dict[str, Any]) -> Any:
    children = {key: subtree for key, subtree in tree.items() if key != "."}
    if not children:
        return value
    if isinstance(value, dict):
        present = ((key[2:], subtree) for key, subtree in children.items() if key.startswith("f:"))
        return {name: _extract(value[name], subtree) for name, subtree in present if name in value}
    if isinstance(value, list):
        return _extract_items(value, children)
    return value


def _extract_items(items: list[Any], children: dict[str, Any]) -> list[Any]:
    keyed = [(json.loads(key[2:]), subtree) for key, subtree in children.items() if key.startswith("k:")]
    values = [json.loads(key[2:]) for key in children if key.startswith("v:")]
    extracted = []
    for item in items:
        if item in values:
            extracted.append(item)
        for keys, subtree in keyed:
            if isinstance(item, dict) and all(item.get(name) == value for name, value in keys.items()):
                extracted.append(_extract(item, subtree))
    return extracted


def _digest(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
