"""Behind an Ingress, and through the plain Service: what callers notice where nothing retries for us.

The tests tell one story and run in order.
"""

from __future__ import annotations

import httpx
import numpy as np
import tritonclient.grpc as grpcclient

from e2e.gateway.load import Load
from e2e.install.machine import eventually
from e2e.serving.scene import BODY, NAME, Scene
from e2e.serving.sigkill import sigkill

# Until the dead pod has left the endpoints: nothing stands between the callers and it.
LOSSES_SECONDS = 5


def test_the_controller_takes_the_ingress_up_and_says_where(behind_ingress: Scene) -> None:
    def published() -> object:
        status = behind_ingress.installation.get("ingress", NAME)["status"]
        return bool(status["loadBalancer"].get("ingress")) or status

    eventually("the Ingress has an address", published)


def test_the_model_answers_to_its_host_and_to_no_other(behind_ingress: Scene) -> None:
    eventually("its host is answered", lambda: _ask(behind_ingress, behind_ingress.host) == 200 or "not yet")
    assert _ask(behind_ingress, "other.example.com") == 404


def test_a_new_version_takes_all_traffic_without_a_failed_request(behind_ingress: Scene) -> None:
    before = behind_ingress.pods()
    with behind_ingress.load() as outside, behind_ingress.load_inside() as inside:
        behind_ingress.publish("1.1.0")
        behind_ingress.wait_for_version("1.1.0")
        # A client that keeps its connection stays with the old version for as long as that drains.
        behind_ingress.wait_until_ended(before)
        for load in (outside, inside):
            load.wait_for(200)
    for load in (outside, inside):
        _nothing_failed(load)
        assert set(load.versions) == {"v1.0.0", "v1.1.0"}
        assert load.answers[-1].version == "v1.1.0"


def test_a_change_of_the_pods_rolls_through_without_a_failed_request(behind_ingress: Scene) -> None:
    before = behind_ingress.pods()
    with behind_ingress.load() as outside, behind_ingress.load_inside() as inside:
        behind_ingress.apply(grpc=True)
        behind_ingress.wait_until_ended(before)
        for load in (outside, inside):
            load.wait_for(200)
    for load in (outside, inside):
        _nothing_failed(load)


def test_the_service_then_answers_by_grpc_too(behind_ingress: Scene) -> None:
    address = behind_ingress.installation.get("service", NAME)["spec"]["clusterIP"]
    tensor = grpcclient.InferInput("features", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[0.5, 1.2]], dtype=np.float32))
    with grpcclient.InferenceServerClient(f"{address}:9000") as client:
        answer = client.infer(NAME, [tensor], client_timeout=10)
    assert answer.get_response().model_version == "v1.1.0"
    assert 0 < answer.as_numpy("prediction")[0] < 1


def test_a_pod_killed_without_warning_costs_requests_for_a_moment_only(behind_ingress: Scene) -> None:
    behind_ingress.wait_until_settled("1.1.0")
    with behind_ingress.load() as outside, behind_ingress.load_inside() as inside:
        sigkill(behind_ingress.installation, min(behind_ingress.pods()))
        behind_ingress.wait_until_settled("1.1.0")
        for load in (outside, inside):
            load.wait_for(200)
    for load in (outside, inside):
        lost = [answer.sent for answer in load.failed]
        assert max(lost, default=0) - min(lost, default=0) < LOSSES_SECONDS, load.failed


def _ask(scene: Scene, host: str) -> int:
    try:
        return httpx.post(f"{scene.url}/predict", json=BODY, headers={"host": host}, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _nothing_failed(load: Load) -> None:
    assert not load.failed, f"{len(load.failed)} of {len(load.answers)} failed, first {load.failed[0]}"
