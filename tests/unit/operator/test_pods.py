"""Why pods are not ready, from what the cluster says about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes.cluster import FakeCluster
from fakes.seen import GATEWAY as EDGE
from fakes.seen import a_model
from modelloop_core.api import MLModel, MLModelStatus
from modelloop_core.api.status import RolloutStatus, VersionStatus
from modelloop_core.versions import Version
from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_operator.cluster.containers import trouble_of
from modelloop_operator.cluster.facts import DeploymentFacts
from modelloop_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, GATEWAY, NODE, POD
from modelloop_operator.cluster.pods import Prober, address_of
from modelloop_operator.decide.observation import Pods, Trouble
from modelloop_operator.naming import selector

ONE = Version(1, 0, 0)
LAST_WORDS = json.dumps({"reason": "ChecksumMismatch", "message": "model.onnx is damaged"})
STARTING = DeploymentFacts(desired=2, ready=0, settled=False, deadline_exceeded=False, replicas_are_ours=True)
READY = DeploymentFacts(desired=2, ready=2, settled=True, deadline_exceeded=False, replicas_are_ours=True)


def container(**state: Any) -> dict[str, Any]:
    return {"status": {"containerStatuses": [state]}}


def scheduled(**condition: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "PodScheduled", **condition}]}}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


OOM = "its container was killed for want of memory (OOMKilled): see spec.serving.resources.limits.memory"
TROUBLES = [
    pytest.param({}, None, id="a pod without a status"),
    pytest.param({"status": {"phase": "Running"}}, None, id="a pod that runs"),
    pytest.param(container(state={"running": {}}), None, id="a container that runs"),
    pytest.param(container(state=waiting("ContainerCreating")), None, id="a container that is made"),
    pytest.param(container(state=waiting("PodInitializing")), None, id="a pod that begins"),
    pytest.param(container(state=ended(0)), None, id="a container that ended well"),
    pytest.param(
        container(state=ended(EXIT_PERMANENT, LAST_WORDS)),
        Trouble("ChecksumMismatch", "model.onnx is damaged", permanent=True),
        id="it ended for ever and said why",
    ),
    pytest.param(
        container(state=waiting("CrashLoopBackOff"), lastState=ended(EXIT_PERMANENT, LAST_WORDS)),
        Trouble("ChecksumMismatch", "model.onnx is damaged", permanent=True),
        id="it waits to be started again after it ended for ever",
    ),
    pytest.param(
        container(state=ended(1, LAST_WORDS)),
        Trouble("ChecksumMismatch", "model.onnx is damaged", permanent=False),
        id="it ended with another code and the same words: trying again may help",
    ),
    pytest.param(
        container(state=waiting("CrashLoopBackOff"), lastState=ended(1, "Traceback\n  …\nValueError: no\n")),
        Trouble("ContainerFailed", "exit code 1: ValueError: no"),
        id="its last line of log",
    ),
    pytest.param(
        container(state=waiting("CrashLoopBackOff"), lastState=ended(137, '{"event": "ready"}', "OOMKilled")),
        Trouble("OOMKilled", OOM),
        id="too little memory: its last words do not know",
    ),
    pytest.param(
        container(state=ended(EXIT_PERMANENT, "[1, 2]")),
        Trouble("ContainerFailed", "exit code 78: [1, 2]", permanent=True),
        id="its last words are JSON of another shape",
    ),
    pytest.param(
        container(state=ended(EXIT_PERMANENT, '{"reason": "X"}')),
        Trouble("ContainerFailed", 'exit code 78: {"reason": "X"}', permanent=True),
        id="its last words lack the message",
    ),
    pytest.param(
        container(state=waiting("ImagePullBackOff", "no such image")),
        Trouble("ImagePullBackOff", "no such image"),
        id="the image cannot be pulled",
    ),
    pytest.param(
        container(state=waiting("CreateContainerConfigError", 'secret "store" not found')),
        Trouble("CreateContainerConfigError", 'secret "store" not found'),
        id="a Secret is missing",
    ),
    pytest.param(
        {
            "status": {
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2"}]
            }
        },
        Trouble("Unschedulable", "0/2"),
        id="no node has room",
    ),
    pytest.param(scheduled(status="True"), None, id="a node has been found"),
]


@pytest.mark.parametrize(("pod", "trouble"), TROUBLES)
def test_trouble_of_a_pod(pod: dict[str, Any], trouble: Trouble | None) -> None:
    assert trouble_of(pod) == trouble


def test_long_words_are_cut() -> None:
    found = trouble_of(container(state=ended(1, "m" * 5000)))
    assert found is not None
    assert len(found.message) == 500


class Seconds:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(cluster: FakeCluster, question: Callable[[Prober], Awaitable[Any]], clock: Seconds | None = None) -> Any:
    async def main() -> Any:
        return await question(Prober(cluster, clock=clock or Seconds()))

    return asyncio.run(main())


def look(cluster: FakeCluster, facts: DeploymentFacts, *, candidate: bool = True) -> Pods:
    found: Pods = ask(cluster, lambda prober: prober.pods(a_model(), ONE, facts, candidate))
    return found


AT_ONE = "2026-03-01T13:00:00Z"


def shared_with(weight: int, mirror: int | None = None) -> MLModel:
    """A model that shares its traffic since noon."""
    model = a_model()
    tried = VersionStatus(version="1.1.0", requestedWeight=weight)
    times = {"startedAt": "2026-03-01T11:00:00Z", "judgedSince": "2026-03-01T12:00:00Z"}
    rollout = RolloutStatus(strategy="Canary", mirror=mirror, **times)
    status = model.status.model_copy(update={"candidate": tried, "rollout": rollout})
    return model.model_copy(update={"status": status})


def put_pod(cluster: FakeCluster, name: str, **status: Any) -> None:
    labels = selector("churn", ONE)
    cluster.put(POD, {"metadata": {"name": name, "namespace": "shop", "labels": labels}, **container(**status)})


def test_a_permanent_trouble_counts_before_others() -> None:
    cluster = FakeCluster()
    put_pod(cluster, "a", state=waiting("ImagePullBackOff"))
    put_pod(cluster, "b", state=ended(EXIT_PERMANENT, LAST_WORDS))
    found = look(cluster, STARTING).trouble
    assert found is not None
    assert found.permanent


UNKNOWN = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
ODD = [
    pytest.param({"lastState": {"terminated": UNKNOWN}}, 0, id="the kubelet does not know when it ended"),
    pytest.param({"lastState": {"terminated": {"exitCode": 1, "finishedAt": "soon"}}}, 0, id="no time at all"),
    pytest.param({"lastState": None, "state": None}, 0, id="nothing where something is expected"),
    pytest.param({"lastState": ["terminated"]}, 0, id="something else where an object is expected"),
]


@pytest.mark.parametrize(("told", "crashes"), ODD)
def test_a_pod_that_tells_odd_things_keeps_nobody_from_looking_at_the_others(
    told: dict[str, Any], crashes: int
) -> None:
    cluster = FakeCluster()
    put_pod(cluster, "a", restartCount=1, **told)
    put_pod(cluster, "b", restartCount=1, lastState={"terminated": {"exitCode": 1, "finishedAt": AT_ONE}})
    found: Pods = ask(cluster, lambda prober: prober.pods(shared_with(25), ONE, READY, False))
    assert found.crashes == crashes + 1
    assert look(cluster, STARTING).trouble is not None


PROMOTED = VersionStatus(version="1.1.0", requestedWeight=100, since="2026-03-01T12:00:00Z")
COUNTED = [
    pytest.param(shared_with(25), 1, id="with a share of the traffic"),
    pytest.param(shared_with(0, mirror=10), 1, id="with copies of it"),
    pytest.param(shared_with(0), 0, id="without any"),
    pytest.param(a_model(status=MLModelStatus(stable=PROMOTED)), 0, id="nothing is tried"),
    pytest.param(
        a_model(status=MLModelStatus(stable=PROMOTED, warm=[VersionStatus(version="1.0.0")])), 1, id="after a promotion"
    ),
]


@pytest.mark.parametrize(("model", "crashes"), COUNTED)
def test_crashes_are_looked_up_while_a_version_is_judged(model: MLModel, crashes: int) -> None:
    cluster = FakeCluster()
    put_pod(cluster, "a", restartCount=3, lastState={"terminated": {"exitCode": 137, "finishedAt": AT_ONE}})
    found: Pods = ask(cluster, lambda prober: prober.pods(model, ONE, READY, False))
    assert (found.crashes, found.trouble) == (crashes, None)


def test_without_any_pod_the_deployment_says_why() -> None:
    cluster = FakeCluster()
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: room"}
    described = {"name": "churn-v1-0-0", "namespace": "shop"}
    cluster.put(DEPLOYMENT, {"metadata": described, "status": {"conditions": [failure]}})
    assert look(cluster, STARTING).trouble == Trouble("FailedCreate", "exceeded quota: room")


def test_a_deployment_that_is_gone_by_now_is_no_error() -> None:
    assert look(FakeCluster(), STARTING).trouble is None


def test_endpoints_are_counted_for_a_ready_candidate_only() -> None:
    cluster = FakeCluster()
    described = {
        "name": "s",
        "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "churn-v1-0-0"},
    }
    endpoints = [{"conditions": {"ready": True}}, {"conditions": {"ready": False}}, {"conditions": {}}]
    cluster.put(ENDPOINT_SLICE, {"metadata": described, "endpoints": endpoints})
    assert look(cluster, READY).reachable == 1
    assert look(cluster, READY, candidate=False).reachable == 0
    assert look(cluster, STARTING).reachable == 0


def test_a_slice_without_endpoints_counts_none() -> None:
    cluster = FakeCluster()
    described = {"name": "s", "namespace": "shop", "labels": {"kubernetes.io/service-name": "churn-v1-0-0"}}
    cluster.put(ENDPOINT_SLICE, {"metadata": described, "endpoints": None})
    assert look(cluster, READY).reachable == 0


@pytest.mark.parametrize(
    ("allocatable", "offered"),
    [
        pytest.param({"nvidia.com/gpu": "2"}, True, id="a node with two GPUs"),
        pytest.param({"nvidia.com/gpu": "0"}, False, id="a node whose GPUs are all broken"),
        pytest.param({"cpu": "4"}, False, id="a node without GPUs"),
    ],
)
def test_gpu_nodes(allocatable: dict[str, str], offered: bool) -> None:
    cluster = FakeCluster()
    cluster.put(NODE, {"metadata": {"name": "one"}, "status": {"allocatable": allocatable}})
    assert ask(cluster, lambda prober: prober.gpu_nodes()) is offered


def test_nodes_that_cannot_be_listed_hold_nothing_up() -> None:
    cluster = FakeCluster()
    cluster.unreachable = True
    assert ask(cluster, lambda prober: prober.gpu_nodes()) is True


def test_nodes_are_looked_at_once_a_minute() -> None:
    cluster, clock = FakeCluster(), Seconds()

    async def story(prober: Prober) -> list[bool]:
        seen = [await prober.gpu_nodes()]
        cluster.put(NODE, {"metadata": {"name": "one"}, "status": {"allocatable": {"nvidia.com/gpu": "1"}}})
        for moment in (60.0, 61.0):
            clock.now = moment
            seen.append(await prober.gpu_nodes())
        return seen

    assert ask(cluster, story, clock) == [False, False, True]


def gateway(*listeners: tuple[str, str, int], address: str | None = "10.0.0.1") -> dict[str, Any]:
    entries = [{"name": name, "protocol": protocol, "port": port} for name, protocol, port in listeners]
    addresses = [{"value": address}] if address else []
    return {"spec": {"listeners": entries}, "status": {"addresses": addresses}}


ADDRESSES = [
    pytest.param(gateway(("http", "HTTP", 80)), None, [], "http://10.0.0.1", id="the usual port is left out"),
    pytest.param(gateway(("http", "HTTP", 8080)), None, [], "http://10.0.0.1:8080", id="another port is named"),
    pytest.param(gateway(("tls", "HTTPS", 443)), None, [], "https://10.0.0.1", id="https"),
    pytest.param(
        gateway(("http", "HTTP", 80), ("tls", "HTTPS", 8443)),
        "tls",
        [],
        "https://10.0.0.1:8443",
        id="a listener by name",
    ),
    pytest.param(gateway(("http", "HTTP", 80)), "tls", [], "", id="a listener that is not there"),
    pytest.param(gateway(("http", "HTTP", 80)), None, ["a.example"], "http://a.example", id="the host name"),
    pytest.param(gateway(("http", "HTTP", 80)), None, ["*.a.example", "b.example"], "http://b.example", id="wildcards"),
    pytest.param(gateway(("http", "HTTP", 80), address=None), None, [], "", id="a gateway without an address"),
    pytest.param({}, None, ["a.example"], "", id="a gateway without listeners"),
]


@pytest.mark.parametrize(("found", "section", "hostnames", "address"), ADDRESSES)
def test_address_of_a_gateway(found: dict[str, Any], section: str | None, hostnames: list[str], address: str) -> None:
    assert address_of(found, section, hostnames) == address


def test_the_address_of_the_first_gateway_is_kept_for_a_minute() -> None:
    cluster, clock = FakeCluster(), Seconds()
    model = a_model(spec={"traffic": EDGE})
    described = {"metadata": {"name": "edge", "namespace": "shop"}}

    async def story(prober: Prober) -> list[str]:
        told = [await prober.gateway_address(model)]
        cluster.put(GATEWAY, {**described, **gateway(("http", "HTTP", 80))})
        told.append(await prober.gateway_address(model))
        cluster.put(GATEWAY, {**described, **gateway(("http", "HTTP", 80), address="10.0.0.2")})
        for moment in (60.0, 61.0):
            clock.now = moment
            told.append(await prober.gateway_address(model))
        return told

    assert ask(cluster, story, clock) == ["", "http://10.0.0.1", "http://10.0.0.1", "http://10.0.0.2"]
