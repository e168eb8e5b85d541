"""Commands of several people in one moment, by the program they use, against a real API server."""

from __future__ import annotations

import json
import subprocess
import sys

from cluster.scene import Scene


def test_requests_of_one_moment_are_all_answered(scene: Scene) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest())
    scene.serving("1.0.0")
    program = [sys.executable, "-c", "from modelloop_cli.main import kubectl_main; kubectl_main()"]
    place = ["churn", "-n", scene.namespace, "--context", scene.plane.context, "-o", "json"]
    environment = {"KUBECONFIG": str(scene.plane.kubeconfig), "PATH": ""}
    asked = [
        subprocess.Popen([*program, verb, *place], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for verb in ("retry", "refresh", "retry")
    ]
    said = [process.communicate(timeout=120) for process in asked]
    assert [process.returncode for process in asked] == [0, 0, 0], said
    assert [json.loads(out)["verb"] for out, _ in said] == ["retry", "refresh", "retry"]
    assert len({json.loads(out)["id"] for out, _ in said}) == 3
