"""Jobs of an MLModel: made once, named by their run."""

from __future__ import annotations

from modelloop_core.api import MLModel
from modelloop_core.api.fields import seconds
from modelloop_core.versions import Version
from modelloop_operator.naming import MODEL_LABEL, Object, labels, metadata, versioned_name
from modelloop_operator.render.environment import environment
from modelloop_operator.render.installation import Installation
from modelloop_operator.render.pods import volume_mounts, volumes, with_placement

_RETRIES = 3
_GPU = "nvidia.com/gpu"
# Not the labels of a version's pods: its Service, its budget and its autoscaler would take them for some.
_POD_NAME_LABEL = {"app.kubernetes.io/name": "modelloop-replay"}


def replay(model: MLModel, installation: Installation) -> Object | None:
    """The Job that asks the candidate what the live version was asked, where status names one."""
    status, rollout = model.status, model.spec.rollout
    staging = status.rollout.staging if status.rollout is not None else None
    if staging is None or staging.run is None or status.candidate is None or status.stable is None or rollout is None:
        return None
    version = Version.parse(status.candidate.version)
    name = model.metadata.name
    command = [
        *("python", "-m", "modelloop_predictor.replay"),
        *("--run", staging.run),
        *("--against", status.stable.version),
        *("--target", f"http://{versioned_name(name, version)}.{model.metadata.namespace}.svc"),
        *("--rows", str(rollout.replays)),
    ]
    own = {key: value for key, value in labels(name).items() if key != MODEL_LABEL}
    spec: Object = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": int(seconds(rollout.progressDeadline)),
        "template": {
            "metadata": {"labels": {**model.spec.serving.pod.labels, **own, **_POD_NAME_LABEL}},
            "spec": _pod(model, version, installation, command),
        },
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(model, staging.run, version), "spec": spec}


def _pod(model: MLModel, version: Version, installation: Installation, command: list[str]) -> Object:
    pod = model.spec.serving.pod
    spec: Object = {
        "restartPolicy": "Never",
        "serviceAccountName": pod.serviceAccountName or model.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(model, version, installation, command)],
        "volumes": volumes(model),
    }
    return {
        key: value for key, value in with_placement(spec, model, version).items() if key != "topologySpreadConstraints"
    }


def _container(model: MLModel, version: Version, installation: Installation, command: list[str]) -> Object:
    resources = model.spec.serving.resources
    return {
        "name": "replay",
        "image": model.spec.serving.image or installation.image,
        "imagePullPolicy": installation.pull_policy,
        "command": command,
        "env": environment(model, version, installation),
        # As much as a predictor has, but for what only a model can use.
        "resources": {
            "requests": {name: amount for name, amount in resources.requests.items() if name != _GPU},
            "limits": {name: amount for name, amount in resources.limits.items() if name != _GPU},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volume_mounts(model),
    }
