"""What is kept of a watched child: counts, weights, and whether they speak of the newest generation."""

from __future__ import annotations

from typing import Any

import pytest

from modelloop_core.versions import Version
from modelloop_operator.cluster.facts import (
    AutoscalerFacts,
    DeploymentFacts,
    IngressFacts,
    RouteFacts,
    ServiceFacts,
    child_of,
    revision_of,
)
from modelloop_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT, HTTP_ROUTE, INGRESS, SERVICE, SERVICE_ACCOUNT, Kind

EDGE = {"name": "edge"}


def child(kind: Kind, *, generation: int = 2, **parts: Any) -> Any:
    metadata = {
        "name": "churn",
        "namespace": "shop",
        "uid": "u",
        "generation": generation,
        "resourceVersion": "7",
        "labels": {"modelloop.dev/version": "1.0.0"},
        "ownerReferences": [{"kind": "MLModel", "name": "churn", "uid": "uid-1", "controller": True}],
    }
    return child_of(kind, {"metadata": {**metadata, **parts.pop("metadata", {})}, **parts})


def deployment(**status: Any) -> DeploymentFacts:
    facts = child(DEPLOYMENT, spec={"replicas": 2}, status=status).facts
    assert isinstance(facts, DeploymentFacts)
    return facts


def counts(observed: int, pods: int, new: int, up: int) -> dict[str, int]:
    return {"observedGeneration": observed, "replicas": pods, "updatedReplicas": new, "readyReplicas": up}


COUNTS = [
    pytest.param({}, 0, False, id="no status yet"),
    pytest.param(counts(2, pods=2, new=2, up=0), 0, True, id="all new and none ready"),
    pytest.param(counts(2, pods=2, new=2, up=2), 2, True, id="all new and ready"),
    pytest.param(counts(1, pods=2, new=2, up=2), 2, False, id="of an older spec"),
    pytest.param(counts(2, pods=3, new=2, up=3), 3, False, id="an old pod is left"),
    pytest.param(counts(2, pods=2, new=1, up=2), 2, False, id="one is not new yet"),
]


@pytest.mark.parametrize(("status", "ready", "settled"), COUNTS)
def test_counts_of_a_deployment(status: dict[str, Any], ready: int, settled: bool) -> None:
    facts = deployment(**status)
    assert (facts.ready, facts.settled) == (ready, settled)


@pytest.mark.parametrize(
    ("observed", "reason", "exceeded"),
    [
        pytest.param(2, "ProgressDeadlineExceeded", True, id="of this spec"),
        pytest.param(1, "ProgressDeadlineExceeded", False, id="of an older spec"),
        pytest.param(2, "ReplicaSetUpdated", False, id="still progressing"),
    ],
)
def test_a_passed_deadline(observed: int, reason: str, exceeded: bool) -> None:
    conditions = [
        {"type": "Available", "reason": "ProgressDeadlineExceeded"},
        {"type": "Progressing", "reason": reason},
    ]
    assert deployment(observedGeneration=observed, conditions=conditions).deadline_exceeded is exceeded


def test_a_deployment_without_a_count_wants_one_pod() -> None:
    facts = child(DEPLOYMENT, spec={}, status={}).facts
    assert facts.desired == 1


def parent(
    name: str = "edge", *, accepted: str = "True", resolved: str = "True", generation: int = 2
) -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": status, "reason": "Because", "message": "it is", "observedGeneration": generation}
        for kind, status in (("Accepted", accepted), ("ResolvedRefs", resolved))
    ]
    return {"parentRef": {"name": name}, "conditions": conditions}


def route(*parents: dict[str, Any], refs: tuple[dict[str, str], ...] = (EDGE,), generation: int = 2) -> RouteFacts:
    rules = [{"backendRefs": [{"name": "churn-v1-0-0", "weight": 95}, {"name": "churn-v1-1-0"}]}]
    spec = {"parentRefs": list(refs), "rules": rules}
    facts = child(HTTP_ROUTE, generation=generation, spec=spec, status={"parents": list(parents)}).facts
    assert isinstance(facts, RouteFacts)
    return facts


ROUTES = [
    pytest.param(route(), False, False, "1 of 1 gateways have not answered", id="no gateway answered"),
    pytest.param(route(parent()), True, True, "", id="the gateway took it"),
    pytest.param(route(parent(generation=1)), True, False, "newest route", id="the gateway took an older one"),
    pytest.param(route(parent(accepted="False")), False, False, "Accepted is False: Because: it is", id="refused"),
    pytest.param(route(parent(resolved="False")), False, False, "ResolvedRefs is False", id="a backend is missing"),
    pytest.param(
        route({"parentRef": EDGE, "conditions": []}), False, False, "not taken up", id="an answer without conditions"
    ),
    pytest.param(
        route(parent(), refs=(EDGE, {"name": "other"})), False, False, "1 of 2 gateways", id="one of two answered"
    ),
    pytest.param(
        route(parent(), parent("other", accepted="False"), refs=(EDGE, {"name": "other"})),
        False,
        False,
        "'other' says Accepted is False",
        id="one of two refused",
    ),
    pytest.param(
        route(parent(), parent("gone", accepted="False")), True, True, "", id="a gateway that the route has left"
    ),
    pytest.param(
        route({**parent(), "parentRef": {"name": "edge", "namespace": "shop"}}), True, True, "", id="spelt out"
    ),
    pytest.param(
        route(parent(), parent(), parent(), refs=(EDGE, {"name": "other"})),
        False,
        False,
        "1 of 2 gateways have not answered",
        id="two controllers answered for the same gateway",
    ),
]


