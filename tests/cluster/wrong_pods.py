"""Rows of what the API server must refuse of tolerations, affinity, variables and volumes, with field and reason."""

from __future__ import annotations

from typing import Any

import pytest

TOKEN = {"path": "t", "expirationSeconds": 599}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def wrong(path: str, value: Any, field: str, told: str, *, id: str) -> Any:  # noqa: A002 - pytest's own word
    """A row: put `value` at `path`, and expect an error that names `field` and says `told`."""
    return pytest.param(path, value, field, told, id=id)


def wrong_toleration(value: Any, field: str, told: str, *, id: str) -> Any:  # noqa: A002 - pytest's own word
    """A row: one toleration."""
    return wrong("spec.serving.pod.tolerations", [value], f"spec.serving.pod.tolerations[0]{field}", told, id=id)


def wrong_variable(source: Any, field: str, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one variable of this source."""
    at = f"spec.serving.pod.env[0].valueFrom{field}"
    return wrong("spec.serving.pod.env", [{"name": "A", "valueFrom": source}], at, told, id=id)


def wrong_volume(source: Any, field: str, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one volume of this source."""
    volume = {"name": "a", "mountPath": "/a", "source": source}
    return wrong("spec.serving.pod.volumes", [volume], f"spec.serving.pod.volumes[0].source{field}", told, id=id)


def wrong_claim(spec: dict[str, Any], field: str, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one volume by a claim of its own."""
    usual = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    source = {"ephemeral": {"volumeClaimTemplate": {"spec": {**usual, **spec}}}}
    return wrong_volume(source, f".ephemeral.volumeClaimTemplate.spec{field}", told, id=id)


def wrong_node(requirement: Any, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one requirement of nodes."""
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}
    at = f"spec.serving.pod.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0]"
    return wrong("spec.serving.pod.affinity", affinity, at, told, id=id)


def wrong_node_field(field: dict[str, Any], at: str, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one node by name."""
    usual = {"key": "metadata.name", "operator": "In", "values": ["a"]}
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [{**usual, **field}]}]}}}
    return wrong("spec.serving.pod.affinity", affinity, f"nodeSelectorTerms[0].matchFields[0]{at}", told, id=id)


def wrong_pods(term: dict[str, Any], field: str, told: str, *, id: str) -> Any:  # noqa: A002
    """A row: one term of pods to keep away from."""
    affinity = {"podAntiAffinity": {REQUIRED: [{"topologyKey": "zone", **term}]}}
    at = f"spec.serving.pod.affinity.podAntiAffinity.{REQUIRED}[0]{field}"
    return wrong("spec.serving.pod.affinity", affinity, at, told, id=id)


REFUSED_OF_A_POD = [
    wrong_toleration({}, "", "without key, operator must be Exists", id="a toleration of nothing"),
    wrong_toleration({"operator": "Equal"}, "", "without key, operator must be Exists", id="equal to no key"),
    wrong_toleration(
        {"key": "gpu", "operator": "Exists", "value": "h100"}, "", "Exists takes no value", id="a value that exists"
    ),
    *(
        wrong_toleration(
            {"key": "gpu", "tolerationSeconds": 30, **effect},
            "",
            "tolerationSeconds needs effect NoExecute",
            id=f"seconds with {effect}",
        )
        for effect in ({}, {"effect": "NoSchedule"})
    ),
    wrong_toleration(
        {"key": "gpu", "operator": "exists"}, ".operator", 'supported values: "Exists", "Equal"', id="exists in small"
    ),
    wrong_toleration(
        {"key": "gpu", "effect": "NoExec"},
        ".effect",
        'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        id="an effect that is none",
    ),
    wrong_toleration(
        {"key": "gpu", "effect": "NoExecute", "tolerationSeconds": -1},
        ".tolerationSeconds",
        "greater than or equal to 0",
        id="less than no seconds",
    ),
    wrong_toleration({"key": "my gpu"}, ".key", "should match", id="a taint with a blank"),
    wrong_toleration({"key": "gpu", "value": "-"}, ".value", "should match", id="a taint's value of a dash"),
    wrong_toleration({"key": "gpu", "efect": "NoSchedule"}, ".efect", "unknown field", id="a misspelt effect"),
    wrong_variable({"secretRef": {"name": "s"}}, ".secretRef", "unknown field", id="a source that is none"),
    wrong_variable(
        {"secretKeyRef": {"name": "s", "key": "k"}, "configMapKeyRef": {"name": "c", "key": "k"}},
        "",
        "give exactly one of secretKeyRef, configMapKeyRef",
        id="a variable of two sources",
    ),
    wrong_variable({"secretKeyRef": {"name": "s"}}, ".secretKeyRef.key", "Required value", id="a Secret without key"),
    wrong_variable({"secretKeyRef": {"key": "k"}}, ".secretKeyRef.name", "Required value", id="a Secret without name"),
    wrong_variable(
        {"configMapKeyRef": {"name": "C", "key": "k"}}, ".configMapKeyRef.name", "should match", id="a map in capitals"
    ),
    *(
        wrong_variable(
            {"configMapKeyRef": {"name": "c", "key": key}}, ".configMapKeyRef.key", "should match", id=f"a key {key}"
        )
        for key in ("a/b", ".", "..a")
    ),
    *(
        wrong_variable(
            {"fieldRef": {"fieldPath": path}}, ".fieldRef.fieldPath", "a variable can hold metadata.name", id=path
        )
        for path in ("metadata.labels", "spec.hostname", "metadata.labels[a]", "status.phase")
    ),
    wrong_variable(
        {"fieldRef": {"fieldPath": "metadata.labels['a b']"}},
        ".fieldRef.fieldPath",
        "should match",
        id="a variable with a label with a blank",
    ),
    wrong_variable(
        {"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}},
        ".fieldRef.apiVersion",
        'supported values: "v1"',
        id="a field of another version",
    ),
    wrong_variable(
        {"resourceFieldRef": {"resource": "limits.gpu"}},
        ".resourceFieldRef.resource",
        "should match",
        id="a resource that pods cannot tell",
    ),
    wrong_variable(
        {"resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}},
        ".resourceFieldRef.containerName",
        'supported values: "predictor"',
        id="a container that pods do not have",
    ),
    *(
        wrong_variable(
            {"resourceFieldRef": {"resource": resource, "divisor": divisor}},
            ".resourceFieldRef",
            "divisor is 1 or 1m for CPU, else 1 or 1 with",
            id=f"{resource} by {divisor}",
        )
        for resource, divisor in (("limits.cpu", "1Mi"), ("limits.memory", "1m"), ("requests.memory", 2))
    ),
    *(
        wrong_variable({kind: {}}, f".{kind}.{field}", "Required value", id=f"{kind} without {field}")
        for kind, field in (
            ("configMapKeyRef", "name"),
            ("configMapKeyRef", "key"),
            ("fieldRef", "fieldPath"),
            ("resourceFieldRef", "resource"),
        )
    ),
    *(
        wrong_volume({kind: {}}, f".{kind}.{field}", "Required value", id=f"{kind} without {field}")
        for kind, field in (
            ("persistentVolumeClaim", "claimName"),
            ("ephemeral", "volumeClaimTemplate"),
            ("projected", "sources"),
        )
    ),
    *(
        wrong_volume(
            {kind: {"path": "/data"}}, f".{kind}", f"Pod Security restricted refuses pods with {told}", id=f"{kind}"
        )
        for kind, told in (("hostPath", "a hostPath: take a persistentVolumeClaim"), ("nfs", "nfs: take a persistent"))
    ),
    wrong_volume({"configmap": {"name": "c"}}, ".configmap", "unknown field", id="a ConfigMap in small"),
    wrong_volume({"configMap": {}}, ".configMap.name", "Required value", id="a ConfigMap without a name"),
    wrong_volume({"secret": {"name": "s"}}, ".secret.name", "unknown field", id="a Secret by name"),
    wrong_volume({"secret": {}}, ".secret.secretName", "Required value", id="a Secret without a name"),
    wrong_volume(
        {"persistentVolumeClaim": {"claim": "d"}},
        ".persistentVolumeClaim.claim",
        "unknown field",
        id="a misspelt claim",
    ),
    *(
        wrong_volume(
            {"configMap": {"name": "c", "items": [{"key": "k", "path": path}]}},
            ".configMap.items[0].path",
            "should match",
            id=f"a file {path}",
        )
        for path in ("/a", "../a", "a/../b", "..a", "a/")
    ),
    wrong_volume(
        {"configMap": {"name": "c", "items": [{"key": "k"}]}},
        ".configMap.items[0].path",
        "Required value",
        id="a file without a path",
    ),
    wrong_volume(
        {"secret": {"secretName": "s", "defaultMode": 644}},
        ".secret.defaultMode",
        "less than or equal to 511",
        id="permissions that were meant in octal",
    ),
    wrong_volume({"emptyDir": {"medium": "RAM"}}, ".emptyDir.medium", 'supported values: "Memory"', id="a medium RAM"),
    wrong_volume(
        {"emptyDir": {"sizeLimit": "1e999999999"}},
        ".emptyDir.sizeLimit",
        "an exponent up to e18",
        id="scratch for ever",
    ),
    wrong_volume({"csi": {}}, ".csi.driver", "Required value", id="no driver"),
    wrong_volume({"csi": {"driver": "-"}}, ".csi.driver", "should match", id="a driver that is a dash"),
    wrong_volume({"csi": {"driver": "a..b"}}, ".csi.driver", "should match", id="a driver of two points"),
    wrong_claim({"accessModes": []}, ".accessModes", "at least 1 items", id="a claim without access"),
    wrong_claim({"accessModes": ["RWX"]}, ".accessModes[0]", "supported values:", id="an access mode in short"),
    wrong_claim(
        {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]},
        "",
        "ReadWriteOncePod goes with no other",
        id="one pod and many",
    ),
    wrong_claim(
        {"resources": {"requests": {"storage": "0Gi"}}}, ".resources", "greater than zero", id="a claim of nothing"
    ),
    wrong_claim(
        {"resources": {"requests": {"storage": "1e999999999"}}},
        ".resources.requests.storage",
        "an exponent up to e18",
        id="a claim without an end",
    ),
    wrong_volume({"projected": {"sources": []}}, ".projected.sources", "at least 1 items", id="nothing projected"),
    wrong_volume(
        {"projected": {"sources": [{}]}},
        ".projected.sources[0]",
        "give exactly one of secret, configMap, downwardAPI, serviceAccountToken",
        id="a projection of nothing",
    ),
    wrong_volume(
        {"projected": {"sources": [{"serviceAccountToken": TOKEN}]}},
        ".projected.sources[0].serviceAccountToken.expirationSeconds",
        "greater than or equal to 600",
        id="a token of under ten minutes",
    ),
    wrong_volume(
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}},
        ".downwardAPI.items[0].fieldRef.fieldPath",
        "a file can hold metadata.name",
        id="a file with the node's name",
    ),
    wrong_volume(
        {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
        ".downwardAPI.items[0]",
        "needs containerName: predictor",
        id="a file with the CPU of no container",
    ),
    wrong_volume(
        {"downwardAPI": {"items": [{"path": "a"}]}},
        ".downwardAPI.items[0]",
        "give exactly one of fieldRef, resourceFieldRef",
        id="a file of nothing",
    ),
    wrong("spec.serving.pod.affinity", {"nodeAfinity": {}}, "nodeAfinity", "unknown field", id="a misspelt affinity"),
    wrong(
        "spec.serving.pod.affinity",
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}},
        f"nodeAffinity.{REQUIRED}.nodeSelectorTerms",
        "at least 1 items",
        id="no kind of node",
    ),
    *(
        wrong_node(
            {"key": "disk", "operator": operator, **values}, "In and NotIn need values", id=f"{operator} {values}"
        )
        for operator in ("In", "NotIn")
        for values in ({}, {"values": []})
    ),
    *(
        wrong_node({"key": "disk", "operator": operator, "values": ["ssd"]}, "take no values", id=f"{operator} a value")
        for operator in ("Exists", "DoesNotExist")
    ),
    *(
        wrong_node({"key": "cores", "operator": "Gt", **values}, "exactly one value, a whole number", id=f"Gt {values}")
        for values in ({}, {"values": ["1", "2"]}, {"values": ["many"]})
    ),
    wrong_node({"key": "disk", "operator": "Equal"}, 'supported values: "In", "NotIn"', id="an operator for taints"),
    wrong_node({"key": "a b", "operator": "Exists"}, "should match", id="a node label with a blank"),
    wrong_node({"key": "a", "operator": "In", "values": ["b c"]}, "should match", id="a node with a blank"),
    wrong(
        "spec.serving.pod.affinity",
        {"nodeAffinity": {PREFERRED: [{"weight": 101, "preference": {}}]}},
        f"nodeAffinity.{PREFERRED}[0].weight",
        "less than or equal to 100",
        id="a weight of 101",
    ),
    wrong(
        "spec.serving.pod.affinity",
        {"podAffinity": {PREFERRED: [{"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}}]}},
        f"podAffinity.{PREFERRED}[0].weight",
        "greater than or equal to 1",
        id="a weight of nothing",
    ),
    wrong_node_field(
        {"key": "spec.name"}, ".key", 'supported values: "metadata.name"', id="a field of nodes that is not selected by"
    ),
    wrong_node_field({"operator": "Exists"}, ".operator", 'supported values: "In", "NotIn"', id="a name that exists"),
    wrong_node_field({"values": []}, ".values", "at least 1 items", id="a node by no name"),
    wrong_node_field({"values": ["a", "b"]}, ".values", "at most 1 item", id="a node by two names"),
    wrong_node({"key": "disk"}, "operator: Required value", id="a node label that is not compared"),
    wrong_node({"operator": "Exists"}, "key: Required value", id="a node by no label"),
    *(
        wrong("spec.serving.pod.affinity", affinity, field, "Required value", id=f"no {field}")
        for affinity, field in (
            ({"nodeAffinity": {REQUIRED: {}}}, f"nodeAffinity.{REQUIRED}.nodeSelectorTerms"),
            ({"nodeAffinity": {PREFERRED: [{"preference": {}}]}}, f"nodeAffinity.{PREFERRED}[0].weight"),
            ({"podAffinity": {REQUIRED: [{}]}}, f"podAffinity.{REQUIRED}[0].topologyKey"),
            ({"podAffinity": {PREFERRED: [{"weight": 1}]}}, f"podAffinity.{PREFERRED}[0].podAffinityTerm"),
        )
    ),
    wrong_pods({"topologyKey": ""}, ".topologyKey", "at least 1 chars", id="pods at no place"),
    wrong_pods({"topologyKey": "a/b/c"}, ".topologyKey", "should match", id="pods at a place of three parts"),
    wrong_pods({"namespaces": ["A"]}, ".namespaces[0]", "should match", id="pods of a namespace in capitals"),
    wrong_pods({"labelSelector": {"app": "a"}}, ".labelSelector.app", "unknown field", id="labels without matchLabels"),
    wrong_pods(
        {"labelSelector": {"matchLabels": {"my app": "a"}}},
        ".labelSelector.matchLabels",
        "a key is a name",
        id="pods by a label with a blank",
    ),
    wrong_pods(
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        ".namespaceSelector.matchExpressions[0]",
        "In and NotIn need values",
        id="namespaces in no values",
    ),
    wrong_pods(
        {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        ".labelSelector.matchExpressions[0]",
        "take no values",
        id="pods with a value that exists",
    ),
    wrong_pods(
        {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}},
        ".labelSelector.matchExpressions[0].operator",
        "supported values:",
        id="pods by a label that is greater",
    ),
    *(
        wrong_pods({keys: ["pod-template-hash"]}, "", "need a labelSelector", id=f"{keys} of no pods")
        for keys in ("matchLabelKeys", "mismatchLabelKeys")
    ),
]
