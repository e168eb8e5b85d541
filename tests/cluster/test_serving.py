"""The operator as a process against a real API server: versions come, are swapped, fail, and say why they wait."""

from __future__ import annotations

import json
from typing import Any

from cluster.gateway import accept_route
from cluster.scene import Scene

EDGE = {"gateway": {"parentRefs": [{"name": "edge"}]}}


def test_the_first_version_is_served(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    children = scene.children()
    assert set(children) == {
        "Deployment/churn-v1-0-0",
        "PodDisruptionBudget/churn-v1-0-0",
        "Service/churn",
        "Service/churn-v1-0-0",
        "ServiceAccount/churn",
    }
    uid = scene.model()["metadata"]["uid"]
    assert {ref["uid"] for child in children.values() for ref in child["metadata"]["ownerReferences"]} == {uid}
    status = scene.status()
    assert status["phase"] == "Serving"
    assert (status["replicas"], status["stable"]["readyReplicas"]) == (2, 2)
    assert status["url"] == f"http://churn.{scene.namespace}.svc/predict"
    assert scene.condition("Stalled")[0] == "False"
    assert scene.condition("Reconciling") == ("", "", "")
    assert scene.selected() == "1.0.0"
    assert set(scene.model()["metadata"]["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert not scene.model()["metadata"].get("finalizers")


def test_traffic_moves_only_when_the_new_version_is_ready(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    # Room for the pods that run and no more.
    quota = {"name": "room", "namespace": scene.namespace}
    scene.plane.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": quota, "spec": {"hard": {"pods": "2"}}})
    scene.until(
        lambda: scene.child("resourcequota", "room").get("status", {}).get("used", {}).get("pods") == "2", "the quota"
    )
    scene.publish("1.1.0")
    scene.until(lambda: "exceeded quota" in scene.condition("CandidateReady")[2], "the candidate to name the quota")
    scene.nudge(3)
    assert (scene.live(), scene.selected()) == ("1.0.0", "1.0.0")
    assert scene.condition("Ready")[0] == "True"
    scene.plane.must("delete", "resourcequota", "room", "-n", scene.namespace)
    scene.serving("1.1.0")
    assert scene.selected() == "1.1.0"
    scene.until(lambda: "Deployment/churn-v1-0-0" not in scene.children(), "the old version to leave")
    history = [(entry["version"], entry["reason"], "until" in entry) for entry in scene.status()["history"]]
    assert history == [("1.0.0", "FirstVersion", True), ("1.1.0", "CandidateReady", False)]


def test_the_steady_state_writes_nothing(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(traffic=EDGE), scene.manifest("second", serving={"replicas": 1}))
    scene.serving("1.0.0", "second")
    scene.until(lambda: scene.live() == "1.0.0", "the one behind the gateway")
    # The last change of state makes a last status.
    scene.nudge(2)
    before, written = scene.revisions(), scene.operator.metric("modelloop_operator_writes_total")
    scene.nudge(4)
    after = scene.revisions()
    children = {name: revision for name, revision in after.items() if not name.startswith("MLModel/")}
    assert children == {name: before[name] for name in children}
    assert scene.operator.metric("modelloop_operator_writes_total") == written


def test_every_field_of_serving_reaches_a_steady_state(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(serving=EVERY_FIELD))
    scene.until(lambda: scene.live() == "1.0.0", "the first version")
    scene.nudge(2)
    written = scene.operator.metric("modelloop_operator_writes_total")
    scene.nudge(3)
    assert scene.operator.metric("modelloop_operator_writes_total") == written, "each pass writes again"


EVERY_FIELD: dict[str, Any] = {
    "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilization": 60},
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {}},
    "image": "localhost/modelloop/own:1",
    "timeout": "2500ms",
    "entityKey": "customer",
    "pod": {
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
                    }
                ]
            }
        },
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ABOUT", "valueFrom": {"configMapKeyRef": {"name": "about", "key": "text", "optional": True}}},
        ],
        "volumes": [
            {"name": "scratch", "mountPath": "/scratch", "source": {"emptyDir": {"sizeLimit": "1024Mi"}}},
            {
                "name": "labels",
                "mountPath": "/labels",
                "source": {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            },
        ],
        "labels": {"team": "growth"},
        "annotations": {"example.org/note": "yes"},
        "imagePullSecrets": ["pull"],
        "priorityClassName": "system-cluster-critical",
    },
}


