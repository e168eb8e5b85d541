"""The children of one live version: Deployment, Service, disruption budget, autoscaler."""

from __future__ import annotations

from modelloop_core.api import MLModel
from modelloop_core.api.fields import seconds
from modelloop_core.versions import Version
from modelloop_core.wire.environment import (
    GRPC_PORT,
    MIRROR_PORT,
    PREDICT_PORT,
)
from modelloop_operator.naming import Object, labels, metadata, mirror_name, selector, versioned_name
from modelloop_operator.render.environment import environment
from modelloop_operator.render.installation import Installation
from modelloop_operator.render.pods import volume_mounts, volumes, with_placement

PRESTOP_SECONDS = 5


def deployment(model: MLModel, version: Version, installation: Installation, replicas: int | None) -> Object:
    """The Deployment of one version; without `replicas` the autoscaler owns the count."""
    spec: Object = {
        "selector": {"matchLabels": selector(model.metadata.name, version)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": _progress_deadline(model, installation),
        "template": _template(model, version, installation),
    }
    if replicas is not None:
        spec["replicas"] = replicas
    name = versioned_name(model.metadata.name, version)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(model, name, version), "spec": spec}


def version_service(model: MLModel, version: Version) -> Object:
    """The Service of one version, for routes with weights."""
    return service(model, versioned_name(model.metadata.name, version), version, own=True)


def service(model: MLModel, name: str, version: Version, *, own: bool) -> Object:
    """A Service to the pods of one version; `own` when it leaves together with that version."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(model, name, version if own else None),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(model.metadata.name, version),
            "ports": _service_ports(model),
        },
    }


def mirror_service(model: MLModel, version: Version) -> Object:
    """The Service by which copies of requests come to one version, on a port of their own."""
    port: Object = {"name": "mirror", "port": 80, "targetPort": "mirror", "protocol": "TCP", "appProtocol": "http"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(model, mirror_name(model.metadata.name, version), version),
        "spec": {"type": "ClusterIP", "selector": selector(model.metadata.name, version), "ports": [port]},
    }


def disruption_budget(model: MLModel, version: Version) -> Object:
    """Nodes are drained one pod of a version at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(model, versioned_name(model.metadata.name, version), version),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(model.metadata.name, version)},
        },
    }


def autoscaler(model: MLModel, version: Version, fewest: int) -> Object | None:
    """The HorizontalPodAutoscaler of one version, never below `fewest` pods."""
    scaling = model.spec.serving.autoscaling
    if scaling is None:
        return None
    name = versioned_name(model.metadata.name, version)
    target = {"type": "Utilization", "averageUtilization": scaling.targetCPUUtilization}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(model, name, version),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": fewest,
            "maxReplicas": scaling.maxReplicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": int(seconds(scaling.scaleDownDelay))}},
        },
    }


def service_account(model: MLModel) -> Object | None:
    """A service account without rights or token, unless the spec names one."""
    if model.spec.serving.pod.serviceAccountName is not None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(model, model.metadata.name),
        "automountServiceAccountToken": False,
    }


def _progress_deadline(model: MLModel, installation: Installation) -> int:
    rollout = model.spec.rollout
    return int(seconds(rollout.progressDeadline)) if rollout is not None else installation.progress_deadline_seconds


def _template(model: MLModel, version: Version, installation: Installation) -> Object:
    pod = model.spec.serving.pod
    name = model.metadata.name
    template_metadata: Object = {"labels": {**pod.labels, **labels(name, version)}}
    if pod.annotations:
        template_metadata["annotations"] = dict(pod.annotations)
    spec: Object = {
        "serviceAccountName": pod.serviceAccountName or name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": PRESTOP_SECONDS + installation.drain_seconds + 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(model, version, installation)],
        "volumes": volumes(model),
    }
    return {"metadata": template_metadata, "spec": with_placement(spec, model, version)}


def _container(model: MLModel, version: Version, installation: Installation) -> Object:
    return {
        "name": "predictor",
        "image": model.spec.serving.image or installation.image,
        "imagePullPolicy": installation.pull_policy,
        "command": ["python", "-m", "modelloop_predictor"],
        "env": environment(model, version, installation),
        "ports": _container_ports(model),
        "resources": _resources(model),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A model may take minutes to fetch: liveness begins when start-up is over, start-up waits ten minutes.
        "startupProbe": _probe("/healthz", period=2, failures=300),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRESTOP_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volume_mounts(model),
    }


def _service_ports(model: MLModel) -> list[Object]:
    ports: list[Object] = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}]
    if model.spec.serving.grpc:
        # So that a gateway or mesh speaks HTTP/2 to it.
        h2c = "kubernetes.io/h2c"
        ports.append({"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "protocol": "TCP", "appProtocol": h2c})
    return ports


def _container_ports(model: MLModel) -> list[Object]:
    ports: list[Object] = [
        {"name": "http", "containerPort": PREDICT_PORT, "protocol": "TCP"},
        {"name": "mirror", "containerPort": MIRROR_PORT, "protocol": "TCP"},
    ]
    if model.spec.serving.grpc:
        ports.append({"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"})
    return ports


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _resources(model: MLModel) -> Object:
    resources = model.spec.serving.resources
    limits = dict(resources.limits)
    if model.spec.serving.device == "cuda":
        limits.setdefault("nvidia.com/gpu", "1")
    return {"requests": dict(resources.requests), "limits": limits}
