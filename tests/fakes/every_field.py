"""Specs that together set every field of serving and traffic, for golden files and for the API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modelloop_operator.render.installation import Installation

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
PODS_OF_A_TEAM: dict[str, Any] = {
    "labelSelector": {
        "matchLabels": {"team": "growth"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["gold", ""]},
            {"key": "example.com/old", "operator": "DoesNotExist"},
        ],
    },
    "namespaceSelector": {},
    "namespaces": ["shop"],
    "topologyKey": "topology.kubernetes.io/zone",
    "matchLabelKeys": ["pod-template-hash"],
    "mismatchLabelKeys": ["shift"],
}
NEAR_OR_FAR: dict[str, Any] = {
    "requiredDuringSchedulingIgnoredDuringExecution": [PODS_OF_A_TEAM, {"topologyKey": "kubernetes.io/hostname"}],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": PODS_OF_A_TEAM}],
}
KEY_FILES = [{"key": "a.b_C-1", "path": "below/a.txt", "mode": 0o440}, {"key": "b", "path": ".b"}]
POD_FILES = [
    {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['example.com/a']"}, "mode": 0},
    {
        "path": "memory",
        "resourceFieldRef": {"containerName": "predictor", "resource": "limits.memory", "divisor": "1Mi"},
    },
]
CLAIM = {
    "metadata": {"labels": {"team": "growth"}, "annotations": {"example.com/note": "yes"}},
    "spec": {
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "10Gi"}},
    },
}
SOURCES: dict[str, dict[str, Any]] = {
    "all-of-a-map": {"configMap": {"name": "lists"}},
    "part-of-a-map": {"configMap": {"name": "a.b", "items": KEY_FILES, "optional": True, "defaultMode": 0o777}},
    "all-of-a-secret": {"secret": {"secretName": "s"}},
    "part-of-a-secret": {"secret": {"secretName": "s", "items": KEY_FILES, "optional": False, "defaultMode": 256}},
    "claim": {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
    "scratch": {"emptyDir": {}},
    "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "1.5Gi"}},
    "ephemeral": {"ephemeral": {"volumeClaimTemplate": CLAIM}},
    "driver": {
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": True,
            "fsType": "ext4",
            "volumeAttributes": {"secretProviderClass": "vault"},
            "nodePublishSecretRef": {"name": "vault"},
        }
    },
    "projected": {
        "projected": {
            "sources": [
                {"secret": {"name": "s", "items": [{"key": "a", "path": "s/a"}], "optional": True}},
                {"configMap": {"name": "c", "items": [{"key": "a", "path": "c/a"}], "optional": True}},
                {"downwardAPI": {"items": POD_FILES}},
                {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 600, "path": "token"}},
            ],
            "defaultMode": 0o400,
        }
    },
    "pod": {"downwardAPI": {"items": POD_FILES, "defaultMode": 0o444}},
}
FULL_POD: dict[str, Any] = {
    "tolerations": [
        {"operator": "Exists"},
        {"key": "gpu", "value": "h100"},
        {"key": "example.com/gpu", "operator": "Equal", "value": "", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "disk", "operator": "In", "values": ["ssd", "nvme"]},
                            {"key": "old", "operator": "DoesNotExist"},
                            {"key": "cores", "operator": "Gt", "values": ["15"]},
                        ]
                    },
                    {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["node-1.example"]}]},
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}
            ],
        },
        "podAffinity": NEAR_OR_FAR,
        "podAntiAffinity": NEAR_OR_FAR,
    },
    "env": [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s.x", "key": "key", "optional": False}}},
        {"name": "ABOUT", "valueFrom": {"configMapKeyRef": {"name": "about", "key": ".text", "optional": True}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['example.com/team']"}}},
        {
            "name": "CPU",
            "valueFrom": {
                "resourceFieldRef": {"containerName": "predictor", "resource": "requests.cpu", "divisor": "1m"}
            },
        },
        {"name": "DISK", "valueFrom": {"resourceFieldRef": {"resource": "limits.ephemeral-storage"}}},
    ],
    "volumes": [{"name": name, "mountPath": f"/data/{name}", "source": source} for name, source in SOURCES.items()],
}
FULL_REGISTRY = {
    "uri": "s3://models/churn",
    "endpoint": "https://store.example:9000",
    "region": "eu-central-1",
    "secretName": "store",
    "caSecretName": "store-ca",
}
ALERT_SECRETS = {"hook": {"url": "https://hook.example/a", "key": "sign"}, "pager": {"token": "let-me-in"}}
FULL_MONITORING: dict[str, Any] = {
    "window": "6h",
    "capture": {
        "predictions": 0.5,
        "features": 0.05,
        "exclude": ["income", "user_id"],
        "retention": "7d",
        "maxRowsPerSecond": 50,
    },
    "drift": {
        "moderate": 0.15,
        "significant": 0.3,
        "minSamples": 1000,
        "consecutiveWindows": 2,
        "falseAlarmRate": 0.001,
        "features": [
            {"name": "age", "role": "key", "method": "ks", "significant": 0.25},
            {"name": "region", "role": "ignore"},
        ],
    },
    "quality": {"metric": "auc", "min": 0.7, "labelDelay": "48h"},
    "business": [{"name": "click_through_rate", "kind": "rate"}, {"name": "revenue", "kind": "sum"}],
    "alerts": {
        "severity": "critical",
        "webhook": {"secretName": "hook"},
        "alertmanager": {"url": "http://alertmanager.monitoring:9093", "secretName": "pager"},
    },
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
    "batches-and-bounds": {
        "serving": {"batching": {"maxBatchSize": 256, "maxDelay": "5ms"}, "maxQueue": 200, "grpc": True},
    },
    "cache": {
        "serving": {
            "cache": {
                "maxEntries": 5000,
                "ttl": "5m",
                "redisURL": "rediss://redis.cache:6380/1",
                "redisSecretName": "redis",
            }
        },
    },
    "fallback": {
        "serving": {
            "fallback": {
                "constant": 0.1,
                "rules": [
                    {"feature": "age", "op": "ge", "value": 65, "prediction": 0.9},
                    {"feature": "region", "op": "eq", "value": "north", "prediction": 0},
                    {"feature": "member", "op": "ne", "value": True, "prediction": 0.25},
                ],
            }
        },
    },
    "fallback-version": {"serving": {"fallback": {"version": "1.0.0"}}},
    "autoscaling": {
        "serving": {
            "autoscaling": {"minReplicas": 2, "maxReplicas": 6, "targetCPUUtilization": 60, "scaleDownDelay": "1m30s"}
        },
    },
    "placement-and-additions": {
        "serving": {"pod": POD, "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {}}}
    },
    "every-source-and-affinity": {"serving": {"pod": FULL_POD}},
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
    "monitoring": {"task": "binary", "monitoring": FULL_MONITORING},
    "monitoring-of-errors": {
        "task": "regression",
        "monitoring": {"quality": {"metric": "mae", "max": 12.5}},
    },
    "rollout": {
        "traffic": {"gateway": EDGE},
        "rollout": {
            "strategy": "Canary",
            "steps": [{"weight": 5, "hold": "1h"}, {"weight": 25, "hold": "1d", "approval": True}, {"weight": 50}],
            "analysis": {
                "interval": "30s",
                "minRequests": 500,
                "falseRollbackRate": 0.02,
                "maxErrorRate": 0.005,
                "maxErrorIncrease": 1.5,
                "maxLatencyP95": "250ms",
                "maxLatencyIncrease": 2,
                "maxPredictionPSI": 0.1,
            },
            "progressDeadline": "15m",
            "inconclusiveDeadline": "48h",
            "onInconclusive": "RollBack",
            "keepWarm": "12h",
            "paused": False,
        },
    },
    "rollout-by-worth": {
        "task": "binary",
        "traffic": {"gateway": EDGE},
        "monitoring": {
            "quality": {"metric": "accuracy", "min": 0.8, "labelDelay": "2d"},
            "business": [{"name": "clicks", "kind": "rate", "delay": "30m"}, {"name": "orders", "kind": "sum"}],
        },
        "rollout": {
            "analysis": {
                "maxQualityDrop": 0.02,
                "business": [{"name": "clicks", "maxDrop": 0.05}],
                "onNoReference": "Skip",
            },
        },
    },
    "rollout-ab": {
        "traffic": {"gateway": EDGE},
        "monitoring": {"business": [{"name": "clicks", "kind": "rate"}]},
        "rollout": {
            "strategy": "AB",
            "ab": {
                "split": 20,
                "metric": "clicks",
                "better": "Lower",
                "falsePositiveRate": 0.01,
                "maxDuration": "7d",
                "onUndecided": "Promote",
            },
        },
    },
    "rollout-mirrored": {
        "traffic": {"gateway": EDGE},
        "rollout": {
            "staging": {"replay": 200, "hold": "5m"},
            "steps": [{"mirror": 10, "hold": "1h"}, {"mirror": 100, "hold": "1h"}, {"weight": 5}],
            "analysis": {
                "minAgreement": 0.98,
                "metrics": [
                    {"name": "p99", "promql": 'p99{version="{{version}}"}', "max": 0.5, "dryRun": True},
                    {"name": "orders", "promql": 'rate(orders{v="{{ version }}"}[{{interval}}])', "min": 2},
                ],
            },
        },
    },
    "rollout-all-at-once": {"rollout": {"strategy": "BlueGreen", "keepWarm": "1h"}},
    "ingress": {
        "traffic": {"ingress": {"host": "churn.example", "className": "nginx", "annotations": {"example.org/a": "b"}}}
    },
}
"""By the name of the golden file."""

PLAIN = Installation("localhost/modelloop/runtime:dev")
WITH_MONITOR = replace(PLAIN, monitor_url="http://modelloop-monitor.ml:8080", monitor_secret="monitor-token")


def installation_of(name: str) -> Installation:
    """The installation that a spec is rendered for: with a monitor where it asks for one."""
    return WITH_MONITOR if "monitoring" in SPECS[name] else PLAIN
