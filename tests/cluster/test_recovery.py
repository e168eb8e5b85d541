"""Kills, losses and hand edits against a real API server: in the end everything is as it was."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from cluster.control_plane import hack_cluster, throughout
from cluster.operator_process import OperatorProcess
from cluster.scene import Scene

Start = Callable[..., OperatorProcess]
OUTAGE_SECONDS = 30.0
TERM_SECONDS = 15.0


def serve(scene: Scene, **spec: Any) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(**spec))
    scene.serving("1.0.0")


def roles(scene: Scene) -> dict[str, Any]:
    """The end state, without moments and revisions."""
    status = scene.status()
    return {
        "stable": status["stable"]["version"],
        "others": [status.get("candidate"), status["warm"], status["failedVersions"]],
        "history": [entry["version"] for entry in status["history"]],
        "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status["conditions"]),
        "children": sorted(scene.children()),
        "service": scene.selected(),
        "spec": scene.model()["spec"],
    }


def pod_uids(scene: Scene) -> set[str]:
    return {pod["metadata"]["uid"] for pod in scene.plane.items("pods", scene.namespace)}


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_time_it_ends_in_the_same_state(unattended: Scene, start: Start, seed: int) -> None:
    scene, dice = unattended, random.Random(seed)
    operator = start()
    scene.operators.append(operator)
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    spec = scene.model()["spec"]
    for _ in range(4):
        kill_after_writes(operator, dice.randint(1, 8))
    scene.serving("1.0.0")
    scene.publish("1.1.0")
    for _ in range(4):
        kill_after_writes(operator, dice.randint(1, 8))
    scene.serving("1.1.0")
    scene.until(lambda: "Deployment/churn-v1-0-0" not in scene.children(), "the old version to leave")
    found = roles(scene)
    assert found["history"] == ["1.0.0", "1.1.0"]
    assert found["service"] == "1.1.0"
    assert found["others"] == [None, [], []]
    assert found["spec"] == spec
    states = {kind: status for kind, status, _ in found["conditions"]}
    rollout = {"RolloutProgressing": "False", "RolloutJudged": "False"}
    assert states == {"Ready": "True", "RouteAccepted": "True", "Stalled": "False", **rollout}


def kill_after_writes(operator: OperatorProcess, count: int) -> None:
    """Kill it once it made that many writes, or has had time for them; start it again."""
    with contextlib.suppress(AssertionError):
        throughout(lambda: operator.metric("modelloop_operator_writes_total") < count, "written", seconds=3)
    operator.kill()
    operator.start()


EDITS = [
    pytest.param("service/churn", "/spec/selector", {"app": "other"}, id="the selector of the Service"),
    pytest.param("service/churn-v1-0-0", "/spec/ports/0/targetPort", 81, id="the target of a Service"),
    pytest.param("service/churn-v1-0-0", "/spec/ports/0/port", 81, id="the port of a Service, by which it is merged"),
    pytest.param("deployment/churn-v1-0-0", "/spec/replicas", 5, id="the number of pods"),
    pytest.param("deployment/churn-v1-0-0", "/spec/template/spec/containers/0/image", "evil:1", id="the image"),
    pytest.param("poddisruptionbudget/churn-v1-0-0", "/spec/maxUnavailable", "100%", id="the disruption budget"),
    pytest.param("serviceaccount/churn", "/automountServiceAccountToken", True, id="the token of the account"),
]


@pytest.mark.parametrize(("child", "path", "value"), EDITS)
def test_a_hand_edit_is_undone(scene: Scene, child: str, path: str, value: object) -> None:
    serve(scene)
    before = content(scene)
    patch = json.dumps([{"op": "replace", "path": path, "value": value}])
    scene.plane.must("patch", child, "-n", scene.namespace, "--type=json", "-p", patch)
    scene.until(lambda: content(scene) == before, f"{path} to be put back", seconds=20)
    scene.serving("1.0.0")


def content(scene: Scene) -> dict[str, Any]:
    """What the children say, without what the API server adds."""
    return {
        name: {key: value for key, value in child.items() if key not in ("metadata", "status")}
        for name, child in scene.children().items()
    }


def test_a_removed_label_and_owner_come_back(scene: Scene) -> None:
    serve(scene)
    words = ("-n", scene.namespace, "app.kubernetes.io/managed-by-", "modelloop.dev/version-")
    scene.plane.must("label", "deployment/churn-v1-0-0", *words)
    scene.until(lambda: "Deployment/churn-v1-0-0" in scene.children(), "the labels to come back")
    scene.serving("1.0.0")


def test_deleted_children_come_back(scene: Scene) -> None:
    serve(scene)
    before = {name: child["metadata"]["uid"] for name, child in scene.children().items()}
    scene.plane.must("delete", "deployments,services,pdb,serviceaccounts", "-l", OURS, "-n", scene.namespace)

    def all_new() -> bool:
        now = {name: child["metadata"]["uid"] for name, child in scene.children().items()}
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    scene.until(all_new, "new children")
    scene.serving("1.0.0")


OURS = "app.kubernetes.io/managed-by=modelloop"


def test_a_deployment_deleted_in_the_foreground_comes_back(scene: Scene) -> None:
    serve(scene)
    uid = scene.child("deployment", "churn-v1-0-0")["metadata"]["uid"]
    scene.plane.must("delete", "deployment/churn-v1-0-0", "-n", scene.namespace, "--cascade=foreground", "--wait=false")
    scene.until(
        lambda: scene.child("deployment", "churn-v1-0-0").get("metadata", {}).get("uid", uid) != uid, "a new Deployment"
    )
    scene.serving("1.0.0")
    assert scene.condition("Stalled")[0] == "False"


def test_a_status_that_is_wiped_is_rebuilt_and_no_pod_moves(scene: Scene) -> None:
    serve(scene)
    scene.publish("1.1.0")
    scene.serving("1.1.0")
    scene.until(lambda: "Deployment/churn-v1-0-0" not in scene.children(), "the old version to leave")
    before = {name: child["metadata"]["uid"] for name, child in scene.children().items()}
    patch = json.dumps([{"op": "replace", "path": "/status", "value": {}}])
    words = ("-n", scene.namespace, "--subresource=status", "--type=json", "-p", patch)
    scene.plane.must("patch", "mlmodel/churn", *words)
    scene.serving("1.1.0")
    assert {name: child["metadata"]["uid"] for name, child in scene.children().items()} == before
    assert scene.status()["history"][-1]["reason"] == "RouteFound"


def test_a_deleted_mlmodel_takes_its_children_along(scene: Scene) -> None:
    serve(scene)
    scene.plane.must("delete", "mlmodel/churn", "-n", scene.namespace)
    scene.until(lambda: not scene.children(), "the children to go")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")


def test_an_mlmodel_made_again_at_once_waits_for_the_old_children_and_then_serves(scene: Scene) -> None:
    serve(scene)
    old = scene.model()["metadata"]["uid"]
    scene.plane.must("delete", "mlmodel/churn", "-n", scene.namespace)
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    uid = scene.model()["metadata"]["uid"]
    assert uid != old
    owners = {ref["uid"] for child in scene.children().values() for ref in child["metadata"]["ownerReferences"]}
    assert owners == {uid}


def test_of_two_operators_one_acts_and_the_other_takes_over(unattended: Scene, start: Start) -> None:
    scene = unattended
    first = start("operator-0")
    scene.operators.append(first)
    scene.until(lambda: first.metric("modelloop_operator_leading") == 1, "the first to lead")
    second = start("operator-1")
    scene.operators.append(second)
    serve(scene)
    assert second.metric("modelloop_operator_leading") == 0
    assert second.metric("modelloop_operator_writes_total") == 0
    first.kill()
    scene.publish("1.1.0")
    scene.until(lambda: second.metric("modelloop_operator_leading") == 1, "the second to lead", seconds=40)
    scene.serving("1.1.0")


def test_an_operator_that_is_stopped_hands_over_before_its_term_ends(unattended: Scene, start: Start) -> None:
    scene = unattended
    first = start("operator-0")
    scene.until(lambda: first.metric("modelloop_operator_leading") == 1, "the first to lead")
    second = start("operator-1")
    scene.operators += [first, second]
    first.stop()
    scene.until(
        lambda: second.metric("modelloop_operator_leading") == 1, "the second to lead", seconds=TERM_SECONDS - 5
    )


def test_a_bad_setting_ends_the_start_with_one_line(unattended: Scene, start: Start) -> None:
    with pytest.raises(AssertionError) as failed:
        start(MODELLOOP_WORKERS="0")
    assert '"setting": "MODELLOOP_WORKERS"' in str(failed.value)
    assert "Traceback" not in str(failed.value)


@pytest.mark.alone
def test_an_api_server_that_was_away_for_half_a_minute_changes_nothing(scene: Scene) -> None:
    serve(scene)
    scene.nudge(2)
    before = roles(scene), pod_uids(scene)
    assert hack_cluster("stop", "kube-apiserver").returncode == 0
    try:
        throughout(lambda: scene.operator.revive() in (True, False), "the operator", seconds=OUTAGE_SECONDS)
    finally:
        assert hack_cluster("start", "kube-apiserver").returncode == 0

    def all_well() -> bool:
        scene.operator.revive()
        return scene.operator.metric("modelloop_operator_leading") == 1

    scene.until(all_well, "the operator to lead again")
    assert (roles(scene), pod_uids(scene)) == before
    scene.publish("1.1.0")
    # Kubernetes' own controllers ask for a server that was away only once or twice a minute.
    scene.until(lambda: scene.live() == "1.1.0", "1.1.0 to serve", seconds=150)
    scene.serving("1.1.0")
    assert "Traceback" not in scene.operator.log.read_text()


def test_a_webhook_that_does_not_answer_is_told_and_over_when_it_is_gone(scene: Scene) -> None:
    hook = f"nowhere.{scene.namespace}.example.com"
    scene.plane.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": hook},
            "webhooks": [
                {
                    "name": hook,
                    "clientConfig": {"url": "https://127.0.0.1:1/"},
                    "rules": [
                        {
                            "apiGroups": ["apps"],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["deployments"],
                        }
                    ],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}},
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                }
            ],
        }
    )
    try:
        scene.publish("1.0.0")
        scene.plane.apply(scene.manifest())
        scene.until(lambda: scene.condition("Stalled")[:2] == ("True", "WriteRejected"), "a word about the webhook")
        assert f'failed calling webhook "{hook}"' in scene.condition("Stalled")[2]
    finally:
        scene.plane.must("delete", "validatingwebhookconfiguration", hook)
    scene.serving("1.0.0")
    assert scene.condition("Stalled")[:2] == ("False", "Progressing")
