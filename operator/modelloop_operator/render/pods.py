"""Where a predictor pod runs and what is mounted into it."""

from __future__ import annotations

from typing import Any

from modelloop_core.api import MLModel
from modelloop_core.api.fields import APIObject
from modelloop_core.versions import Version
from modelloop_operator.naming import Object, selector

CACHE_FOLDER = "/var/cache/modelloop"
CA_FOLDER = "/etc/modelloop/ca"


def with_placement(pod_spec: Object, model: MLModel, version: Version) -> Object:
    """The pod spec with node selection, tolerations, affinity and spread as the MLModel declares them."""
    pod = model.spec.serving.pod
    optional: dict[str, Any] = {
        "nodeSelector": dict(pod.nodeSelector),
        "tolerations": [_as_declared(toleration) for toleration in pod.tolerations],
        "affinity": _as_declared(pod.affinity) if pod.affinity else None,
        "imagePullSecrets": [{"name": name} for name in pod.imagePullSecrets],
        "priorityClassName": pod.priorityClassName,
    }
    placed = {**pod_spec, **{key: value for key, value in optional.items() if value}}
    if pod.affinity is None:
        placed["topologySpreadConstraints"] = _spread(model, version)
    return placed


def volumes(model: MLModel) -> list[Object]:
    """Scratch and model cache, the store's CA when named, and the MLModel's own volumes."""
    own: list[Object] = [{"name": "tmp", "emptyDir": {}}, {"name": "model-cache", "emptyDir": {}}]
    if model.spec.registry.caSecretName:
        source = {"secretName": model.spec.registry.caSecretName, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        own.append({"name": "registry-ca", "secret": source})
    added = model.spec.serving.pod.volumes
    return own + [{"name": f"user-{volume.name}", **_as_declared(volume.source)} for volume in added]


def volume_mounts(model: MLModel) -> list[Object]:
    """Mounts that belong to `volumes`."""
    own: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own scratch volume
        {"name": "model-cache", "mountPath": CACHE_FOLDER},
    ]
    if model.spec.registry.caSecretName:
        own.append({"name": "registry-ca", "mountPath": CA_FOLDER, "readOnly": True})
    added = [
        {
            "name": f"user-{volume.name}",
            "mountPath": volume.mountPath,
            **({"readOnly": True} if volume.readOnly else {}),
        }
        for volume in model.spec.serving.pod.volumes
    ]
    return own + added


def _as_declared(part: APIObject) -> Object:
    """What the MLModel says, and nothing else: what it leaves out the API server fills in as for any pod."""
    return part.model_dump(exclude_none=True)


def _spread(model: MLModel, version: Version) -> list[Object]:
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(model.metadata.name, version)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
