"""What callers notice while a model changes under load on real pods: nothing.

The tests tell one story and run in order.
"""

from __future__ import annotations

from e2e.gateway.load import Load
from e2e.install.machine import eventually
from e2e.serving.scene import NAME, Scene
from e2e.serving.sigkill import sigkill


def test_a_new_version_takes_all_traffic_without_a_failed_request(scene: Scene) -> None:
    with scene.load() as load:
        scene.publish("1.1.0")
        scene.wait_for_version("1.1.0")
        load.wait_for(200)
        scene.wait_until_settled("1.1.0")
        load.wait_for(200)
    _nothing_failed(load)
    assert set(load.versions) == {"v1.0.0", "v1.1.0"}
    assert not _went_back(load, "v1.0.0", "v1.1.0")


def test_a_pod_killed_without_warning_costs_no_request(scene: Scene) -> None:
    with scene.load() as load:
        sigkill(scene.installation, min(scene.pods()))
        scene.wait_until_settled("1.1.0")
        load.wait_for(200)
    _nothing_failed(load)


def test_a_change_of_the_pods_rolls_through_without_a_failed_request(scene: Scene) -> None:
    before = set(scene.pods())
    with scene.load() as load:
        scene.apply(pod={"annotations": {"example.com/changed": "yes"}})
        eventually("every pod is new", lambda: not before & set(scene.pods()) or sorted(scene.pods()), 120)
        scene.wait_until_settled("1.1.0")
        load.wait_for(200)
    _nothing_failed(load)
    assert set(load.versions) == {"v1.1.0"}


def test_a_damaged_version_is_refused_with_its_reason_and_the_live_one_goes_on(scene: Scene) -> None:
    with scene.load() as load:
        scene.publish("1.2.0", damaged=True)
        eventually("1.2.0 is refused", lambda: _refused(scene) == ["1.2.0"] or scene.status(), 120)
        scene.wait_until_settled("1.1.0")
    _nothing_failed(load)
    assert set(load.versions) == {"v1.1.0"}
    (failure,) = scene.status()["failedVersions"]
    assert failure["reason"] == "ChecksumMismatch"
    assert "model.onnx" in failure["message"]
    assert scene.condition("Ready")["status"] == "True"
    assert "1.2.0 was refused" in scene.status()["message"]


def test_the_live_pods_were_not_restarted_by_any_of_it(scene: Scene) -> None:
    pods = scene.installation.get("pods", "-l", f"modelloop.dev/model={NAME},modelloop.dev/version=1.1.0")["items"]
    restarts = [one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"]]
    assert set(restarts) == {0}


def test_cuda_without_a_gpu_node_says_so_and_the_live_pods_stay(scene: Scene) -> None:
    before = set(scene.pods())
    scene.apply(device="cuda")
    eventually("the condition says so", lambda: scene.condition("DeviceAvailable").get("reason") == "NoGPUNodes")
    assert before <= set(scene.pods())
    eventually("both live pods answer", lambda: scene.status()["stable"]["readyReplicas"] == 2 or scene.status())
    scene.apply()
    scene.wait_until_settled("1.1.0")


def test_a_deleted_model_leaves_nothing(scene: Scene) -> None:
    where = ("-n", scene.installation.namespace)
    scene.installation.machine.kubectl(*where, "delete", "mlmodel", NAME)
    kinds = "deployments,services,serviceaccounts,poddisruptionbudgets,httproutes,backendtrafficpolicies,pods"

    def gone() -> object:
        listed = scene.installation.get(kinds, "-l", f"modelloop.dev/model={NAME}")["items"]
        return True if not listed else [f"{item['kind']} {item['metadata']['name']}" for item in listed]

    eventually("all children are gone", gone, 120)


def _nothing_failed(load: Load) -> None:
    assert not load.failed, f"{len(load.failed)} of {len(load.answers)} failed, first {load.failed[0]}"


def _went_back(load: Load, old: str, new: str) -> bool:
    """Whether an answer of the old version was asked for after the first of the new one had arrived a second ago."""
    first = min(answer.answered for answer in load.answers if answer.version == new)
    return any(answer.version == old and answer.sent > first + 1 for answer in load.answers)


def _refused(scene: Scene) -> list[str]:
    return [failure["version"] for failure in scene.status().get("failedVersions", ())]
