"""What callers notice while an autoscaler follows the load on real pods: nothing."""

from __future__ import annotations

import re

from e2e.gateway.load import Load
from e2e.install.machine import eventually
from e2e.serving.scene import Scene
from modelloop_core.wire.environment import PREDICT_PORT

# 90m of CPU for each pod. The few callers need 40m to 60m together, and ask often enough to notice a pod that goes
# without draining. The crowd needs all four: many rows in a request cost the predictor more than the crowd.
REQUESTS = {"requests": {"cpu": "100m", "memory": "128Mi"}}
SCALING = {"minReplicas": 1, "maxReplicas": 4, "targetCPUUtilization": 90, "scaleDownDelay": "10s"}
CROWD = {"instances": [[0.5, 1.2]] * 9_000}


def test_pods_follow_the_load_up_and_down_without_a_failed_request(scene: Scene) -> None:
    scene.apply(autoscaling=SCALING, resources=REQUESTS)
    with scene.load(pause=0.05) as few:
        scene.wait_until_settled("1.0.0", pods=1)
        with scene.load(body=CROWD, pause=0.005) as crowd:
            scene.wait_until_settled("1.0.0", pods=4)
            at_most = scene.pods()
            eventually("all four answer", lambda: all(_answered(scene, pod) for pod in at_most))
        scene.wait_until_settled("1.0.0", pods=1)
        scene.wait_until_ended(at_most.keys() - scene.pods().keys())
        few.wait_for(20)
    _nothing_failed(few)
    _nothing_failed(crowd)
    assert scene.condition("ScalingAvailable")["reason"] == "Scaling"


def _answered(scene: Scene, pod: str) -> int:
    """Predictions that a pod answered."""
    path = f"/api/v1/namespaces/{scene.installation.namespace}/pods/{pod}:{PREDICT_PORT}/proxy/metrics"
    page = scene.installation.machine.kubectl("get", "--raw", path)
    found = re.search(r'^modelloop_predictor_requests_total\{code="200"\} (\S+)$', page, re.MULTILINE)
    return int(float(found[1])) if found else 0


def _nothing_failed(load: Load) -> None:
    assert not load.failed, f"{len(load.failed)} of {len(load.answers)} failed, first {load.failed[0]}"
