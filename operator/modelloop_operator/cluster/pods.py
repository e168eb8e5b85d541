"""What a Deployment's counts do not tell: why pods are not ready, and whether a Service already reaches them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from modelloop_core.api import MLModel
from modelloop_core.versions import Version
from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_operator.cluster.facts import DeploymentFacts
from modelloop_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, GATEWAY, NODE, POD
from modelloop_operator.cluster.port import Cluster, ClusterError, Missing, Object
from modelloop_operator.decide.observation import Pods, Trouble
from modelloop_operator.naming import selector, versioned_name

_GPU = "nvidia.com/gpu"
_NODES_KEPT_SECONDS = 60.0
_ADDRESS_KEPT_SECONDS = 60.0
_MESSAGE_LENGTH = 500


class Prober:
    """Asks the API server only when the answer matters to the pass at hand."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._gateways: dict[tuple[str, str], tuple[float, Object]] = {}
        self._gpu: tuple[float, bool] = (float("-inf"), True)

    async def pods(self, model: MLModel, version: Version, facts: DeploymentFacts, is_candidate: bool) -> Pods:
        """The pods of one version: trouble is looked up while some are not ready, endpoints for a ready candidate."""
        ready = facts.settled and facts.ready >= facts.desired
        return Pods(
            desired=facts.desired,
            ready=facts.ready,
            settled=facts.settled,
            reachable=await self._reachable(model, version) if ready and is_candidate else 0,
            count_is_ours=facts.replicas_are_ours,
            deadline_exceeded=facts.deadline_exceeded,
            trouble=None if ready else await self._trouble(model, version),
        )

    async def gpu_nodes(self) -> bool:
        """Whether a node offers nvidia.com/gpu; True when that cannot be found out."""
        if self._gpu[0] + _NODES_KEPT_SECONDS < self._clock():
            try:
                nodes = await self._cluster.list(NODE)
            except ClusterError:
                return True
            offered = any(node.get("status", {}).get("allocatable", {}).get(_GPU, "0") != "0" for node in nodes)
            self._gpu = (self._clock(), offered)
        return self._gpu[1]

    async def gateway_address(self, model: MLModel) -> str:
        """Scheme, host and port where the first parent Gateway answers for this model; empty while unknown."""
        gateway = model.spec.traffic.gateway
        if gateway is None:
            return ""
        parent = gateway.parentRefs[0]
        at = (parent.namespace or model.metadata.namespace, parent.name)
        kept = self._gateways.get(at)
        if kept is None or kept[0] + _ADDRESS_KEPT_SECONDS < self._clock():
            try:
                kept = (self._clock(), await self._cluster.get(GATEWAY, *at))
            except ClusterError:
                return ""
            self._gateways[at] = kept
        return address_of(kept[1], parent.sectionName, gateway.hostnames)

    async def _reachable(self, model: MLModel, version: Version) -> int:
        service = versioned_name(model.metadata.name, version)
        label = f"kubernetes.io/service-name={service}"
        slices = await self._cluster.list(ENDPOINT_SLICE, model.metadata.namespace, label)
        endpoints = [endpoint for item in slices for endpoint in item.get("endpoints") or ()]
        return sum(bool(endpoint.get("conditions", {}).get("ready")) for endpoint in endpoints)

    async def _trouble(self, model: MLModel, version: Version) -> Trouble | None:
        labels = ",".join(f"{name}={value}" for name, value in selector(model.metadata.name, version).items())
        pods = await self._cluster.list(POD, model.metadata.namespace, labels)
        found = [trouble for pod in pods if (trouble := pod_trouble(pod))]
        if not pods:
            return await self._creation_trouble(model, version)
        return max(found, key=lambda trouble: trouble.permanent, default=None)

    async def _creation_trouble(self, model: MLModel, version: Version) -> Trouble | None:
        """Why the Deployment has no pods at all: a quota, an admission policy."""
        name = versioned_name(model.metadata.name, version)
        try:
            live = await self._cluster.get(DEPLOYMENT, model.metadata.namespace, name)
        except Missing:
            return None
        for condition in live.get("status", {}).get("conditions", ()):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return Trouble(
                    condition.get("reason", "ReplicaFailure"), condition.get("message", "")[:_MESSAGE_LENGTH]
                )
        return None


def address_of(gateway: Object, section: str | None, hostnames: list[str]) -> str:
    """`http://host[:port]` of a Gateway's listener, by the route's first host name or the Gateway's own address."""
    listeners = gateway.get("spec", {}).get("listeners", ())
    listener = next((entry for entry in listeners if section in (None, entry["name"])), None)
    addresses = [entry["value"] for entry in gateway.get("status", {}).get("addresses", ())]
    host = next((name for name in hostnames if not name.startswith("*")), None) or next(iter(addresses), None)
    if listener is None or host is None:
        return ""
    scheme, usual = ("https", 443) if listener["protocol"] == "HTTPS" else ("http", 80)
    return f"{scheme}://{host}" if listener["port"] == usual else f"{scheme}://{host}:{listener['port']}"


def pod_trouble(pod: Object) -> Trouble | None:
    """Why this pod is not ready, from its container's last words, its waiting reason or the scheduler."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        for state in (container.get("state", {}), container.get("lastState", {})):
            if state.get("terminated", {}).get("exitCode"):
                return _from_exit(state["terminated"])
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Trouble(waiting["reason"], str(waiting.get("message", ""))[:_MESSAGE_LENGTH])
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble(condition.get("reason", "Unschedulable"), condition.get("message", "")[:_MESSAGE_LENGTH])
    return None


def _from_exit(terminated: dict[str, Any]) -> Trouble:
    code, message = terminated["exitCode"], terminated.get("message", "")
    permanent = code == EXIT_PERMANENT
    try:
        told = json.loads(message)
        return Trouble(str(told["reason"]), str(told["message"])[:_MESSAGE_LENGTH], permanent)
    except (ValueError, KeyError, TypeError):
        last_line = message.strip().splitlines()[-1:] or [terminated.get("reason", "")]
        return Trouble("ContainerFailed", f"exit code {code}: {last_line[0]}"[:_MESSAGE_LENGTH], permanent)
