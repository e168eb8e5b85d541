"""Where traffic goes: the model's Service, and an HTTPRoute or Ingress in front of it."""

from __future__ import annotations

from modelloop_core.api import MLModel
from modelloop_core.api.fields import seconds
from modelloop_core.versions import Version
from modelloop_core.wire.predictions import FORCED_HEADER
from modelloop_operator.decide.observation import Capabilities
from modelloop_operator.naming import Object, metadata, mirror_name, versioned_name
from modelloop_operator.render.predictor import service

_ROUTE_TIMEOUT_MARGIN_SECONDS = 14


def url(model: MLModel, address: str) -> str:
    """Where callers send predictions; `address` is the gateway's own (scheme, host, port), empty when unknown."""
    declared = model.spec.traffic
    if declared.ingress is not None:
        return f"http://{declared.ingress.host}/predict"
    if declared.gateway is None:
        return f"http://{model.metadata.name}.{model.metadata.namespace}.svc/predict"
    return f"{address}{path_prefix(model).rstrip('/')}/predict" if address else ""


def stable_service(model: MLModel, stable: Version) -> Object:
    """The Service under the model's own name: callers inside the cluster always reach the live version."""
    return service(model, model.metadata.name, stable, own=False)


def path_prefix(model: MLModel) -> str:
    """The path a gateway matches and strips."""
    gateway = model.spec.traffic.gateway
    if gateway is None or gateway.path is not None:
        return gateway.path if gateway and gateway.path else "/"
    return "/" if gateway.hostnames else f"/{model.metadata.namespace}/{model.metadata.name}"


def http_route(model: MLModel, weights: dict[Version, int], mirror: tuple[Version, int] | None = None) -> Object | None:
    """The HTTPRoute, owned whole, with exact weights (they add to 100); while two versions are up a header picks one.

    A version of weight 0 gets what asks for it, and `mirror` names who gets copies of how many percent besides.
    """
    gateway = model.spec.traffic.gateway
    if gateway is None:
        return None
    shares = [_backend(model, version, weight) for version, weight in sorted(weights.items()) if weight]
    rules = [_rule(model, shares, mirror=mirror)]
    if len(weights) > 1:
        rules += [_rule(model, [_backend(model, version, 1)], forced=version) for version in sorted(weights)]
    spec: Object = {
        "parentRefs": [_parent(ref.model_dump(exclude_none=True)) for ref in gateway.parentRefs],
        "rules": rules,
    }
    if gateway.hostnames:
        spec["hostnames"] = list(gateway.hostnames)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(model, model.metadata.name),
        "spec": spec,
    }


def retry_policy(model: MLModel, capabilities: Capabilities) -> Object | None:
    """Envoy Gateway's retries: predictions are idempotent, so a killed pod costs no request."""
    if model.spec.traffic.gateway is None or not capabilities.envoy_gateway:
        return None
    triggers = ["connect-failure", "refused-stream", "reset", "unavailable"]
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": metadata(model, model.metadata.name),
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": model.metadata.name}],
            "retry": {
                "numRetries": 3,
                "retryOn": {"triggers": triggers},
                "perRetry": {"backOff": {"baseInterval": "25ms", "maxInterval": "250ms"}},
            },
        },
    }


def ingress(model: MLModel) -> Object | None:
    """An Ingress to the model's Service."""
    declared = model.spec.traffic.ingress
    if declared is None:
        return None
    backend = {"service": {"name": model.metadata.name, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec: Object = {"rules": [{"host": declared.host, "http": {"paths": paths}}]}
    if declared.className:
        spec["ingressClassName"] = declared.className
    described = metadata(model, model.metadata.name)
    if declared.annotations:
        described["annotations"] = dict(declared.annotations)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": described, "spec": spec}


def _rule(
    model: MLModel,
    backends: list[Object],
    forced: Version | None = None,
    mirror: tuple[Version, int] | None = None,
) -> Object:
    prefix = path_prefix(model)
    match: Object = {"path": {"type": "PathPrefix", "value": prefix}}
    if forced is not None:
        # One value: a rule that rewrites the path may have one match alone.
        match["headers"] = [{"type": "Exact", "name": FORCED_HEADER, "value": str(forced)}]
    rule: Object = {
        "matches": [match],
        "backendRefs": backends,
        "timeouts": {"request": f"{_route_timeout(model)}s"},
    }
    filters = [*([] if prefix == "/" else [_rewrite()]), *([] if mirror is None else [_copies(model, *mirror)])]
    return {**rule, "filters": filters} if filters else rule


def _rewrite() -> Object:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    return {"type": "URLRewrite", "urlRewrite": {"path": path}}


def _copies(model: MLModel, version: Version, percent: int) -> Object:
    target = {"group": "", "kind": "Service", "name": mirror_name(model.metadata.name, version), "port": 80}
    # All of them without a percentage, which not every gateway knows.
    share = {"percent": percent} if percent < 100 else {}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": target, **share}}


def _backend(model: MLModel, version: Version, weight: int) -> Object:
    return {
        "group": "",
        "kind": "Service",
        "name": versioned_name(model.metadata.name, version),
        "port": 80,
        "weight": weight,
    }


def _parent(ref: dict[str, str]) -> Object:
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", **ref}


def _route_timeout(model: MLModel) -> int:
    # The gateway must outlast the predictor's deadline and its own retries, else its 504 comes first, without a reason.
    return int(seconds(model.spec.serving.timeout)) + _ROUTE_TIMEOUT_MARGIN_SECONDS
