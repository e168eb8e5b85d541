"""Two versions and a mirror behind the Gateway, in a namespace of their own that goes with the module."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.gateway import kube, objects
from e2e.gateway.serving import Serving
from e2e.install.machine import Machine

VERSIONS = {"v1": 2, "v2": 2, "shadow": 1}


@pytest.fixture(scope="module")
def serving(swept: Machine) -> Iterator[Serving]:
    cluster, name = kube.from_environment(), f"gateway-{secrets.token_hex(3)}"
    cluster.apply(objects.namespace(name))
    try:
        cluster.apply(
            objects.program(name),
            *_versions(name),
            objects.route(name, {"v1": 100, "v2": 0}),
            objects.retry_policy(name),
        )
        for version in VERSIONS:
            cluster.run("rollout", "status", f"deployment/{version}", "-n", name, "--timeout=60s")
        found = Serving(cluster, name)
        kube.eventually("policy accepted", lambda: _policy_accepted(found))
        found.serves({"v1": 100, "v2": 0})
        yield found
    finally:
        cluster.run("delete", "namespace", name, "--wait=false")


def _versions(where: str) -> list[dict[str, Any]]:
    return [
        thing
        for version, replicas in VERSIONS.items()
        for thing in (objects.deployment(where, version, replicas), objects.service(where, version))
    ]


def _policy_accepted(serving: Serving) -> object:
    status = serving.cluster.get("backendtrafficpolicy", "model", "-n", serving.namespace).get("status", {})
    conditions = [one for ancestor in status.get("ancestors", []) for one in ancestor["conditions"]]
    return True if any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions) else conditions
