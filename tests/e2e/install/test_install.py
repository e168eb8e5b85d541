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


def test_helm_test_without_a_model_checks_the_operator_alone(installation: Installation) -> None:
    said = installation.helm_test()
    assert "/readyz says ready" in said
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
    assert installation.get("mlmodel", "churn")["metadata"]["uid"] == uid
    assert installation.get("deployment", "churn-v1-0-0")["status"]["readyReplicas"] == 1
    installation.install_crds(CRDS)
    installation.install()
    installation.wait("churn")
    assert installation.get("mlmodel", "churn")["metadata"]["uid"] == uid


def _takes_new_field(installation: Installation, name: str) -> bool:
    """Write the new field; the API server drops it while it does not know the newest schema."""
    patch = ("patch", "mlmodel", name, "--subresource=status", "--type=merge", "-p")
    words = json.dumps({"status": {NEW_FIELD: "kept"}})
    written = installation.machine.kubectl("-n", installation.namespace, *patch, words, "-o", "json")
    return bool(json.loads(written)["status"].get(NEW_FIELD) == "kept")
