"""Specs that together set every field of serving and traffic, for golden files and for the API server."""

from __future__ import annotations

from typing import Any

EDGE = {"parentRefs": [{"name": "edge"}]}
POD: dict[str, Any] = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}}
            ]
        }
    },
    "env": [
        {"name": "PLAIN", "value": "1"},
        {"name": "EMPTY", "value": ""},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ABOUT", "valueFrom": {"configMapKeyRef": {"name": "about", "key": "text", "optional": True}}},
    ],
    "volumes": [
        {
            "name": "scratch",
            "mountPath": "/scratch",
            "readOnly": False,
            "source": {"emptyDir": {"sizeLimit": "1024Mi"}},
        },
        {"name": "lists", "mountPath": "/lists", "source": {"configMap": {"name": "lists"}}},
        {
            "name": "labels",
            "mountPath": "/labels",
            "source": {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        },
    ],
    "labels": {"team": "growth"},
    "annotations": {"example.org/note": "yes"},
    "imagePullSecrets": ["pull"],
    "serviceAccountName": "own",
    "priorityClassName": "high",
}
FULL_REGISTRY = {
    "uri": "s3://models/churn",
    "endpoint": "https://store.example:9000",
    "region": "eu-central-1",
    "secretName": "store",
    "caSecretName": "store-ca",
}

SPECS: dict[str, dict[str, Any]] = {
    "nothing-but-a-registry": {},
    "a-store-of-ones-own": {"registry": FULL_REGISTRY},
    "replicas-image-device-timeout": {
        "task": "binary",
        "serving": {
            "replicas": 3,
            "image": "registry.example/predictor:7",
            "device": "cuda",
            "timeout": "2500ms",
            "entityKey": "customer",
            "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "2Gi"}},
        },
    },
    "autoscaling": {
        "serving": {"autoscaling": {"minReplicas": 2, "maxReplicas": 6, "targetCPUUtilization": 60}},
    },
    "placement-and-additions": {
        "serving": {"pod": POD, "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {}}}
    },
    "gateway-by-path": {"traffic": {"gateway": EDGE}},
    "gateway-by-host": {
        "serving": {"timeout": "5s"},
        "traffic": {
            "gateway": {
                "parentRefs": [{"name": "edge", "namespace": "infra", "sectionName": "https"}],
                "hostnames": ["churn.example", "*.models.example"],
            }
        },
    },
    "gateway-by-own-path": {"traffic": {"gateway": {**EDGE, "path": "/v1/churn"}}},
    "ingress": {
        "traffic": {"ingress": {"host": "churn.example", "className": "nginx", "annotations": {"example.org/a": "b"}}}
    },
}
"""By the name of the golden file."""
