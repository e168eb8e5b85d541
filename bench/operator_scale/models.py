"""The MLModels of the bench and their registries: published, applied, changed."""

from __future__ import annotations

import concurrent.futures
import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, watch

from bench.operator_scale.stage import BUCKET, KEYS, NAMESPACE, Stage
from modelloop_core.api import REQUEST_ANNOTATION
from modelloop_core.feature_schema import NumericFeature, RegressionOutput, Signature
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Registry, describe
from modelloop_core.storage.open import open_store

STEPS = [{"weight": 5, "hold": "20s"}, {"weight": 50, "hold": "20s"}]
INTERVAL_SECONDS = 5
_KIND = ("modelloop.dev", "v1alpha1", NAMESPACE, "mlmodels")
_MERGE = "application/merge-patch+json"


def publish(stage: Stage, numbers: Iterable[int], version: str) -> None:
    """A version in the registry of each."""
    files: dict[str, bytes | Path] = {"model.onnx": b"not read by the operator", "preprocessing.json": b"{}"}
    signature = Signature(inputs=(NumericFeature(name="x"),), output=RegressionOutput())
    manifest = Manifest(
        version=version, format=ModelFormat.ONNX, signature=signature, files=describe(files), created=datetime.now(UTC)
    )

    def one(number: int) -> None:
        uri = f"s3://{BUCKET}/{_name(number)}"
        store = open_store(uri, endpoint=stage.store, access_key=KEYS[0], secret_key=KEYS[1])
        Registry(store).publish(manifest, files)

    _each(one, numbers, 8)


def apply(stage: Stage, count: int, staged: int) -> None:
    """Make them; the first `staged` go by steps behind a gateway."""
    custom = client.CustomObjectsApi()

    def one(number: int) -> None:
        uri = f"s3://{BUCKET}/{_name(number)}"
        registry = {"uri": uri, "endpoint": stage.store, "secretName": "store"}
        spec: dict[str, Any] = {"registry": registry, "serving": {"replicas": 1}}
        if number < staged:
            analysis = {"interval": f"{INTERVAL_SECONDS}s"}
            spec |= {"rollout": {"steps": STEPS, "analysis": analysis, "keepWarm": "10s"}}
            spec |= {"traffic": {"gateway": {"parentRefs": [{"name": "edge"}]}}}
        meta = {"name": _name(number)}
        body = {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": meta, "spec": spec}
        custom.create_namespaced_custom_object(*_KIND, body)

    _each(one, range(count), 4)


def refresh(numbers: Iterable[int], identity: str) -> None:
    """Have the operator read each registry now."""
    custom = client.CustomObjectsApi()
    asked = {"metadata": {"annotations": {REQUEST_ANNOTATION: json.dumps({"id": identity, "verb": "refresh"})}}}

    def one(number: int) -> None:
        custom.patch_namespaced_custom_object(*_KIND, _name(number), asked, _content_type=_MERGE)

    _each(one, numbers, 4)


def seconds_to_write(numbers: Iterable[int]) -> list[float]:
    """Seconds from the answer to a change of each MLModel to the watch event of the write that follows from it."""
    custom, apps, found = client.CustomObjectsApi(), client.AppsV1Api(), []
    for number in numbers:
        mine = f"metadata.name={_name(number)}-v1-0-0"
        # The list's revision and not the object's: one that was not written for long may be compacted away.
        before = apps.list_namespaced_deployment(NAMESPACE, field_selector=mine).metadata.resource_version
        body = {"spec": {"serving": {"pod": {"annotations": {"bench": str(number)}}}}}
        custom.patch_namespaced_custom_object(*_KIND, _name(number), body, _content_type=_MERGE)
        started = time.monotonic()
        stream = watch.Watch()
        for _ in stream.stream(
            apps.list_namespaced_deployment, NAMESPACE, field_selector=mine,
            resource_version=before, timeout_seconds=20,
        ):  # fmt: skip
            found.append(time.monotonic() - started)
            stream.stop()
    return found


def _name(number: int) -> str:
    return f"m{number:04d}"


def _each(one: Callable[[int], None], numbers: Iterable[int], at_a_time: int) -> None:
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(one, numbers))