@pytest.mark.parametrize(("facts", "accepted", "confirmed", "problem"), ROUTES)
def test_a_route_is_confirmed_by_every_gateway_in_its_newest_form(
    facts: RouteFacts, accepted: bool, confirmed: bool, problem: str
) -> None:
    assert (facts.accepted, facts.confirmed) == (accepted, confirmed)
    assert problem in facts.problem
    assert bool(facts.problem) is not confirmed


def test_weights_are_read_back_and_absent_means_one() -> None:
    assert route(parent()).weights == {"churn-v1-0-0": 95, "churn-v1-1-0": 1}


def test_a_service_tells_which_version_it_picks() -> None:
    found = child(SERVICE, spec={"selector": {"modelloop.dev/version": "1.0.0"}})
    assert found.facts == ServiceFacts(Version(1, 0, 0))


@pytest.mark.parametrize(
    "spec",
    [{}, {"selector": {}}, {"selector": {"modelloop.dev/version": "the good one"}}],
    ids=["no selector", "no label", "no version"],
)
def test_a_service_whose_selector_names_no_version_picks_none(spec: dict[str, Any]) -> None:
    assert child(SERVICE, spec=spec).facts == ServiceFacts(None)


@pytest.mark.parametrize(
    ("status", "taken_up"),
    [
        pytest.param({}, False, id="no status"),
        pytest.param({"loadBalancer": {}}, False, id="no address"),
        pytest.param({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}, True, id="an address"),
    ],
)
def test_an_ingress_is_taken_up_when_it_has_an_address(status: dict[str, Any], taken_up: bool) -> None:
    assert child(INGRESS, status=status).facts == IngressFacts(taken_up)


def says(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": f"{kind}{status}", "message": "it is"}


SCALING = [
    pytest.param([], None, id="nothing said"),
    pytest.param([says("ScalingLimited", "True")], None, id="nothing said about whether it can"),
    pytest.param([says("AbleToScale", "True"), says("ScalingActive", "True")], "", id="it scales"),
    pytest.param([says("AbleToScale", "True"), says("ScalingActive", "Unknown")], "", id="not known yet"),
    pytest.param(
        [says("AbleToScale", "True"), says("ScalingActive", "False")], "ScalingActiveFalse: it is", id="no metrics"
    ),
    pytest.param([says("AbleToScale", "False")], "AbleToScaleFalse: it is", id="its target cannot be scaled"),
    pytest.param([says("ScalingLimited", "False"), says("AbleToScale", "True")], "", id="within its bounds"),
]


@pytest.mark.parametrize(("conditions", "problem"), SCALING)
def test_an_autoscaler_says_why_it_cannot_scale(conditions: list[dict[str, str]], problem: str | None) -> None:
    assert child(AUTOSCALER, status={"conditions": conditions}).facts == AutoscalerFacts(problem)


def test_a_child_knows_owner_version_and_whether_it_is_leaving() -> None:
    found = child(SERVICE_ACCOUNT, metadata={"deletionTimestamp": "2026-03-01T12:00:00Z"})
    assert (found.owner, found.owner_uid, found.version, found.deleting) == ("churn", "uid-1", Version(1, 0, 0), True)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"ownerReferences": []}, id="no owner"),
        pytest.param(
            {"ownerReferences": [{"kind": "Other", "name": "x", "uid": "u", "controller": True}]}, id="another"
        ),
        pytest.param({"ownerReferences": [{"kind": "MLModel", "name": "x", "uid": "u"}]}, id="not the controller"),
    ],
)
def test_an_object_that_no_mlmodel_controls_is_no_child(metadata: dict[str, Any]) -> None:
    assert child(SERVICE, metadata=metadata) is None


@pytest.mark.parametrize("labels", [{}, {"modelloop.dev/version": "new"}], ids=["none", "no version"])
def test_a_label_that_is_no_version_is_none(labels: dict[str, str]) -> None:
    assert child(SERVICE, metadata={"labels": labels}).version is None


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("12345678901", 12345678901), ("", 0), ("v1", 0)])
def test_revision(text: str, number: int) -> None:
    assert revision_of({"metadata": {"resourceVersion": text}}) == number
