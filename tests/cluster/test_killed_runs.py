"""What a killed test run left on a shared cluster goes when the next one starts; what runs is left alone."""

from __future__ import annotations

import uuid

from cluster.control_plane import ControlPlane, eventually
from support.killed_runs import RUN_LABEL, run_label


def test_a_namespace_of_a_killed_run_is_swept(control_plane: ControlPlane, namespace: str) -> None:
    left = f"test-{uuid.uuid4().hex[:8]}"
    # The number is ours and the start is not: a run before ours.
    labels = {RUN_LABEL: run_label()[RUN_LABEL] + "0"}
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": left, "labels": labels}})
    control_plane.sweep()
    eventually(lambda: control_plane.get("namespace", "", left) is None, "the namespace to go", seconds=60)
    assert control_plane.get("namespace", "", namespace)["status"]["phase"] == "Active"  # type: ignore[index]
