"""Names and labels of an MLModel's children; nothing else spells them."""

from __future__ import annotations

import hashlib
from typing import Any

from modelloop_core.api import GROUP, KIND, VERSION, MLModel
from modelloop_core.versions import Version

MANAGER = "modelloop"
MODEL_LABEL = f"{GROUP}/model"
VERSION_LABEL = f"{GROUP}/version"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"

Object = dict[str, Any]
_NAME_LENGTH = 63


def versioned_name(model: str, version: Version) -> str:
    """Name of a version's Deployment, Service and so on: at most 63 characters, one per version."""
    plain = f"{model}-v{version.major}-{version.minor}-{version.patch}"
    if version.prerelease is None and len(plain) <= _NAME_LENGTH:
        return plain
    # Pre-releases may hold dots and capitals, numbers may be long: a digest keeps names valid and distinct.
    digest = hashlib.sha256(str(version).encode()).hexdigest()[:8]
    return f"{plain[: _NAME_LENGTH - 9].rstrip('-')}-{digest}"


def mirror_name(model: str, version: Version) -> str:
    """Name of the Service by which copies of requests come to a version."""
    name = f"{versioned_name(model, version)}-mirror"
    if len(name) <= _NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH - 9].rstrip('-')}-{digest}"


def run_name(model: str, kind: str, digest: str) -> str:
    """Name of a run: of its Job, and of its outcome in a registry that other clusters may share."""
    return f"{model}-{kind}-{digest[:12]}"


def selector(model: str, version: Version) -> dict[str, str]:
    """Labels that pick exactly the pods of one version."""
    return {MODEL_LABEL: model, VERSION_LABEL: str(version)}


def labels(model: str, version: Version | None = None) -> dict[str, str]:
    """Labels of a child: the recommended ones and, for a version's own children, its version."""
    common = {
        "app.kubernetes.io/name": "modelloop-predictor",
        "app.kubernetes.io/instance": model,
        MANAGED_BY_LABEL: MANAGER,
        MODEL_LABEL: model,
    }
    return common if version is None else {**common, VERSION_LABEL: str(version)}


def metadata(model: MLModel, name: str, version: Version | None = None) -> Object:
    """Metadata of a child: owned by the MLModel, so that it goes when the MLModel goes."""
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": model.metadata.name,
        "uid": model.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": model.metadata.namespace,
        "labels": labels(model.metadata.name, version),
        "ownerReferences": [owner],
    }
