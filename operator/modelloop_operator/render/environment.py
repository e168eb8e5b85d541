"""The variables of a predictor pod: what core's PredictorEnvironment says of the spec, and what comes from Secrets."""

from __future__ import annotations

from modelloop_core.api import MLModel
from modelloop_core.api.fields import seconds
from modelloop_core.capture import Capture
from modelloop_core.versions import Version
from modelloop_core.wire.environment import (
    GRPC_PORT,
    MIRROR_PORT,
    MONITOR_TOKEN,
    PREFIX,
    REDIS_PASSWORD,
    REDIS_USERNAME,
    PredictorEnvironment,
)
from modelloop_operator.naming import Object
from modelloop_operator.render.installation import Installation
from modelloop_operator.render.pods import CA_FOLDER


def environment(model: MLModel, version: Version, installation: Installation) -> list[Object]:
    """All variables: the predictor's settings, what comes from elsewhere, then the MLModel's own."""
    registry, serving = model.spec.registry, model.spec.serving
    settings = PredictorEnvironment(
        registry_uri=registry.uri,
        registry_endpoint=registry.endpoint,
        registry_region=registry.region,
        registry_ca_file=f"{CA_FOLDER}/ca.crt" if registry.caSecretName else None,
        model_version=str(version),
        model_namespace=model.metadata.namespace,
        model_name=model.metadata.name,
        task=model.spec.task.value if model.spec.task else None,
        device=serving.device,
        timeout_seconds=seconds(serving.timeout),
        entity_key=serving.entityKey,
        grpc_port=GRPC_PORT if serving.grpc else None,
        # In every pod: whether a version gets copies must not change its pods.
        mirror_port=MIRROR_PORT,
        fallback=serving.fallback,
        cache_max_entries=serving.cache.maxEntries,
        cache_ttl_seconds=seconds(serving.cache.ttl),
        cache_redis_url=serving.cache.redisURL,
        max_queue=serving.maxQueue,
        batch_max_size=serving.batching.maxBatchSize,
        batch_max_delay_seconds=seconds(serving.batching.maxDelay),
        drain_seconds=float(installation.drain_seconds),
        monitor_url=installation.monitor_url,
        capture=_capture(model, installation),
    )
    declared = [{"name": name, "value": value} for name, value in sorted(settings.to_environ().items())]
    added = [entry.model_dump(exclude_none=True) for entry in serving.pod.env]
    from_elsewhere = [
        *_credentials(registry.secretName),
        *_redis_credentials(serving.cache.redisSecretName),
        *_watched(model, installation),
    ]
    return [*declared, *from_elsewhere, *added]


def _capture(model: MLModel, installation: Installation) -> Capture | None:
    """What is logged: as the spec says, and by default where there is a monitor that labels can come to."""
    if model.spec.monitoring is None and installation.monitor_url is None:
        return None
    said = model.spec.watched.capture
    return Capture(
        predictions=said.predictions,
        features=said.features,
        exclude=tuple(said.exclude),
        max_rows_per_second=said.maxRowsPerSecond,
    )


def _watched(model: MLModel, installation: Installation) -> list[Object]:
    """The pod's own name, by which it posts and logs, and what it shows to the monitor."""
    if _capture(model, installation) is None:
        return []
    # With its apiVersion, which the API server would fill in: then what is applied is what is answered.
    itself: Object = {"apiVersion": "v1", "fieldPath": "metadata.name"}
    named: Object = {"name": f"{PREFIX}POD_NAME", "valueFrom": {"fieldRef": itself}}
    if installation.monitor_url is None or installation.monitor_secret is None:
        return [named]
    return [named, _from_secret(MONITOR_TOKEN, installation.monitor_secret, "token", optional=True)]


def _credentials(secret: str | None) -> list[Object]:
    if secret is None:
        return []
    keys = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True}
    return [_from_secret(key, secret, key, optional=optional) for key, optional in keys.items()]


def _redis_credentials(secret: str | None) -> list[Object]:
    if secret is None:
        return []
    return [
        _from_secret(REDIS_PASSWORD, secret, "password", optional=False),
        _from_secret(REDIS_USERNAME, secret, "username", optional=True),
    ]


def _from_secret(name: str, secret: str, key: str, *, optional: bool) -> Object:
    reference: Object = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
