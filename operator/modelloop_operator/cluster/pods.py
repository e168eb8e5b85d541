"""What a Deployment's counts do not tell: why pods are not ready, and whether a Service already reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from modelloop_core.api import MLModel
from modelloop_core.versions import Version
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.containers import MESSAGE_LENGTH, trouble_of
from modelloop_operator.cluster.crashes import Crashes
from modelloop_operator.cluster.facts import Child, DeploymentFacts, JobFacts
from modelloop_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, GATEWAY, NODE, POD, QUOTA
from modelloop_operator.cluster.port import Cluster, ClusterError, Missing, Object
from modelloop_operator.decide.observation import Pods, Trouble
from modelloop_operator.decide.shares import share_in
from modelloop_operator.naming import selector, versioned_name

_GPU = "nvidia.com/gpu"
_JOB_LABEL = "batch.kubernetes.io/job-name"
_NODES_KEPT_SECONDS = 60.0
_ADDRESS_KEPT_SECONDS = 60.0


class Prober:
    """Asks the API server only when the answer matters to the pass at hand."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._gateways: dict[tuple[str, str], tuple[float, Object]] = {}
        self._gpu: tuple[float, bool] = (float("-inf"), True)
        self._crashes = Crashes()

    async def pods(self, model: MLModel, version: Version, facts: DeploymentFacts, is_candidate: bool) -> Pods:
        """The pods of one version: trouble is looked up while some are not ready, endpoints for a ready candidate."""
        ready = facts.settled and facts.ready >= facts.desired
        since = _counted_since(model)
        listed = await self._listed(model, version) if since is not None or not ready else []
        return Pods(
            desired=facts.desired,
            ready=facts.ready,
            settled=facts.settled,
            reachable=await self._reachable(model, version) if ready and is_candidate else 0,
            count_is_ours=facts.replicas_are_ours,
            deadline_exceeded=facts.deadline_exceeded,
            trouble=None if ready else await self._trouble(model, version, listed),
            crashes=self._crashed(model, version, since, listed),
        )

    def release(self, key: Key) -> None:
        """Forget what was counted of an MLModel's pods."""
        self._crashes.release(key)

    def _crashed(self, model: MLModel, version: Version, since: datetime | None, listed: list[Object]) -> int:
        key = (model.metadata.namespace, model.metadata.name)
        if since is None:
            self._crashes.release(key, version)
            return 0
        return self._crashes.count(key, version, since, listed)

    async def job_trouble(self, job: Child) -> Trouble | None:
        """What a Job suffers from: it was given up, its pod failed, or none could be made."""
        assert isinstance(job.facts, JobFacts)  # noqa: S101 only those of Jobs are asked about
        if job.facts.done:
            # For a moment until it is read, or because somebody has removed it.
            return Trouble("OutcomeMissing", "it is done, and its outcome is not in the registry", permanent=True)
        pods = await self._cluster.list(POD, job.namespace, f"{_JOB_LABEL}={job.name}")
        last = next((trouble for pod in reversed(pods) if (trouble := trouble_of(pod))), None)
        if job.facts.problem:
            told = f"{job.facts.problem}{f' ({last.message})' if last else ''}"
            return Trouble("ReplayUnfinished", told, permanent=True)
        if last is not None or pods:
            return replace(last, permanent=False) if last is not None else None
        return await self._quota_trouble(job)

    async def _quota_trouble(self, job: Child) -> Trouble | None:
        """Why a Job has no pod: it does not tell itself, but what a quota leaves can be read."""
        quotas = await self._cluster.list(QUOTA, job.namespace)
        told = [f"{quota['metadata']['name']}: {_used(quota)}" for quota in quotas]
        if not told:
            return None
        return Trouble("NoPodYet", f"it has no pod yet; the namespace has quotas ({'; '.join(told)})"[:MESSAGE_LENGTH])

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

    async def _listed(self, model: MLModel, version: Version) -> list[Object]:
        labels = ",".join(f"{name}={value}" for name, value in selector(model.metadata.name, version).items())
        return await self._cluster.list(POD, model.metadata.namespace, labels)

    async def _trouble(self, model: MLModel, version: Version, pods: list[Object]) -> Trouble | None:
        found = [trouble for pod in pods if (trouble := trouble_of(pod))]
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
                return Trouble(condition.get("reason", "ReplicaFailure"), condition.get("message", "")[:MESSAGE_LENGTH])
        return None


def _used(quota: Object) -> str:
    status = quota.get("status", {})
    hard, used = status.get("hard", {}), status.get("used", {})
    return ", ".join(f"{name} {used.get(name, '0')} of {most}" for name, most in sorted(hard.items()))


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


def _counted_since(model: MLModel) -> datetime | None:
    """Since when crashes count: a candidate has traffic or copies of it, or one was promoted and others are warm."""
    status = model.status
    since = status.rollout.judgedSince if status.rollout is not None and share_in(status) else None
    if status.candidate is None and status.stable is not None and status.warm:
        since = status.stable.since
    return datetime.fromisoformat(since) if since is not None else None
