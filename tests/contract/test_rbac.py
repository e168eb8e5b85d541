"""The chart's rights are the calls of the operator's code: none is missing, none is left over."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import modelloop_operator
from contract.helm import NAMESPACE, Object, of_kind, render
from modelloop_operator.cluster import kinds
from modelloop_operator.cluster.kinds import CHILD_KINDS, CREATE_ONLY, MLMODEL, OPTIONAL_CHILD_KINDS, Kind

Right = tuple[str, str, str]
"""API group, resource, verb."""

WATCHED = (MLMODEL, *CHILD_KINDS, *OPTIONAL_CHILD_KINDS)
CHILDREN = (*CHILD_KINDS, *OPTIONAL_CHILD_KINDS)

VERBS = {
    "get": ("get",),
    "list": ("list",),
    # Server-side apply of an object that is not there yet is authorised as a create as well.
    "apply": ("patch", "create"),
    "create": ("create",),
    "delete": ("delete",),
    "replace": ("update",),
}
"""What the API server asks for each verb of the operator's port."""

VARIABLES: dict[tuple[str, str, str], tuple[Kind, ...]] = {
    ("loop.py", "list", "kind"): WATCHED,
    ("discovery.py", "list", "kind"): (MLMODEL, *OPTIONAL_CHILD_KINDS),
    ("apply.py", "get", "kind"): CHILDREN,
    ("apply.py", "apply", "kind"): tuple(kind for kind in CHILDREN if kind not in CREATE_ONLY),
    ("apply.py", "create", "kind"): tuple(CREATE_ONLY),
    ("apply.py", "delete", "child.kind"): CHILDREN,
}
"""What a call means whose kind is no constant: file, verb, expression."""

NOT_CALLED = {("modelloop.dev", "mlmodels/finalizers", "update")}
"""Asked by OwnerReferencesPermissionEnforcement of whoever makes a child that blocks its owner's deletion."""


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call of the cluster port in the operator: file name, call, verb."""
    for path in sorted(Path(modelloop_operator.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VERBS:
                receiver = ast.unparse(node.func.value)
                if receiver.rpartition(".")[2].lstrip("_") == "cluster":
                    yield path.name, node, node.func.attr


def rights_of_code() -> set[Right]:
    """What the operator's calls and watches need."""
    found = {(kind.group, kind.plural, verb) for kind in WATCHED for verb in ("list", "watch")}
    for file, call, verb in calls():
        constants = [argument.value for argument in call.args[1:] if isinstance(argument, ast.Constant)]
        words = [value for value in constants if isinstance(value, str)]
        subresource = f"/{words[-1]}" if verb == "replace" and words else ""
        for kind in kinds_of(file, verb, ast.unparse(call.args[0])):
            found |= {(kind.group, kind.plural + subresource, asked) for asked in VERBS[verb]}
    return found


def kinds_of(file: str, verb: str, expression: str) -> Iterable[Kind]:
    constant = getattr(kinds, expression, None)
    if isinstance(constant, Kind):
        return (constant,)
    assert (file, verb, expression) in VARIABLES, f"{file}: {verb}({expression}, …) needs a line in VARIABLES"
    return VARIABLES[file, verb, expression]


def rules(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Each rule with the role that holds it, the operator's own roles only."""
    bound = {
        (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in [*of_kind(objects, "ClusterRoleBinding"), *of_kind(objects, "RoleBinding")]
    }
    for role in [*of_kind(objects, "ClusterRole"), *of_kind(objects, "Role")]:
        if (role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]) in bound:
            for rule in role["rules"]:
                yield role, rule


def rights(found: Iterable[tuple[Object, Object]]) -> set[Right]:
    return {
        (group, resource, verb)
        for _, rule in found
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_chart_gives_what_the_code_calls_and_nothing_else() -> None:
    assert rights(rules(render())) == rights_of_code() | NOT_CALLED


def test_with_namespaces_the_same_rights_hold_there_and_only_two_reads_everywhere() -> None:
    objects = render({"watchNamespaces": ["a", "b"]})
    everywhere = {("", "nodes", "list"), ("gateway.networking.k8s.io", "gateways", "get")}
    by_place: dict[str | None, set[Right]] = {}
    for role, rule in rules(objects):
        by_place.setdefault(role["metadata"].get("namespace"), set()).update(rights([(role, rule)]))
    leases = {right for right in rights_of_code() if right[1] == "leases"}
    own = (rights_of_code() | NOT_CALLED) - leases - {("", "nodes", "list")}
    assert by_place == {None: everywhere, "a": own, "b": own, NAMESPACE: leases}


def test_leases_are_the_operators_own() -> None:
    for role, rule in rules(render()):
        if "leases" in rule["resources"]:
            assert role["kind"] == "Role"
            assert role["metadata"]["namespace"] == NAMESPACE
            assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["modelloop"]


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}], ids=["all namespaces", "one namespace"])
def test_no_role_has_a_wildcard_or_lists_secrets(values: dict[str, Any]) -> None:
    objects = render(values)
    for role in [*of_kind(objects, "ClusterRole"), *of_kind(objects, "Role")]:
        for rule in role["rules"]:
            assert "*" not in "".join([*rule["apiGroups"], *rule["resources"], *rule["verbs"]])
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["get"]


def test_viewers_see_mlmodels_and_only_editors_change_them() -> None:
    roles = {
        role["metadata"]["name"].rpartition("-")[2]: role
        for role in of_kind(render(), "ClusterRole")
        if any("aggregate-to" in label for label in role["metadata"]["labels"])
    }
    assert rights((roles["view"], rule) for rule in roles["view"]["rules"]) == {
        ("modelloop.dev", resource, verb)
        for resource, verbs in (
            ("mlmodels", ("get", "list", "watch")),
            ("mlmodels/status", ("get",)),
            ("mlmodels/scale", ("get",)),
        )
        for verb in verbs
    }
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in roles["edit"]["metadata"]["labels"]
    # Status is the operator's word alone.
    assert not any("mlmodels/status" in rule["resources"] for rule in roles["edit"]["rules"])
