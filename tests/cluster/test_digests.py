"""What the API server makes of everything that is rendered; MODELLOOP_GOLDEN=1 saves it as samples for unit tests."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from kubernetes.aio import client, config

from cluster.control_plane import ROOT, ControlPlane
from fakes.every_field import SPECS, installation_of
from fakes.seen import a_model, a_status
from modelloop_core.versions import Version
from modelloop_operator.cluster.kinds import kind_of
from modelloop_operator.cluster.kubernetes_api import KubernetesApi
from modelloop_operator.cluster.ownership import owned_digest
from modelloop_operator.decide.observation import Capabilities
from modelloop_operator.naming import MANAGER
from modelloop_operator.render.children import Replicas, children

SAMPLES = ROOT / "tests/unit/operator/samples"
SAVE = os.environ.get("MODELLOOP_GOLDEN") == "1"


def rendered(name: str, namespace: str, uid: str) -> list[dict[str, Any]]:
    model = a_model(spec=SPECS[name], status=a_status("1.0.0"), uid=uid)
    placed = model.model_copy(update={"metadata": model.metadata.model_copy(update={"namespace": namespace})})
    counts = {Version(1, 0, 0): Replicas(None if model.spec.serving.autoscaling else 2, 2)}
    return children(placed, installation_of(name), Capabilities(True, True), counts)


@pytest.mark.parametrize("name", SPECS)
def test_applying_the_same_again_changes_nothing(control_plane: ControlPlane, namespace: str, name: str) -> None:
    metadata = {"name": "churn", "namespace": namespace}
    spec = {"registry": {"uri": "s3://models/churn"}, **SPECS[name]}
    control_plane.apply({"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": metadata, "spec": spec})
    owner = control_plane.get("mlmodel", namespace, "churn")
    assert owner is not None

    async def story() -> list[dict[str, Any]]:
        samples = []
        configuration = client.Configuration()
        await config.load_kube_config(
            str(control_plane.kubeconfig), context=control_plane.context, client_configuration=configuration
        )
        async with client.ApiClient(configuration) as api:
            cluster = KubernetesApi(api, MANAGER)
            for body in rendered(name, namespace, owner["metadata"]["uid"]):
                first = await cluster.apply(kind_of(body), body)
                again = await cluster.apply(kind_of(body), body)
                assert owned_digest(again, MANAGER) == owned_digest(first, MANAGER), body["kind"]
                samples.append({"rendered": body, "live": again})
        return samples

    found = asyncio.run(story())
    if SAVE:
        SAMPLES.mkdir(exist_ok=True)
        (SAMPLES / f"{name}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
