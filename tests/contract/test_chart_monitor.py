"""The monitor in the chart: its volume or database, who reaches it, and what makes the operator find it."""

from __future__ import annotations

from typing import Any

import pytest

from contract.chart_values import PEER, PROMETHEUS_OPERATOR
from contract.helm import NAMESPACE, Object, of_kind, render, the
from modelloop_monitor.settings import PREFIX, MonitorSettings

POSTGRESQL = {"monitor": {"replicas": 2, "database": {"secretName": "postgresql"}}}


def monitor_of(objects: list[Object]) -> Object:
    pod: Object = the(objects, "Deployment", "monitor")["spec"]["template"]["spec"]
    return pod


def variables(pod: Object) -> dict[str, Any]:
    (container,) = pod["containers"]
    return {entry["name"]: entry.get("value") or entry["valueFrom"] for entry in container["env"]}


def test_by_default_one_process_keeps_a_file_on_a_volume_that_outlives_the_release() -> None:
    objects = render()
    claim = the(objects, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (data,) = [volume for volume in monitor_of(objects)["volumes"] if volume["name"] == "data"]
    assert data["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (container,) = monitor_of(objects)["containers"]
    folder = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data")
    assert variables(monitor_of(objects))["MODELLOOP_MONITOR_DATABASE"].startswith(f"sqlite:///{folder}/")
    # Two processes must never have the file open.
    assert the(objects, "Deployment", "monitor")["spec"]["strategy"] == {"type": "Recreate"}
    assert the(objects, "Deployment", "monitor")["spec"]["replicas"] == 1


def test_a_database_replaces_the_volume_and_lets_several_pods_roll() -> None:
    objects = render(POSTGRESQL)
    assert not of_kind(objects, "PersistentVolumeClaim")
    assert [volume["name"] for volume in monitor_of(objects)["volumes"]] == ["tmp"]
    key = {"secretKeyRef": {"name": "postgresql", "key": "url"}}
    assert variables(monitor_of(objects))["MODELLOOP_MONITOR_DATABASE"] == key
    assert the(objects, "Deployment", "monitor")["spec"]["strategy"] == {"type": "RollingUpdate"}
    assert the(objects, "PodDisruptionBudget", "monitor")["spec"]["maxUnavailable"] == 1


def test_one_pod_has_no_disruption_budget() -> None:
    budgets = of_kind(render(), "PodDisruptionBudget")
    assert [budget["metadata"]["name"] for budget in budgets] == ["modelloop"]


def test_the_monitor_knows_every_variable_that_the_chart_sets() -> None:
    told = variables(monitor_of(render({"monitor": {"token": {"secretName": "token"}}})))
    assert {name.removeprefix(PREFIX).lower() for name in told} <= set(MonitorSettings.model_fields)


def test_the_operator_is_told_where_the_monitors_service_is() -> None:
    objects = render()
    service = the(objects, "Service", "monitor")
    (port,) = service["spec"]["ports"]
    (container,) = the(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert told["MODELLOOP_MONITOR_URL"] == f"http://{service['metadata']['name']}.{NAMESPACE}.svc:{port['port']}"
    labels = the(objects, "Deployment", "monitor")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_without_it_nothing_of_it_is_left() -> None:
    objects = render({"monitor": {"enabled": False}}, *PROMETHEUS_OPERATOR)
    named = [f"{found['kind']}/{found['metadata']['name']}" for found in objects]
    assert not [name for name in named if "monitor" in name.rpartition("/")[2]]
    (container,) = the(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"]
    assert not [entry for entry in container["env"] if "MONITOR" in entry["name"]]


def test_it_may_not_ask_the_api_server_for_anything() -> None:
    objects = render()
    pod = monitor_of(objects)
    assert pod["automountServiceAccountToken"] is False
    bound = [
        subject["name"] for kind in ("ClusterRoleBinding", "RoleBinding") for binding in of_kind(objects, kind)
        for subject in binding["subjects"]
    ]  # fmt: skip
    assert pod["serviceAccountName"] not in bound


def test_a_closed_network_lets_operator_predictors_and_test_in() -> None:
    (rule,) = the(render({"monitor": {"networkPolicy": {"from": [PEER]}}}), "NetworkPolicy", "monitor")["spec"][
        "ingress"
    ]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert PEER in rule["from"]
    labels = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
    assert {found.get("app.kubernetes.io/component") for found in labels} >= {"operator", "test"}
    predictors = {"app.kubernetes.io/name": "modelloop-predictor"}
    assert {"namespaceSelector": {}, "podSelector": {"matchLabels": predictors}} in rule["from"]


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor", "PrometheusRule"])
def test_prometheus_operators_objects_appear_only_where_its_api_is_served(kind: str) -> None:
    assert not of_kind(render(), kind)
    assert of_kind(render({}, *PROMETHEUS_OPERATOR), kind)


def test_predictors_are_scraped_in_the_namespaces_that_are_watched() -> None:
    everywhere = the(render({}, *PROMETHEUS_OPERATOR), "PodMonitor")["spec"]
    assert everywhere["namespaceSelector"] == {"any": True}
    assert everywhere["podTargetLabels"] == ["modelloop.dev/model", "modelloop.dev/version"]
    some = the(render({"watchNamespaces": ["a"]}, *PROMETHEUS_OPERATOR), "PodMonitor")["spec"]
    assert some["namespaceSelector"] == {"matchNames": ["a"]}
