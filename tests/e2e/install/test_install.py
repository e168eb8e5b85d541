"""Install, check, serve, upgrade, uninstall: one installation's life, in the order of this file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.install.installation import CRD, CRDS, Installation, crds_with_status_field
from e2e.install.machine import eventually

NEW_FIELD = "installTestField"


def test_both_replicas_are_ready_and_one_leads(installation: Installation) -> None:
    eventually("a leader", lambda: bool(installation.leader()))
    names = {pod["metadata"]["name"] for pod in installation.operators()}
    assert len(names) == 2
    assert installation.leader() in names
    assert installation.ready_operators() == 2


def test_the_monitor_keeps_its_file_on_a_volume_and_holds_no_rights(installation: Installation) -> None:
    claim = installation.get("pvc", "modelloop-monitor")
    assert claim["status"]["phase"] == "Bound"
    subject = f"system:serviceaccount:{installation.namespace}:modelloop-monitor"
    for verb, what in (("list", "mlmodels"), ("get", "secrets"), ("list", "pods")):
        assert not installation.may(verb, what, subject), f"it may {verb} {what}"


def test_helm_test_without_a_model_checks_operator_and_monitor(installation: Installation) -> None:
    said = installation.helm_test()
    assert said.count("/readyz says ready") == 2
    assert "modelloop-monitor." in said
    assert "MLModel is served" in said
    assert "No model was asked" in said


def test_helm_test_asks_a_served_model_for_a_prediction(installation: Installation) -> None:
    installation.serve("churn")
    installation.install(**{"test.model.name": "churn"})
    said = installation.helm_test()
    assert f"http://churn.{installation.namespace}.svc answered 0." in said
    assert "by v1.0.0" in said


def test_helm_test_fails_for_a_model_that_does_not_answer(installation: Installation) -> None:
    installation.install(**{"test.model.name": "nobody", "test.timeoutSeconds": 5})
    with pytest.raises(AssertionError, match=r"FAILED http://nobody\..*/model does not answer"):
        installation.helm_test()


def test_models_are_told_of_the_monitor_and_the_monitor_of_models(installation: Installation) -> None:
    url = f"http://modelloop-monitor.{installation.namespace}.svc:8080"
    (container,) = installation.get("deployment", "churn-v1-0-0")["spec"]["template"]["spec"]["containers"]
    assert {"name": "MODELLOOP_MONITOR_URL", "value": url} in container["env"]
    eventually("reads of the monitor", lambda: installation.monitor_reads() > 0 or installation.operator_logs()[-2000:])


def test_operator_pods_hold_no_numerics_in_memory(installation: Installation) -> None:
    # The image has them for the monitor; an operator that loaded them would need about 150 MB.
    sizes = [installation.resident_bytes(pod["metadata"]["name"]) for pod in installation.operators()]
    assert max(sizes) < 110e6, sizes


def test_when_the_leading_pod_is_deleted_another_leads(installation: Installation) -> None:
    before = installation.leader()
    installation.machine.kubectl("-n", installation.namespace, "delete", "pod", before, "--wait=false")
    eventually("another leader", lambda: installation.leader() not in ("", before) or installation.leader())
    eventually(
        "two pods again", lambda: installation.get("deployment", "modelloop")["status"].get("readyReplicas") == 2
    )


def test_an_upgraded_resource_keeps_status_and_takes_new_fields(installation: Installation, tmp_path: Path) -> None:
    before = installation.get("mlmodel", "churn")["status"]
    chart = crds_with_status_field(tmp_path, NEW_FIELD)
    try:
        installation.install_crds(chart)
        eventually("the new field", lambda: _takes_new_field(installation, "churn"))
        installation.install_crds(chart)
        after = installation.get("mlmodel", "churn")["status"]
        assert after == {**before, NEW_FIELD: "kept"}
    finally:
        installation.install_crds(CRDS)


def test_the_operator_was_refused_nothing(installation: Installation) -> None:
    logs = installation.operator_logs()
    assert '"leading"' in logs
    for word in ("403", "forbidden", "Forbidden", "Traceback"):
        assert word not in logs, [line for line in logs.splitlines() if word in line][:3]


def test_uninstalling_keeps_the_resource_the_models_and_their_answers(installation: Installation) -> None:
    uid = installation.get("mlmodel", "churn")["metadata"]["uid"]
    installation.uninstall()
    assert installation.machine.get(CRD)
    claim = installation.get("pvc", "modelloop-monitor")["metadata"]["uid"]
    assert installation.get("mlmodel", "churn")["metadata"]["uid"] == uid
    assert installation.get("deployment", "churn-v1-0-0")["status"]["readyReplicas"] == 1
    installation.install_crds(CRDS)
    installation.install()
    installation.wait("churn")
    assert installation.get("mlmodel", "churn")["metadata"]["uid"] == uid
    assert installation.get("pvc", "modelloop-monitor")["metadata"]["uid"] == claim


def _takes_new_field(installation: Installation, name: str) -> bool:
    """Write the new field; the API server drops it while it does not know the newest schema."""
    patch = ("patch", "mlmodel", name, "--subresource=status", "--type=merge", "-p")
    words = json.dumps({"status": {NEW_FIELD: "kept"}})
    written = installation.machine.kubectl("-n", installation.namespace, *patch, words, "-o", "json")
    return bool(json.loads(written)["status"].get(NEW_FIELD) == "kept")