def test_the_registry_is_shared_by_two_mlmodels(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.publish("1.1.0")
    scene.plane.apply(scene.manifest("old", version="1.0.0"), scene.manifest("new"))
    scene.serving("1.0.0", "old")
    scene.serving("1.1.0", "new")
    assert (scene.selected("old"), scene.selected("new")) == ("1.0.0", "1.1.0")


def test_an_empty_registry_says_how_to_fill_it_and_is_noticed_when_filled(scene: Scene) -> None:
    scene.plane.apply(scene.manifest())
    scene.until(lambda: scene.condition("Stalled")[1] == "NoVersions", "the condition")
    assert "modelloop publish" in scene.condition("Stalled")[2]
    assert scene.status()["phase"] == "Stalled"
    scene.publish("1.0.0")
    scene.serving("1.0.0")
    assert scene.condition("Stalled")[0] == "False"


def test_wrong_credentials_name_the_secret_and_right_ones_are_noticed(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.secret(key="wrong")
    scene.plane.apply(scene.manifest())
    scene.until(lambda: scene.condition("Stalled")[1] == "AccessDenied", "the condition")
    assert f"Secret {scene.namespace}/store" in scene.condition("Stalled")[2]
    assert "wrong" not in scene.operator.log.read_text()
    scene.secret()
    scene.serving("1.0.0")


def test_a_missing_secret_is_named(scene: Scene) -> None:
    manifest = scene.manifest()
    manifest["spec"]["registry"]["secretName"] = "nowhere"
    scene.plane.apply(manifest)
    scene.until(lambda: scene.condition("Stalled")[1] == "SecretNotFound", "the condition")
    assert f"Secret {scene.namespace}/nowhere" in scene.condition("Stalled")[2]


def test_a_range_that_no_version_can_be_in_is_told_as_a_fault_of_the_spec(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(version=">2 <1"))
    scene.until(lambda: scene.condition("Stalled")[1] == "InvalidSpec", "the condition")
    assert "spec.version" in scene.condition("Stalled")[2]
    scene.plane.apply(scene.manifest(version="^1"))
    scene.serving("1.0.0")
    assert scene.condition("Stalled")[0] == "False"


def test_a_name_that_a_foreign_service_holds_is_told_and_left_alone(scene: Scene) -> None:
    scene.publish("1.0.0")
    metadata = {"name": "churn", "namespace": scene.namespace}
    theirs = {"selector": {"app": "other"}, "ports": [{"port": 80}]}
    scene.plane.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": theirs})
    scene.plane.apply(scene.manifest())
    scene.until(lambda: scene.condition("Stalled")[0] == "True", "the condition")
    assert "Service" in scene.condition("Stalled")[2]
    assert scene.child("service", "churn")["spec"]["selector"] == {"app": "other"}
    scene.plane.must("delete", "service", "churn", "-n", scene.namespace)
    scene.serving("1.0.0")


def test_behind_a_gateway_it_is_ready_when_the_gateway_took_the_route(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(traffic=EDGE))
    scene.until(lambda: scene.child("httproute", "churn"), "the route")
    scene.until(lambda: scene.condition("RouteAccepted")[0] == "False", "a word about the gateway")
    assert scene.condition("Ready")[:2] == ("False", "RouteNotAccepted")
    assert "effectiveWeight" not in scene.status()["stable"]
    accept_route(scene)
    scene.until(lambda: scene.condition("Ready")[0] == "True", "readiness")
    assert scene.condition("RouteAccepted")[0] == "True"
    assert scene.status()["stable"]["effectiveWeight"] == 100


def test_a_count_is_the_autoscalers_once_it_set_one(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(serving={"autoscaling": {"minReplicas": 1, "maxReplicas": 5}}))
    scene.serving("1.0.0")
    scene.plane.must("scale", "deployment/churn-v1-0-0", "-n", scene.namespace, "--replicas=3")
    scene.until(lambda: scene.status()["stable"]["readyReplicas"] == 3, "the third pod to be seen")
    scene.nudge(3)
    assert scene.child("deployment", "churn-v1-0-0")["spec"]["replicas"] == 3


def test_kubectl_scale_sets_the_number_of_pods(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    scene.plane.must("scale", "mlmodel/churn", "-n", scene.namespace, "--replicas=3")
    scene.until(lambda: scene.status()["replicas"] == 3, "three pods")


def test_a_request_is_answered_once(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    request = json.dumps({"id": "42", "verb": "refresh"})
    scene.plane.must("annotate", "mlmodel/churn", "-n", scene.namespace, f"modelloop.dev/request={request}")
    scene.until(lambda: scene.status().get("handledRequest", {}).get("id") == "42", "the answer")
    answer = scene.status()["handledRequest"]
    assert (answer["verb"], answer["outcome"]) == ("refresh", "Done")
    scene.nudge(2)
    assert scene.status()["handledRequest"] == answer
