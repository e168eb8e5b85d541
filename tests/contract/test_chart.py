"""The charts: valid, strict about their values, obeying each of them, and admitted under Pod Security restricted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.chart_values import CHANGED, NEEDS, PEER, PROMETHEUS_OPERATOR, REFUSED, VALUE_SETS
from contract.helm import CHART, CRDS, ROOT, Object, Refused, helm, of_kind, pod_specs, render, the, values_with
from modelloop_operator.settings import Settings


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: merged(base[key], over[key]) for key in base.keys() & over.keys() if isinstance(over[key], dict)}
    return {**base, **over, **both}


DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.parametrize("chart", [CHART, CRDS], ids=["modelloop", "modelloop-crds"])
def test_lint_has_nothing_to_say(chart: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(chart))


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())
def test_value_sets_render_objects_with_names_labels_and_a_namespace(values: dict[str, Any]) -> None:
    objects = render(values, *PROMETHEUS_OPERATOR)
    identities = [(found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in objects]
    assert len(set(identities)) == len(identities)
    for found in objects:
        assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert ("namespace" in found["metadata"]) != found["kind"].startswith("ClusterRole")


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_the_schema_refuses_and_names_the_value(values: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        render(values)


def test_the_schema_closes_every_object_and_describes_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    del schema["properties"]["global"]
    open_on_purpose = {"serviceAccount.annotations", "podLabels", "podAnnotations", "nodeSelector", "extraEnv"}
    open_on_purpose |= {f"monitor.{path}" for path in open_on_purpose}
    open_on_purpose |= {f"metrics.{name}.labels" for name in ("serviceMonitor", "podMonitor", "prometheusRule")}
    open_on_purpose |= {"metrics.dashboards.labels"}

    def check(node: Object, path: str) -> None:
        assert node.get("description"), path
        if node["type"] == "object" and path not in open_on_purpose:
            assert node["additionalProperties"] is False, path
            if path.removeprefix("monitor.") not in ("resources.requests", "resources.limits", "affinity"):
                for key, part in node["properties"].items():
                    check(part, f"{path}.{key}".lstrip("."))

    check(schema, "")


def test_every_value_has_a_comment() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        key, _, value = line.partition(":")
        if value.strip() and not line.lstrip().startswith("#"):
            assert before.lstrip().startswith("#"), f"{key.strip()} has no comment"


def test_this_file_knows_another_setting_of_every_value() -> None:
    assert set(CHANGED) == set(leaves(DEFAULTS))


@pytest.mark.parametrize("path", CHANGED)
def test_no_value_is_ignored(path: str) -> None:
    base = NEEDS.get(path, {})
    changed = merged(base, values_with(path, CHANGED[path]))
    assert render(changed, *PROMETHEUS_OPERATOR) != render(base, *PROMETHEUS_OPERATOR)


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())
def test_every_pod_passes_pod_security_restricted(values: dict[str, Any]) -> None:
    pods = dict(pod_specs(render(values)))
    monitored = values.get("monitor", {}).get("enabled", True)
    assert set(pods) == {"modelloop", "modelloop-test", *(["modelloop-monitor"] if monitored else [])}
    for spec in pods.values():
        assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC", "initContainers"))
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        sources = {kind for volume in spec.get("volumes", ()) for kind in volume}
        assert sources <= {"name", "emptyDir", "configMap", "persistentVolumeClaim"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not any("hostPort" in port for port in container.get("ports", ()))
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_the_operator_reads_every_variable_that_the_chart_sets_and_takes_the_defaults() -> None:
    watched = {
        "monitor": {"token": {"secretName": "token", "predictorSecretName": "token"}},
        "operator": {"prometheusTokenSecretName": "token"},
    }
    (container,) = the(render(watched), "Deployment", "operator")["spec"]["template"]["spec"]["containers"]
    told = {entry["name"].removeprefix("MODELLOOP_").lower(): entry.get("value") for entry in container["env"]}
    assert set(told) == set(Settings.model_fields)
    given = {name: value for name, value in told.items() if value is not None}
    chart, own = Settings.model_validate(given), Settings(predictor_image=str(told["predictor_image"]))
    differing = {name for name in given if getattr(chart, name) != getattr(own, name)}
    assert differing == {"lease_name", "monitor_url", "monitor_secret"}


def test_probes_and_service_point_at_the_operators_pages() -> None:
    objects = render()
    (container,) = the(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"]
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert container["ports"] == [{"name": "health", "containerPort": 8081, "protocol": "TCP"}]
    assert the(objects, "Service", "operator")["spec"]["ports"][0]["targetPort"] == "health"


def test_what_selects_the_operators_pods_selects_neither_the_test_nor_another_release() -> None:
    objects = render(VALUE_SETS["everything"], *PROMETHEUS_OPERATOR)
    labels = the(objects, "Deployment", "operator")["spec"]["template"]["metadata"]["labels"]
    others = the(objects, "Pod")["metadata"]["labels"]
    selectors = [
        the(objects, "Deployment", "operator")["spec"]["selector"]["matchLabels"],
        the(objects, "Service", "operator")["spec"]["selector"],
        the(objects, "PodDisruptionBudget", "operator")["spec"]["selector"]["matchLabels"],
        the(objects, "NetworkPolicy", "operator")["spec"]["podSelector"]["matchLabels"],
        the(objects, "ServiceMonitor", "operator")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= others.items()
        assert selector["app.kubernetes.io/instance"] == "modelloop"


def test_a_service_monitor_appears_only_where_its_api_is_served() -> None:
    assert not of_kind(render(), "ServiceMonitor")
    assert of_kind(render({}, *PROMETHEUS_OPERATOR), "ServiceMonitor")


def test_the_network_policy_opens_one_port_and_lets_the_helm_test_in() -> None:
    policy = the(render({"networkPolicy": {"from": [PEER]}}), "NetworkPolicy", "operator")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "health", "protocol": "TCP"}]
    tester = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "test"}}}
    selectors = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
    assert PEER in rule["from"]
    assert any(tester["podSelector"]["matchLabels"].items() <= selector.items() for selector in selectors)


def test_the_helm_test_asks_the_model_that_is_named() -> None:
    pod = the(render({"test": {"model": {"name": "churn", "namespace": "team"}}}), "Pod")
    (container,) = pod["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env["MODEL_URL"] == "http://churn.team.svc"
    assert container["args"] == [(CHART / "files/helm_test.py").read_text()]
    # Kubernetes would put a variable's value in place of $(NAME).
    assert "$(" not in container["args"][0]


def test_the_crd_chart_is_the_generated_file_alone_and_is_kept() -> None:
    generated = (ROOT / "crds/mlmodels.yaml").read_text()
    assert (CRDS / "templates/mlmodels.yaml").read_text() == generated
    assert render(chart=CRDS) == [yaml.safe_load(generated)]
    assert yaml.safe_load(generated)["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_crd_chart_refuses_values() -> None:
    with pytest.raises(Refused, match="additional properties 'keep' not allowed"):
        render({"keep": False}, chart=CRDS)
