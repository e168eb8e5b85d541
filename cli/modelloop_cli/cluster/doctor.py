"""What can keep an MLModel from serving, looked at one by one, each with what to do about it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from modelloop_cli.cluster.connection import Connection
from modelloop_cli.cluster.describe import hindrances, problems, status_of
from modelloop_cli.cluster.refusals import Forbidden, Unreadable
from modelloop_core.api import GROUP, PLURAL, VERSION, MLModelSpec
from modelloop_core.wire.environment import LEADER_LABEL

_LEASE_LATE_SECONDS = 60
_SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well (None: cannot tell), what was found and what to do."""

    check: str
    well: bool | None
    found: str
    advice: str = ""


Looked = Iterable[Finding]


def examine(connection: Connection, name: str, now: datetime) -> list[Finding]:
    """All findings for one MLModel, in the order in which things depend on one another."""
    findings = [
        *_as_far_as_allowed("resource", lambda: [_resource(connection)]),
        *_as_far_as_allowed("operator", lambda: _operators(connection, now)),
    ]
    try:
        model = connection.model(name)
        spec = MLModelSpec.model_validate(model["spec"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        found = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        return [
            *findings,
            Finding("model", False, found, "correct the field; or modelloop is older than the cluster's"),
        ]
    except Unreadable as error:
        return [*findings, _unreadable_model(error)]
    checks: dict[str, Callable[[], Looked]] = {
        "secret": lambda: _secrets(connection, spec),
        "gateway": lambda: _traffic(connection, spec),
        "autoscaling": lambda: _scaling(connection, spec),
        "metric": lambda: _metrics(model, spec),
        "pod": lambda: _pods(connection, name),
        "condition": lambda: _conditions(model, now),
    }
    for check, look in checks.items():
        findings += _as_far_as_allowed(check, look)
    return findings


def _as_far_as_allowed(check: str, look: Callable[[], Looked]) -> Iterator[Finding]:
    """What a check finds; where it may not look, that, in place of the rest."""
    try:
        yield from look()
    except Unreadable as error:
        yield Finding(check, None, f"cannot tell: {error}", error.hint)


def _unreadable_model(error: Unreadable) -> Finding:
    if isinstance(error, Forbidden):
        return Finding("model", None, f"cannot tell: {error}", error.hint)
    return Finding("model", False, str(error), error.hint)


def _resource(connection: Connection) -> Finding:
    served = connection.read(f"/apis/{GROUP}/{VERSION}")
    if served and any(resource["name"] == f"{PLURAL}/status" for resource in served["resources"]):
        return Finding("resource", True, f"{PLURAL}.{GROUP}/{VERSION} is served")
    return Finding("resource", False, f"{PLURAL}.{GROUP}/{VERSION} is not served", "install charts/modelloop-crds")


@dataclass(frozen=True)
class _Leader:
    """Who holds an installation's Lease (nobody: empty), and how many seconds ago it was renewed."""

    holder: str
    lease: str
    renewed_ago: float

    @classmethod
    def of(cls, lease: dict[str, Any], now: datetime) -> _Leader:
        meta, spec = lease["metadata"], lease["spec"]
        renewed = spec.get("renewTime") or meta["creationTimestamp"]
        ago = (now - datetime.fromisoformat(renewed)).total_seconds()
        return cls(spec.get("holderIdentity") or "", f"Lease {meta['namespace']}/{meta['name']}", ago)


def _operators(connection: Connection, now: datetime) -> Looked:
    """The newest renewal tells: an installation that was removed leaves its Lease behind."""
    listed = connection.read("/apis/coordination.k8s.io/v1/leases", labelSelector=f"{LEADER_LABEL}=leader") or {}
    leases = sorted((_Leader.of(lease, now) for lease in listed.get("items", ())), key=lambda one: one.renewed_ago)
    leading = [one for one in leases if one.holder and one.renewed_ago <= _LEASE_LATE_SECONDS]
    if not leading:
        yield _no_operator(leases)
        return
    yield Finding("operator", True, f"{leading[0].holder} leads ({leading[0].lease})")
    for one in leading[1:]:
        found = f"cannot tell which operator is in charge: {one.holder} leads as well ({one.lease})"
        yield Finding("operator", None, found, "let no two installations watch one namespace (watchNamespaces)")


def _no_operator(leases: list[_Leader]) -> Finding:
    if not leases or not leases[0].holder:
        where = leases[0].lease if leases else "the lease"
        return Finding("operator", False, f"no operator holds {where}", "install charts/modelloop, or look at its pods")
    late = leases[0]
    found = f"{late.holder} renewed {late.lease} {late.renewed_ago:.0f} s ago"
    return Finding("operator", False, found, "look at its pods and logs")


def _secrets(connection: Connection, spec: MLModelSpec) -> Looked:
    wanted = [(spec.registry.secretName, _SECRET_KEYS), (spec.registry.caSecretName, ("ca.crt",))]
    for name, keys in wanted:
        if name is not None:
            yield _secret(connection, name, keys)


def _secret(connection: Connection, name: str, keys: tuple[str, ...]) -> Finding:
    where = f"Secret {connection.namespace}/{name}"
    secret = connection.read(f"/api/v1/namespaces/{connection.namespace}/secrets/{name}")
    if secret is None:
        return Finding("secret", False, f"{where} does not exist", f"create it with {' and '.join(keys)}")
    data = secret.get("data") or {}
    lacking = [key for key in keys if not data.get(key)]
    padded = [key for key in keys if data.get(key) and _is_padded(data[key])]
    if lacking:
        return Finding("secret", False, f"{where} lacks {', '.join(lacking)}", "add the missing keys")
    if padded and keys == _SECRET_KEYS:
        return Finding(
            "secret", False, f"{where}: {', '.join(padded)} ends in white space", "write it without the newline"
        )
    return Finding("secret", True, f"{where} has {', '.join(keys)}")


def _is_padded(encoded: str) -> bool:
    value = base64.b64decode(encoded)
    return value != value.strip()


def _traffic(connection: Connection, spec: MLModelSpec) -> Looked:
    if spec.traffic.gateway is None:
        return
    if connection.read("/apis/gateway.networking.k8s.io/v1") is None:
        yield Finding(
            "gateway", False, "the cluster has no Gateway API", "install a gateway, or use spec.traffic.ingress"
        )
        return
    for parent in spec.traffic.gateway.parentRefs:
        namespace = parent.namespace or connection.namespace
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways/{parent.name}"
        yield _gateway(connection.read(path), f"Gateway {namespace}/{parent.name}")


def _gateway(gateway: dict[str, Any] | None, where: str) -> Finding:
    if gateway is None:
        return Finding("gateway", False, f"{where} does not exist", "correct spec.traffic.gateway.parentRefs")
    conditions = {entry["type"]: entry for entry in gateway.get("status", {}).get("conditions", ())}
    programmed = conditions.get("Programmed", {})
    if programmed.get("status") != "True":
        why = programmed.get("message", "no controller took it")
        return Finding("gateway", False, f"{where} is not programmed: {why}", "look at the gateway's controller")
    return Finding("gateway", True, f"{where} is programmed")


def _scaling(connection: Connection, spec: MLModelSpec) -> Looked:
    if spec.serving.autoscaling is not None:
        served = connection.read("/apis/metrics.k8s.io/v1beta1")
        found = "pod metrics are served" if served else "the cluster serves no pod metrics"
        yield Finding("autoscaling", served is not None, found, "" if served else "install metrics-server")


def _metrics(model: dict[str, Any], spec: MLModelSpec) -> Looked:
    """What the operator last heard of Prometheus: from here its address may not be reachable."""
    wanted = spec.rollout.analysis.metrics if spec.rollout is not None else None
    if not wanted:
        return
    status = status_of(model)
    found = status.condition("MetricsAvailable")
    if found is None:
        yield Finding("metric", None, "cannot tell: the operator has not said whether metrics have numbers")
    elif found.status != "True":
        advice = "set operator.prometheusURL, or correct spec.rollout.analysis.metrics"
        yield Finding("metric", False, f"{found.reason}: {found.message}", advice)
    told = {one.name: one for one in status.rollout.metrics} if status.rollout is not None else {}
    for metric in wanted:
        said = told.get(metric.name)
        well = None if said is None or said.verdict == "Inconclusive" else said.verdict == "Passed"
        yield Finding("metric", well, said.message if said else f"{metric.name} is asked while a version is tried")


def _pods(connection: Connection, name: str) -> Looked:
    listed = connection.read(f"/api/v1/namespaces/{connection.namespace}/pods", labelSelector=f"{GROUP}/model={name}")
    for pod in (listed or {}).get("items", ()):
        conditions = {entry["type"]: entry for entry in pod.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready", {}).get("status") == "True"
        found = (
            f"{pod['metadata']['name']} is ready" if ready else f"{pod['metadata']['name']}: {_why(pod, conditions)}"
        )
        advice = "" if ready else f"kubectl -n {connection.namespace} logs {pod['metadata']['name']}"
        yield Finding("pod", ready, found, advice)


def _why(pod: dict[str, Any], conditions: dict[str, Any]) -> str:
    for container in pod["status"].get("containerStatuses", ()):
        for state in (*container.get("state", {}).values(), *container.get("lastState", {}).values()):
            if state.get("message") or state.get("reason"):
                return f"{state.get('reason', '')} {state.get('message', '')}".strip()
    return str(
        conditions.get("PodScheduled", {}).get("message") or conditions.get("Ready", {}).get("message") or "starting"
    )


def _conditions(model: dict[str, Any], now: datetime) -> Looked:
    meta, status = model["metadata"], status_of(model)
    if status.observedGeneration < meta["generation"]:
        waiting = (now - datetime.fromisoformat(_spec_written_at(meta))).total_seconds()
        yield Finding(
            "condition",
            False,
            f"no operator has looked at generation {meta['generation']} yet (waiting {max(0, waiting):.0f}s)",
            f"is it running? does its watchNamespaces include {meta['namespace']}?",
        )
    for problem in (*problems(status), *hindrances(status)):
        yield Finding("condition", False, problem)
    if status.observedGeneration == meta["generation"] and not (problems(status) or hindrances(status)):
        yield Finding("condition", True, status.message)


def _spec_written_at(meta: dict[str, Any]) -> str:
    writes = [entry["time"] for entry in meta.get("managedFields", ()) if "f:spec" in entry.get("fieldsV1", {})]
    return str(max(writes, default=meta["creationTimestamp"]))
