"""What an MLModel owns: golden files to read, and the promises that no golden file can show."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from fakes.every_field import ALERT_SECRETS, PLAIN, SPECS, WITH_MONITOR
from fakes.seen import GATEWAY, a_model, a_status, stamp
from fakes.trying import a_rollout, in_rollout, trying
from modelloop_core.api import MLModel
from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.status import StagingStatus
from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import Replicas
from modelloop_operator.decide.measures import measures
from modelloop_operator.decide.observation import Capabilities
from modelloop_operator.decide.questions import question
from modelloop_operator.decide.watch_settings import settings_of
from modelloop_operator.naming import Object
from modelloop_operator.render.children import children
from modelloop_operator.render.installation import Installation
from modelloop_operator.render.traffic import url

FOLDER = Path(__file__).parent / "golden"
REWRITE = os.environ.get("MODELLOOP_GOLDEN") == "1"
ENVOY = Capabilities(gateway_api=True, envoy_gateway=True)
ONE, NEXT, OLD = Version(1, 0, 0), Version(1, 1, 0), Version(0, 9, 0)


def rendered(
    model: MLModel,
    *,
    offered: Capabilities = ENVOY,
    counts: dict[Version, Replicas] | None = None,
    installation: Installation = PLAIN,
) -> list[Object]:
    blocks = [block for block in (model.status.stable, model.status.candidate, *model.status.warm) if block]
    fixed = None if model.spec.serving.autoscaling else model.spec.replicas
    usual = {Version.parse(block.version): Replicas(fixed, model.spec.replicas) for block in blocks}
    return children(model, WITH_MONITOR if model.spec.monitoring else installation, offered, counts or usual)


def serving(**spec: Any) -> MLModel:
    return a_model(spec=spec, status=a_status("1.0.0"))


def by_kind(found: list[Object]) -> dict[str, Object]:
    return {f"{child['kind']}/{child['metadata']['name']}": child for child in found}


def predictor(model: MLModel, version: str = "1-0-0") -> Object:
    pod: Object = by_kind(rendered(model))[f"Deployment/churn-v{version}"]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("name", SPECS)
def test_golden(name: str) -> None:
    model = serving(**SPECS[name])
    told = [settings_of(model, None, ALERT_SECRETS).model_dump(mode="json")] if model.spec.monitoring else []
    if model.spec.rollout is not None and model.spec.traffic.gateway is not None:
        weight, mirror = (0, 10) if model.spec.rollout.mirrors else (25, None)
        staging = StagingStatus(since=stamp(-90), run="churn-replay-0123456789ab") if mirror else None
        status = trying(weight, rollout=a_rollout(mirror=mirror, staging=staging))
        model = a_model(spec=SPECS[name], status=status)
        watched = {"monitoring": SPECS[name]["monitoring"]} if model.spec.monitoring else {}
        asked = question(in_rollout(status=status, declared={"steps": None, **SPECS[name]["rollout"]}, spec=watched))
        told = [asked.model_dump(mode="json")] if asked is not None else []
        told += [asdict(one) for one in measures(in_rollout(status=status, spec=SPECS[name]), "1.1.0", "1.0.0")]
    text = yaml.safe_dump_all([*rendered(model), *told], sort_keys=False, width=120)
    path = FOLDER / f"{name}.yaml"
    if REWRITE:
        path.write_text(text)
    assert path.exists(), f"{path.name} is missing: run `make golden` and read what it wrote"
    assert text == path.read_text(), "the rendering changed: run `make golden` and read the difference"


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SPECS)


def test_every_field_of_serving_and_traffic_is_in_a_golden_file() -> None:
    # A field enters the schema together with the code that obeys it, so its effect must be readable somewhere.
    used = {path for spec in SPECS.values() for path in _paths(spec)}
    known = {(kind, path[-1]) for kind, path in _known(MLModelSpec)}
    shown = {(kind, path[-1]) for kind, path in _known(MLModelSpec) if path in used}
    assert known - shown - NEVER_RENDERED == set()


NEVER_RENDERED = {
    ("MLModelSpec", "version"),  # what serves is in status
    # The schema knows them only to say why it refuses them.
    ("VolumeSource", "hostPath"),
    ("VolumeSource", "nfs"),
}


def _paths(value: Any, at: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(value, list):
        return {path for part in value for path in _paths(part, at)}
    if not isinstance(value, dict):
        return {at}
    return {at} | {path for name, part in value.items() for path in _paths(part, (*at, name))}


def _known(kind: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every field below a type, as its type and its path; a list counts as what it holds."""
    for name, field in kind.model_fields.items():
        yield kind.__name__, (*at, name)
        for part in _types(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _known(part, (*at, name))


def _types(annotation: Any) -> list[Any]:
    return [annotation] + [part for argument in get_args(annotation) for part in _types(argument)]


def test_nothing_decided_owns_nothing() -> None:
    assert rendered(a_model()) == []


def test_a_first_candidate_gets_pods_and_no_traffic() -> None:
    found = by_kind(rendered(a_model(spec={"traffic": GATEWAY}, status=a_status(None, "1.0.0"))))
    assert set(found) == {
        "ServiceAccount/churn",
        "Deployment/churn-v1-0-0",
        "Service/churn-v1-0-0",
        "PodDisruptionBudget/churn-v1-0-0",
    }


def test_all_traffic_goes_to_what_is_live_whatever_else_has_pods() -> None:
    model = a_model(spec={"traffic": GATEWAY}, status=a_status("1.0.0", "1.1.0", warm={"0.9.0": 30}))
    found = by_kind(rendered(model))
    assert {name for name in found if name.startswith("Deployment")} == {
        "Deployment/churn-v0-9-0",
        "Deployment/churn-v1-0-0",
        "Deployment/churn-v1-1-0",
    }
    rule, *_ = found["HTTPRoute/churn"]["spec"]["rules"]
    assert [(ref["name"], ref["weight"]) for ref in rule["backendRefs"]] == [("churn-v1-0-0", 100)]
    assert found["Service/churn"]["spec"]["selector"]["modelloop.dev/version"] == "1.0.0"


def test_a_promotion_changes_no_pod() -> None:
    before = by_kind(rendered(a_model(status=a_status("1.0.0", "1.1.0"))))
    after = by_kind(rendered(a_model(status=a_status("1.1.0", warm={"1.0.0": 30}))))
    for name in ("Deployment/churn-v1-0-0", "Deployment/churn-v1-1-0", "Service/churn-v1-1-0"):
        assert after[name] == before[name]


def test_routes_come_after_pods_and_services() -> None:
    kinds = [child["kind"] for child in rendered(serving(traffic=GATEWAY))]
    assert kinds.index("HTTPRoute") > max(place for place, kind in enumerate(kinds) if kind == "Deployment")
    assert kinds.index("BackendTrafficPolicy") < kinds.index("HTTPRoute")


@pytest.mark.parametrize(
    ("offered", "kinds"),
    [
        pytest.param(Capabilities(), set(), id="no Gateway API"),
        pytest.param(Capabilities(gateway_api=True), {"HTTPRoute"}, id="another gateway than Envoy"),
        pytest.param(ENVOY, {"HTTPRoute", "BackendTrafficPolicy"}, id="Envoy Gateway"),
    ],
)
def test_routes_are_made_where_their_apis_are(offered: Capabilities, kinds: set[str]) -> None:
    found = {child["kind"] for child in rendered(serving(traffic=GATEWAY), offered=offered)}
    assert found & {"HTTPRoute", "BackendTrafficPolicy"} == kinds


def test_everything_is_owned_by_the_mlmodel_and_labelled() -> None:
    model = a_model(spec=SPECS["autoscaling"] | {"traffic": GATEWAY}, status=a_status("1.0.0", "1.1.0"))
    for child in rendered(model):
        meta = child["metadata"]
        (owner,) = meta["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("MLModel", "churn", "uid-1", True)
        assert meta["namespace"] == "shop"
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "modelloop"
        assert meta["labels"]["modelloop.dev/model"] == "churn"


@pytest.mark.parametrize("name", SPECS)
def test_pods_are_restricted(name: str) -> None:
    pod = predictor(serving(**SPECS[name]))
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert {"/tmp", "/var/cache/modelloop"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_no_secret_stands_in_a_pod() -> None:
    (container,) = predictor(serving(**SPECS["a-store-of-ones-own"]))["containers"]
    keys = {entry["name"]: entry for entry in container["env"] if entry["name"].startswith("AWS_")}
    assert set(keys) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert all(
        "value" not in entry and entry["valueFrom"]["secretKeyRef"]["name"] == "store" for entry in keys.values()
    )


def variables(installation: Installation, **spec: Any) -> dict[str, Object]:
    found = by_kind(rendered(serving(**spec), installation=installation))["Deployment/churn-v1-0-0"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry for entry in container["env"]}


def test_with_a_monitor_each_model_is_counted_and_logged_by_default() -> None:
    found = variables(WITH_MONITOR)
    assert found["MODELLOOP_MONITOR_URL"]["value"] == "http://modelloop-monitor.ml:8080"
    assert json.loads(found["MODELLOOP_CAPTURE"]["value"])["predictions"] == 1.0
    assert found["MODELLOOP_POD_NAME"]["valueFrom"] == {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    secret = {"name": "monitor-token", "key": "token", "optional": True}
    assert found["MODELLOOP_MONITOR_TOKEN"]["valueFrom"] == {"secretKeyRef": secret}


def test_without_a_monitor_nothing_is_counted_or_logged_unasked() -> None:
    words = ("MONITOR", "CAPTURE", "POD_NAME")
    assert [name for name in variables(PLAIN) if any(word in name for word in words)] == []


def test_a_persons_labels_never_replace_the_operators() -> None:
    labels = by_kind(rendered(serving(**SPECS["placement-and-additions"])))["Deployment/churn-v1-0-0"]["spec"]
    assert labels["template"]["metadata"]["labels"].items() >= labels["selector"]["matchLabels"].items()


def test_a_count_that_the_autoscaler_owns_is_not_rendered() -> None:
    model = serving(**SPECS["autoscaling"])
    found = by_kind(rendered(model, counts={ONE: Replicas(None, 4)}))
    assert "replicas" not in found["Deployment/churn-v1-0-0"]["spec"]
    assert found["HorizontalPodAutoscaler/churn-v1-0-0"]["spec"]["minReplicas"] == 4


def test_the_grace_period_outlasts_prestop_and_drain() -> None:
    pod = predictor(serving())
    (container,) = pod["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + PLAIN.drain_seconds


@pytest.mark.parametrize(
    ("timeout", "route"), [("1ms", 14), ("1s", 15), ("2500ms", 16), ("1m", 74)], ids=lambda value: str(value)
)
def test_the_gateway_outlasts_the_predictors_own_deadline(timeout: str, route: int) -> None:
    found = by_kind(rendered(serving(serving={"timeout": timeout}, traffic=GATEWAY)))
    assert found["HTTPRoute/churn"]["spec"]["rules"][0]["timeouts"]["request"] == f"{route}s"


ADDRESSES = [
    pytest.param({}, "", "http://churn.shop.svc/predict", id="inside the cluster"),
    pytest.param({"traffic": {"ingress": {"host": "a.example"}}}, "", "http://a.example/predict", id="an ingress"),
    pytest.param({"traffic": GATEWAY}, "", "", id="a gateway that is not known yet"),
    pytest.param({"traffic": GATEWAY}, "http://10.0.0.1", "http://10.0.0.1/shop/churn/predict", id="a gateway by path"),
    pytest.param(
        {"traffic": {"gateway": {**GATEWAY["gateway"], "hostnames": ["a.example"]}}},
        "https://a.example",
        "https://a.example/predict",
        id="a gateway by host",
    ),
    pytest.param(
        {"traffic": {"gateway": {**GATEWAY["gateway"], "path": "/"}}},
        "http://10.0.0.1:8080",
        "http://10.0.0.1:8080/predict",
        id="a gateway's root",
    ),
]


@pytest.mark.parametrize(("spec", "address", "expected"), ADDRESSES)
def test_url(spec: dict[str, Any], address: str, expected: str) -> None:
    assert url(a_model(spec=spec), address) == expected


def test_the_same_input_renders_the_same_text() -> None:
    spec = SPECS["placement-and-additions"]
    assert yaml.safe_dump_all(rendered(serving(**spec))) == yaml.safe_dump_all(rendered(serving(**spec)))


def test_a_route_shares_traffic_by_the_committed_weights_and_lets_a_header_pick_a_version() -> None:
    found = by_kind(rendered(a_model(spec={"traffic": GATEWAY}, status=trying(25))))["HTTPRoute/churn"]
    shared, *forced = found["spec"]["rules"]
    assert [(ref["name"], ref["weight"]) for ref in shared["backendRefs"]] == [
        ("churn-v1-0-0", 75),
        ("churn-v1-1-0", 25),
    ]
    assert [
        ([header["value"] for match in rule["matches"] for header in match["headers"]], rule["backendRefs"][0]["name"])
        for rule in forced
    ] == [(["1.0.0"], "churn-v1-0-0"), (["1.1.0"], "churn-v1-1-0")]


def test_a_candidate_without_a_share_is_reached_by_the_header_alone_once_it_has_pods() -> None:
    coming = trying(0)
    found = by_kind(rendered(a_model(spec={"traffic": GATEWAY}, status=coming)))["HTTPRoute/churn"]
    assert len(found["spec"]["rules"]) == 1
    assert coming.candidate is not None
    up = coming.model_copy(update={"candidate": coming.candidate.model_copy(update={"readyReplicas": 1})})
    found = by_kind(rendered(a_model(spec={"traffic": GATEWAY}, status=up)))["HTTPRoute/churn"]
    shared, *forced = found["spec"]["rules"]
    assert [ref["name"] for ref in shared["backendRefs"]] == ["churn-v1-0-0"]
    assert [rule["backendRefs"][0]["name"] for rule in forced] == ["churn-v1-0-0", "churn-v1-1-0"]
