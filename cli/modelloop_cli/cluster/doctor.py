"""What can keep an MLModel from serving, looked at one by one, each with what to do about it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelloop_cli.cluster.connection import Connection
from modelloop_cli.cluster.describe import problems, status_of
from modelloop_cli.errors import Refused
from modelloop_core.api import GROUP, PLURAL, VERSION, MLModelSpec
from modelloop_core.wire.environment import LEADER_LABEL

_LEASE_LATE_SECONDS = 60
_SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, what was found and what to do."""

    check: str
    well: bool
    found: str
    advice: str = ""


def examine(connection: Connection, name: str, now: datetime) -> list[Finding]:
    """All findings for one MLModel, in the order in which things depend on one another."""
    findings = [_resource(connection), _operator(connection, now)]
    model = connection.model(name)
    spec = MLModelSpec.model_validate(model["spec"])
    findings += _secrets(connection, spec)
    findings += _traffic(connection, spec, name)
    findings += _scaling(connection, spec)
    findings += _pods(connection, name)
    findings += _conditions(model)
    return findings


def _resource(connection: Connection) -> Finding:
    served = connection.read(f"/apis/{GROUP}/{VERSION}")
    if served and any(resource["name"] == f"{PLURAL}/status" for resource in served["resources"]):
        return Finding("resource", True, f"{PLURAL}.{GROUP}/{VERSION} is served")
    return Finding("resource", False, f"{PLURAL}.{GROUP}/{VERSION} is not served", "install charts/modelloop-crds")


def _operator(connection: Connection, now: datetime) -> Finding:
    try:
        leases = connection.read("/apis/coordination.k8s.io/v1/leases", labelSelector=f"{LEADER_LABEL}=leader")
    except Refused as error:
        return Finding("operator", True, f"cannot tell: {error}", "")
    held = [lease["spec"] for lease in (leases or {}).get("items", ()) if lease["spec"].get("holderIdentity")]
    if not held:
        return Finding(
            "operator", False, "no operator holds the lease", "install charts/modelloop, or look at its pods"
        )
    late = (now - datetime.fromisoformat(held[0]["renewTime"])).total_seconds()
    holder = held[0]["holderIdentity"]
    if late > _LEASE_LATE_SECONDS:
        return Finding("operator", False, f"{holder} renewed its lease {late:.0f} s ago", "look at its pods and logs")
    return Finding("operator", True, f"{holder} leads")


def _secrets(connection: Connection, spec: MLModelSpec) -> Iterator[Finding]:
    wanted = [(spec.registry.secretName, _SECRET_KEYS), (spec.registry.caSecretName, ("ca.crt",))]
    for name, keys in wanted:
        if name is not None:
            yield _secret(connection, name, keys)


def _secret(connection: Connection, name: str, keys: tuple[str, ...]) -> Finding:
    where = f"Secret {connection.namespace}/{name}"
    try:
        secret = connection.read(f"/api/v1/namespaces/{connection.namespace}/secrets/{name}")
    except Refused as error:
        return Finding("secret", True, f"cannot tell: {error}")
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


def _traffic(connection: Connection, spec: MLModelSpec, name: str) -> Iterator[Finding]:
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


def _scaling(connection: Connection, spec: MLModelSpec) -> Iterator[Finding]:
    if spec.serving.autoscaling is not None:
        served = connection.read("/apis/metrics.k8s.io/v1beta1")
        found = "pod metrics are served" if served else "the cluster serves no pod metrics"
        yield Finding("autoscaling", served is not None, found, "" if served else "install metrics-server")


def _pods(connection: Connection, name: str) -> Iterator[Finding]:
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


def _conditions(model: dict[str, Any]) -> Iterator[Finding]:
    status = status_of(model)
    for problem in problems(status):
        yield Finding("condition", False, problem)
    if status.observedGeneration == model["metadata"]["generation"] and not problems(status):
        yield Finding("condition", True, status.message)
