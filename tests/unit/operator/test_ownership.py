"""Which part of a live object is ours, on what a real API server answered (saved by the cluster layer)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.field_sets import applied_fields, to_fields_v1
from modelloop_operator.cluster.ownership import owned_digest, owned_fields, owns, rendered_digest

FOLDER = Path(__file__).parent / "samples"
OURS = "modelloop"
REWRITTEN = {
    # `limits: {}` and an empty value are dropped, amounts rewritten, an atomic fieldRef gets its default.
    ("every-source-and-affinity", "Deployment"),
    ("placement-and-additions", "Deployment"),
    ("replicas-image-device-timeout", "Deployment"),
}


def samples() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.json")):
        for found in json.loads(path.read_text()):
            kind, name = found["rendered"]["kind"], found["rendered"]["metadata"]["name"]
            yield pytest.param(path.stem, found["rendered"], found["live"], id=f"{path.stem}: {kind} {name}")


def one(kind: str, of: str = "nothing-but-a-registry") -> dict[str, Any]:
    found: dict[str, Any] = next(
        entry["live"] for entry in json.loads((FOLDER / f"{of}.json").read_text()) if entry["live"]["kind"] == kind
    )
    return found


@pytest.mark.parametrize(("name", "rendered", "live"), list(samples()))
def test_what_the_api_server_answered_is_what_was_rendered(
    name: str, rendered: dict[str, Any], live: dict[str, Any]
) -> None:
    equal = owned_digest(live, OURS) == rendered_digest(rendered)
    assert equal is ((name, rendered["kind"]) not in REWRITTEN)


@pytest.mark.parametrize(("name", "rendered", "live"), list(samples()))
def test_the_fake_claims_the_fields_that_the_api_server_recorded(
    name: str, rendered: dict[str, Any], live: dict[str, Any]
) -> None:
    assert _bare(to_fields_v1(applied_fields(rendered))) == _bare(owned_fields(live, OURS))


@pytest.mark.parametrize(("name", "rendered", "live"), list(samples()))
def test_what_others_write_does_not_concern_us(name: str, rendered: dict[str, Any], live: dict[str, Any]) -> None:
    before = owned_digest(live, OURS)
    later = copy.deepcopy(live)
    later["metadata"]["resourceVersion"] = "999999"
    later["metadata"]["generation"] = 99
    later["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "7"
    later["metadata"]["labels"]["team"] = "blue"
    later["metadata"]["managedFields"].append({"manager": "kcm", "operation": "Update", "fieldsV1": {"f:status": {}}})
    later["status"] = {"readyReplicas": 2, "conditions": [{"type": "Available"}]}
    assert owned_digest(later, OURS) == before


EDITS = [
    pytest.param("Service", ("spec", "selector", "modelloop.dev/version"), "9.9.9", id="a changed value"),
    pytest.param("Service", ("spec", "ports", 0, "targetPort"), 81, id="a changed value in a list item"),
    pytest.param("Service", ("spec", "ports", 0), None, id="a removed list item"),
    pytest.param("Service", ("metadata", "labels", "modelloop.dev/model"), None, id="a removed label"),
    pytest.param("Service", ("metadata", "ownerReferences", 0), None, id="a removed owner"),
    pytest.param("Deployment", ("spec", "replicas"), 7, id="a changed count"),
    pytest.param(
        "Deployment", ("spec", "template", "spec", "containers", 0, "env", 0, "value"), "x", id="a changed variable"
    ),
    pytest.param(
        "Deployment", ("spec", "template", "spec", "containers", 0, "resources", "limits"), None, id="removed limits"
    ),
    pytest.param("Deployment", ("spec", "template", "spec", "volumes", 0, "emptyDir"), None, id="a removed empty part"),
    pytest.param("ServiceAccount", ("automountServiceAccountToken",), True, id="a changed field at the top"),
]


@pytest.mark.parametrize(("kind", "path", "value"), EDITS)
def test_a_hand_edit_moves_the_digest(kind: str, path: tuple[Any, ...], value: Any) -> None:
    live = one(kind)
    before = owned_digest(live, OURS)
    at: Any = live
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    assert owned_digest(live, OURS) != before


def test_a_field_that_another_took_over_is_no_longer_ours() -> None:
    live = one("Deployment")
    assert owns(live, OURS, "spec", "replicas")
    before = owned_digest(live, OURS)
    del owned_fields(live, OURS)["f:spec"]["f:replicas"]
    assert not owns(live, OURS, "spec", "replicas")
    assert owned_digest(live, OURS) != before


def test_an_object_that_nobody_applied_is_not_ours() -> None:
    live = one("Service")
    live["metadata"]["managedFields"] = []
    assert owned_fields(live, OURS) == {}
    assert not owns(live, OURS, "spec")


def test_an_update_or_a_subresource_under_our_name_is_not_an_apply() -> None:
    live = one("Service")
    (entry,) = live["metadata"]["managedFields"]
    live["metadata"]["managedFields"] = [{**entry, "operation": "Update"}, {**entry, "subresource": "status"}]
    assert owned_fields(live, OURS) == {}


def test_a_digest_does_not_depend_on_the_order_of_names() -> None:
    body = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}}
    turned = {"kind": "X", "metadata": {"labels": {"y": "2", "x": "1"}, "name": "b"}, "apiVersion": "v2"}
    assert rendered_digest(body) == rendered_digest(turned)


def test_a_digest_depends_on_the_order_of_a_list() -> None:
    metadata = {"name": "a"}
    one_way = {"metadata": metadata, "spec": {"args": ["a", "b"]}}
    assert rendered_digest(one_way) != rendered_digest({"metadata": metadata, "spec": {"args": ["b", "a"]}})


def _bare(tree: dict[str, Any]) -> dict[str, Any]:
    return {step: _bare(subtree) for step, subtree in tree.items() if step != "."}
