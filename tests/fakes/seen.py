"""Observations for decision tables: a healthy MLModel, of which a row says only what is different."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from modelloop_core.api import MLModel, MLModelStatus
from modelloop_core.api.status import FailedVersion, HandledRequest, HistoryEntry, VersionStatus
from modelloop_core.feature_schema import Task
from modelloop_core.versions import Version
from modelloop_operator.decide.observation import (
    Capabilities,
    Catalog,
    CatalogUnknown,
    Observation,
    Pods,
    Policy,
    Release,
    Route,
    Trouble,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(drain=timedelta(seconds=30), recheck=timedelta(seconds=5), idle=timedelta(minutes=5))
REGISTRY = {"uri": "s3://models/churn"}
WITH_GATEWAY = Capabilities(gateway_api=True)
GATEWAY = {"gateway": {"parentRefs": [{"name": "edge"}]}}
OUT_OF_REACH = CatalogUnknown("StoreUnavailable", "cannot read s3://models/churn: no answer")
BROKEN_FOR_EVER = Trouble("ChecksumMismatch", "'model.onnx' is damaged", permanent=True)


def stamp(seconds: float = 0.0) -> str:
    """The time `seconds` after NOW, as status writes it."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def a_spec(**fields: Any) -> dict[str, Any]:
    """A spec with a registry and these fields; `replicas` and the like go below `serving`."""
    return {"registry": dict(REGISTRY), **fields}


def a_model(
    name: str = "churn",
    *,
    spec: Mapping[str, Any] | None = None,
    status: MLModelStatus | None = None,
    uid: str = "uid-1",
    generation: int = 1,
    annotations: Mapping[str, str] | None = None,
) -> MLModel:
    """An MLModel in namespace `shop`."""
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": uid,
        "generation": generation,
        "resourceVersion": "1",
        "annotations": dict(annotations or {}),
    }
    model = MLModel.parse({"metadata": metadata, "spec": a_spec(**(spec or {}))})
    return model.model_copy(update={"status": status or MLModelStatus()})


def a_status(
    stable: str | None = None,
    candidate: str | None = None,
    *,
    warm: Mapping[str, float | None] | None = None,
    failed: Iterable[str] = (),
    pin: str | None = None,
    why: str = "ChecksumMismatch",
    handled: str | None = None,
    history: Iterable[str] = (),
) -> MLModelStatus:
    """What was committed before; `warm` maps versions to the seconds after NOW when their pods may leave, if known."""
    return MLModelStatus(
        stable=VersionStatus(version=stable, requestedWeight=100, since=stamp(-600)) if stable else None,
        candidate=VersionStatus(version=candidate, since=stamp(-60)) if candidate else None,
        warm=[
            VersionStatus(version=version, since=stamp(-10), warmUntil=None if until is None else stamp(until))
            for version, until in (warm or {}).items()
        ],
        failedVersions=[
            FailedVersion(version=version, reason=why, message="damaged", at=stamp(-300), pin=pin) for version in failed
        ],
        handledRequest=HandledRequest(id=handled, verb="refresh", outcome="Done") if handled else None,
        history=[HistoryEntry(version=version, from_=stamp(-600), reason="FirstVersion") for version in history],
    )


def a_catalog(*versions: str, broken: Mapping[str, str] | None = None, task: Task = Task.BINARY) -> Catalog:
    """A registry that holds these versions."""
    parsed = [Version.parse(text) for text in versions]
    return Catalog(
        {version: Release(version, task) for version in parsed},
        {Version.parse(text): why for text, why in (broken or {}).items()},
    )


def ready(count: int = 2, **changes: Any) -> Pods:
    """Pods that all serve."""
    return replace(Pods(desired=count, ready=count, settled=True, reachable=count), **changes)


def starting(up: int = 0, of: int = 2, **changes: Any) -> Pods:
    """Pods of which only `up` are ready."""
    return replace(Pods(desired=of, ready=up, settled=False, reachable=0), **changes)


def routed(version: str, *, confirmed: bool = True, accepted: bool = True) -> Route:
    """All traffic to one version."""
    problem = "" if confirmed else "gateway 'edge' has not taken up the newest route yet"
    return Route({Version.parse(version): 100}, confirmed=confirmed, problem=problem, accepted=accepted)


def observed(
    status: MLModelStatus | None = None,
    *,
    spec: Mapping[str, Any] | None = None,
    versions: Iterable[str] = ("1.0.0",),
    pods: Mapping[str, Pods] | None = None,
    generation: int = 1,
    **rest: Any,
) -> Observation:
    """One observation; `versions` are in the registry unless `catalog` is given."""
    return Observation(
        model=a_model(spec=spec, status=status, generation=generation),
        catalog=rest.pop("catalog", None) or a_catalog(*versions),
        pods={Version.parse(text): found for text, found in (pods or {}).items()},
        **rest,
    )
