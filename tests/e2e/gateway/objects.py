"""The objects of the test, as the operator will render them: Deployments, Services, one route, one policy."""

from pathlib import Path
from typing import Any

from support.killed_runs import run_label

IMAGE = "localhost/modelloop/control:dev"
PROGRAM = Path(__file__).with_name("constant_answer.py")
# The values that decision record 0002 argues for.
RETRY = {
    "numRetries": 3,
    "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset"]},
    "perRetry": {"backOff": {"baseInterval": "25ms", "maxInterval": "250ms"}},
}


def namespace(name: str) -> dict[str, Any]:
    """Under Pod Security restricted, like every namespace that serves models."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", **run_label()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def program(where: str) -> dict[str, Any]:
    """The constant answer's source."""
    return {**_head("v1", "ConfigMap", where, "program"), "data": {"main.py": PROGRAM.read_text()}}


def deployment(where: str, version: str, replicas: int) -> dict[str, Any]:
    """Pods that answer with their version."""
    labels = {"app": version}
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    template = {"metadata": {"labels": labels}, "spec": _pod(version)}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "strategy": strategy, "template": template}
    return {**_head("apps/v1", "Deployment", where, version), "spec": spec}


def service(where: str, version: str) -> dict[str, Any]:
    """One Service per version; weights are the route's business."""
    spec = {"selector": {"app": version}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}
    return {**_head("v1", "Service", where, version), "spec": spec}


def route(where: str, weights: dict[str, int], mirror: tuple[str, int] | None = None) -> dict[str, Any]:
    """The whole route in one write: all backends with their weights, and the mirror if there is one."""
    rule: dict[str, Any] = {
        "backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    }
    if mirror:
        target = {"backendRef": {"name": mirror[0], "port": 80}, "percent": mirror[1]}
        rule["filters"] = [{"type": "RequestMirror", "requestMirror": target}]
    parents = [{"name": "modelloop", "namespace": "modelloop-gateway"}]
    spec = {"parentRefs": parents, "hostnames": [hostname(where)], "rules": [rule]}
    return {**_head("gateway.networking.k8s.io/v1", "HTTPRoute", where, "model"), "spec": spec}


def retry_policy(where: str) -> dict[str, Any]:
    """What makes a killed pod cost no request."""
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "model"}
    spec = {"targetRefs": [target], "retry": RETRY}
    return {**_head("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", where, "model"), "spec": spec}


def hostname(where: str) -> str:
    """Routes of parallel runs are told apart by host."""
    return f"{where}.example.test"


def _head(api_version: str, kind: str, where: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": where}}


def _pod(version: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/readyz", "port": 8000}, "periodSeconds": 1}
    container = {
        "name": "answer",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/program/main.py"],
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": probe,
        # Longer than the news of the pod's end takes to reach the gateway.
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "program", "mountPath": "/program"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        # So that the server is not process 1 and can be killed from inside, in any cluster.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": 20,
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": "program"}}, {"name": "tmp", "emptyDir": {}}],
    }
