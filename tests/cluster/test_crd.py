"""The MLModel resource as a person meets it: what is refused and how, what is filled in, what kubectl shows."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from cluster.control_plane import ROOT, Answer, ControlPlane
from cluster.wrong_monitoring import REFUSED_OF_MONITORING
from cluster.wrong_pods import REFUSED_OF_A_POD, wrong
from cluster.wrong_rollouts import REFUSED_OF_ROLLOUTS
from fakes.every_field import FULL_POD

MINIMAL: dict[str, Any] = {
    "apiVersion": "modelloop.dev/v1alpha1",
    "kind": "MLModel",
    "metadata": {"name": "churn", "namespace": "default"},
    "spec": {"registry": {"uri": "s3://models/churn"}},
}
EDGE = {"parentRefs": [{"name": "edge"}]}
EDGE_LISTENER = {"name": "edge", "sectionName": "https"}
SCRATCH = {"name": "a", "source": {"emptyDir": {}}}
RULE = {"feature": "age", "op": "gt", "value": 30, "prediction": 0.9}
MANY = {f"k{number}": "v" for number in range(33)}


REFUSED = [
    wrong("metadata.name", "a" * 41, "", "at most 40 characters", id="a name of 41 characters"),
    wrong("metadata.name", "1st", "", "must begin with a letter", id="a name that begins with a digit"),
    wrong("metadata.name", "a.b", "", "only lower-case letters, digits and '-'", id="a name with a dot"),
    wrong("spec", None, "spec", "Required value", id="no spec"),
    wrong("spec.registry", None, "spec.registry", "Required value", id="no registry"),
    wrong("spec.registry.uri", None, "spec.registry.uri", "Required value", id="no address"),
    wrong("spec.registry.uri", "/data/models", "spec.registry.uri", "should match", id="a folder as registry"),
    wrong("spec.registry.uri", "s3://A/b", "spec.registry.uri", "should match", id="a bucket in capitals"),
    wrong(
        "spec.registry.uri", "s3://a/" + "b" * 600, "spec.registry.uri", "may not be more than 512", id="a long address"
    ),
    wrong("spec.registry.endpoint", "minio:9000", "spec.registry.endpoint", "should match", id="no http"),
    wrong("spec.registry.uri", "s3://models/../x", "spec.registry.uri", "should match", id="an address that goes up"),
    wrong(
        "spec.registry.endpoint",
        "http://minio:99999",
        "spec.registry.endpoint",
        "from 1 to 65535",
        id="a port that is none",
    ),
    wrong("spec.registry.endpoint", "http://-", "spec.registry.endpoint", "should match", id="a host that is none"),
    wrong("spec.registry.region", "eu-", "spec.registry.region", "should match", id="a region that ends in a dash"),
    wrong("spec.registry.region", "EU", "spec.registry.region", "should match", id="a region in capitals"),
    wrong("spec.registry.secretName", "", "spec.registry.secretName", "at least 1 chars", id="an empty Secret name"),
    wrong("spec.registry.caSecretName", "ca", "spec.registry", "needs an https:// endpoint", id="a CA without https"),
    wrong("spec.version", "latest", "spec.version", "a version ('1.2.3') or a range", id="a version that is a word"),
    wrong("spec.version", "", "spec.version", "at least 1 chars", id="an empty version"),
    wrong("spec.version", "^1.2.3.4", "spec.version", "or a range", id="a version of four numbers"),
    *(
        wrong("spec.version", text, "spec.version", "a version ('1.2.3') or a range", id=f"a version {text}")
        for text in ("01.2.3", "1.x.3", "^1.0.0-rc.1", "1.2.3 ^1", ">=1<2", "1.0.0-rc-", "1.0.0-a..b", "1.0.0-01")
    ),
    wrong("spec.task", "clustering", "spec.task", 'supported values: "binary", "multiclass", "regression"', id="task"),
    wrong("spec.serving.replicas", 0, "spec.serving.replicas", "greater than or equal to 1", id="no replicas"),
    wrong("spec.serving.replicas", 1001, "spec.serving.replicas", "less than or equal to 1000", id="1001 replicas"),
    wrong("spec.serving.replicas", 1.5, "spec.serving.replicas", "must be of type integer", id="1.5 replicas"),
    wrong("spec.serving.replicas", "two", "spec.serving.replicas", "must be of type integer", id="two in words"),
    wrong(
        "spec.serving",
        {"replicas": 2, "autoscaling": {"maxReplicas": 3}},
        "spec.serving",
        "give replicas or autoscaling, not both",
        id="replicas and autoscaling",
    ),
    wrong(
        "spec.serving.autoscaling",
        {"minReplicas": 4, "maxReplicas": 3},
        "spec.serving.autoscaling",
        "minReplicas must not be greater than maxReplicas",
        id="a minimum above the maximum",
    ),
    wrong(
        "spec.serving.autoscaling",
        {"minReplicas": 1},
        "spec.serving.autoscaling.maxReplicas",
        "Required",
        id="no most",
    ),
    wrong(
        "spec.serving.autoscaling",
        {"maxReplicas": 3, "targetCPUUtilization": 101},
        "spec.serving.autoscaling.targetCPUUtilization",
        "less than or equal to 100",
        id="more than all of the CPU",
    ),
    *(
        wrong(
            "spec.serving.resources",
            {"requests": {"cpu": 1}, "limits": {name: "2"}},
            "spec.serving.resources.limits",
            "a resource is cpu, memory, ephemeral-storage, hugepages-SIZE, or has a domain",
            id=f"a resource {name[:24]}",
        )
        for name in ("a-/b", "a..b/c", "a/b-", "a/" + "b" * 64, "requests.nvidia.com/gpu", "hugepages-big")
    ),
    wrong(
        "spec.serving.resources",
        {"limits": {"hugepages-2Mi": "4Mi"}},
        "spec.serving.resources",
        "hugepages need cpu or memory beside them",
        id="hugepages alone",
    ),
    wrong(
        "spec.serving.autoscaling",
        {"maxReplicas": 3, "scaleDownDelay": "90m"},
        "spec.serving.autoscaling.scaleDownDelay",
        "in s, m or h, and at most 1h",
        id="pods that stay longer than an autoscaler lets them",
    ),
    wrong(
        "spec.serving",
        {"autoscaling": {"maxReplicas": 3}, "resources": {"requests": {"memory": "1Gi"}}},
        "spec.serving",
        "autoscaling needs resources.requests.cpu",
        id="autoscaling without a CPU request",
    ),
    wrong(
        "spec.serving.resources.requests",
        {"cpu": "lots"},
        "spec.serving.resources.requests.cpu",
        "should match",
        id="an amount in words",
    ),
    wrong(
        "spec.serving.resources",
        {"requests": {"memory": "4Gi"}, "limits": {"memory": "1024Mi"}},
        "spec.serving.resources",
        "a request must not be greater than the limit of the same resource",
        id="a request above its limit",
    ),
    wrong(
        "spec.serving.resources",
        {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}},
        "spec.serving.resources",
        "a request must not be greater than the limit",
        id="a request above its limit, as a number",
    ),
    wrong(
        "spec.serving.resources",
        {"requests": {"nvidia.com/gpu": 2}},
        "spec.serving.resources",
        "without a limit of the same amount",
        id="GPUs without a limit",
    ),
    wrong(
        "spec.serving.resources.limits",
        {"gpu": 1},
        "spec.serving.resources.limits",
        "has a domain before its name",
        id="a resource that Kubernetes does not know",
    ),
    wrong(
        "spec.serving.resources.requests",
        {"cpu": -1},
        "spec.serving.resources.requests",
        "must not be negative",
        id="a negative amount",
    ),
    wrong(
        # Without the bound the API server is busy with comparing these two until the request times out, and longer.
        "spec.serving.resources",
        {"requests": {"memory": "1Gi"}, "limits": {"memory": "1e999999999"}},
        "spec.serving.resources.limits.memory",
        "an exponent up to e18",
        id="a limit without an end",
    ),
    *(
        wrong(
            "spec.serving.resources",
            {"requests": {name: text}, "limits": {name: text}},
            f"spec.serving.resources.requests.{name}",
            told,
            id=f"an amount without an end, {name} {text}",
        )
        for name, text, told in (
            ("memory", "1e999999999", "an exponent up to e18"),
            ("cpu", "1E-999999999", "an exponent up to e18"),
            ("memory", "1e19", "an exponent up to e18"),
            ("memory", "9" * 19, "at most 18 digits"),
            ("cpu", "." + "1" * 10, "9 more behind a point"),
            ("memory", "9" * 3000, "may not be more than 32"),
        )
    ),
    wrong(
        "spec.serving",
        {"device": "cuda", "resources": {"limits": {"nvidia.com/gpu": "1e999999999"}}},
        "spec.serving.resources.limits.nvidia.com/gpu",
        "an exponent up to e18",
        id="GPUs without an end",
    ),
    wrong(
        "spec.serving.resources.limits",
        {"nvidia.com/gpu": "1.5"},
        "spec.serving.resources.limits",
        "counted in whole numbers",
        id="a GPU and a half",
    ),
    wrong(
        "spec.serving",
        {"autoscaling": {"maxReplicas": 3}, "resources": {"limits": {"memory": "2Gi"}}},
        "spec.serving",
        "autoscaling needs resources.requests.cpu",
        id="autoscaling with a limit alone",
    ),
    wrong(
        "spec.serving",
        {"device": "cuda", "resources": {"limits": {"nvidia.com/gpu": 0}}},
        "spec.serving",
        "device cuda needs a GPU",
        id="cuda without a GPU",
    ),
    wrong(
        "spec.serving",
        {"device": "cuda", "resources": {"limits": {"nvidia.com/gpu": "0k"}}},
        "spec.serving",
        "device cuda needs a GPU",
        id="cuda without a GPU, in thousands",
    ),
    wrong("spec.serving.image", "Predictor:7", "spec.serving.image", "should match", id="an image in capitals"),
    wrong("spec.serving.image", "a/b:", "spec.serving.image", "should match", id="an image with an empty tag"),
    wrong("spec.serving.image", "my image", "spec.serving.image", "should match", id="an image with a blank"),
    wrong("spec.serving.device", "tpu", "spec.serving.device", 'supported values: "cpu", "cuda"', id="a TPU"),
    wrong("spec.serving.timeout", "1 s", "spec.serving.timeout", "should match", id="a duration with a blank"),
    wrong("spec.serving.timeout", "5", "spec.serving.timeout", "should match", id="a duration without a unit"),
    wrong("spec.serving.timeout", "0s", "spec.serving.timeout", "longer than zero", id="no time at all"),
    wrong("spec.serving.timeout", "1h1ms", "spec.serving.timeout", "at most 1h", id="a duration above an hour"),
    wrong("spec.serving.timeout", "1d", "spec.serving.timeout", "at most 1h", id="a day"),
    wrong("spec.serving.timeout", "999999999h", "spec.serving.timeout", "at most 1h", id="114,000 years"),
    wrong("spec.serving.maxQueue", 0, "spec.serving.maxQueue", "greater than or equal to 1", id="no queue"),
    wrong("spec.serving.maxQueue", 100_001, "spec.serving.maxQueue", "less than or equal to 100000", id="a long queue"),
    wrong(
        "spec.serving.batching",
        {"maxBatchSize": 0},
        "spec.serving.batching.maxBatchSize",
        "greater than or equal to 1",
        id="batches of nothing",
    ),
    wrong(
        "spec.serving.batching",
        {"maxBatchSize": 4097},
        "spec.serving.batching.maxBatchSize",
        "less than or equal to 4096",
        id="batches of 4097",
    ),
    *(
        wrong("spec.serving.batching", {"maxDelay": delay}, "spec.serving.batching.maxDelay", told, id=f"delay {delay}")
        for delay, told in (
            ("1001ms", "at most 1s"),
            ("1m", "in ms or s"),
            ("999999999s", "at most 1s"),
            ("5", "should match"),
            ("-1ms", "should match"),
        )
    ),
    wrong(
        "spec.serving",
        {"timeout": "50ms", "batching": {"maxDelay": "50ms"}},
        "spec.serving",
        "batching.maxDelay must be shorter than timeout",
        id="a delay as long as the timeout",
    ),
    wrong(
        "spec.serving.fallback", {}, "spec.serving.fallback", "at least 1 properties", id="a fallback that says nothing"
    ),
    wrong(
        "spec.serving.fallback",
        {"rules": []},
        "spec.serving.fallback.rules",
        "at least 1 items",
        id="a list of no rules",
    ),
    wrong(
        "spec.serving.fallback",
        {"rules": [RULE] * 65},
        "spec.serving.fallback.rules",
        "Too many: 65: must have at most 64 items",
        id="65 rules",
    ),
    *(
        wrong(
            "spec.serving.fallback", {"rules": [RULE | change]}, f"spec.serving.fallback.rules[0].{field}", told, id=id_
        )
        for change, field, told, id_ in (
            ({"op": ">"}, "op", 'supported values: "lt", "le", "gt", "ge", "eq", "ne"', "an operator that is none"),
            ({"value": {"of": 3}}, "value", "must have at most 0 items", "a value that is an object"),
            ({"value": [1, 2]}, "value", "must have at most 0 items", "a value that is a list"),
            ({"prediction": None}, "prediction", "Required value", "a rule without a prediction"),
            ({"prediction": "x" * 257}, "prediction", "may not be more than 256", "a class of 257 letters"),
            ({"feature": ""}, "feature", "at least 1 chars", "a feature without a name"),
        )
    ),
    wrong(
        "spec.serving.fallback",
        {"constant": {"a": 1}},
        "spec.serving.fallback.constant",
        "must have at most 0 items",
        id="a constant object",
    ),
    *(
        wrong("spec.serving.fallback", {"version": "1.0.0", **change}, f"spec.serving.fallback{field}", told, id=id_)
        for change, field, told, id_ in (
            ({"version": "^1"}, ".version", "should match", "a range of fallback versions"),
            ({"version": "1.0.0-01"}, ".version", "should match", "no pre-release of a fallback version"),
            ({"constant": 0.5}, ".version", "alone: without constant and rules", "a fallback version and a constant"),
            ({"rules": [RULE]}, ".version", "alone: without constant and rules", "a fallback version and rules"),
        )
    ),
    *(
        wrong(
            "spec",
            {**MINIMAL["spec"], "version": version, "serving": {"fallback": {"version": "1.0.0"}}},
            "spec",
            "is the version that is served",
            id=f"the served version {version} as its own fallback",
        )
        for version in ("1.0.0", "=1.0.0", "v1.0.0")
    ),
    *(
        wrong("spec.serving.cache", {"maxEntries": 1, **change}, f"spec.serving.cache{field}", told, id=id_)
        for change, field, told, id_ in (
            ({"maxEntries": -1}, ".maxEntries", "greater than or equal to 0", "a negative cache"),
            ({"maxEntries": 1_000_001}, ".maxEntries", "less than or equal to 1000000", "a cache of 1,000,001"),
            ({"ttl": "0s"}, ".ttl", "longer than zero", "a cache that forgets at once"),
            ({"ttl": "25h"}, ".ttl", "at most 24h", "a cache that never forgets"),
            ({"ttl": "1d"}, ".ttl", "in ms, s, m or h", "a cache for a day"),
            ({"redisURL": "http://redis"}, ".redisURL", "should match", "a Redis by HTTP"),
            ({"redisURL": "redis://:secret@redis"}, ".redisURL", "should match", "a password in the open"),
            ({"redisURL": "redis://redis?ssl_cert_reqs=none"}, ".redisURL", "should match", "an option of Redis"),
            ({"redisURL": "redis://redis:99999"}, ".redisURL", "from 1 to 65535", "a Redis at a port that is none"),
            ({"redisURL": "redis://r", "maxEntries": 0}, "", "redisURL needs maxEntries", "a Redis for nothing"),
            ({"redisSecretName": "redis"}, "", "redisSecretName needs redisURL", "a password for nothing"),
        )
    ),
    wrong("spec.serving.entityKey", "user id", "spec.serving.entityKey", "should match", id="a key with a blank"),
    wrong("spec.serving.entityKey", "features", "spec.serving", "entityKey", id="a key of requests"),
    wrong(
        "spec.serving.pod.env",
        [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "spec.serving.pod.env[0]",
        "give value or valueFrom, not both",
        id="a variable with two values",
    ),
    wrong(
        "spec.serving.pod.env",
        [{"name": "MODELLOOP_TASK", "value": "x"}],
        "spec.serving.pod.env[0]",
        "are set by the operator",
        id="a variable of the operator's",
    ),
    wrong(
        "spec.serving.pod.env",
        [{"name": "AWS_REGION", "value": "x"}],
        "spec.serving.pod.env[0]",
        "are set by the operator",
        id="a variable of the store's",
    ),
    wrong(
        "spec.serving.pod.env",
        [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        "spec.serving.pod.env[1]",
        "Duplicate value",
        id="a variable twice",
    ),
    wrong(
        "spec.serving.pod.volumes",
        [{"name": "a", "mountPath": "data", "source": {"emptyDir": {}}}],
        "spec.serving.pod.volumes[0].mountPath",
        "should match",
        id="a relative mount path",
    ),
    wrong(
        "spec.serving.pod.env",
        [{"name": "A", "valueFrom": {}}],
        "spec.serving.pod.env[0].valueFrom",
        "give exactly one of secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef",
        id="a variable from nowhere",
    ),
    *(
        wrong(
            "spec.serving.pod.volumes",
            [{**SCRATCH, "mountPath": path}],
            "spec.serving.pod.volumes[0].mountPath",
            "one that the predictor needs",
            id=f"a volume over {path}",
        )
        for path in (
            "/tmp",
            "/var/cache/modelloop",
            "/var/cache",
            "/etc/modelloop/ca",
            "/opt/modelloop/bin",
            "/usr",
            "/usr/lib/python3",
            "/proc/1",
        )
    ),
    *(
        wrong(
            "spec.serving.pod.volumes",
            [{**SCRATCH, "mountPath": path}],
            "spec.serving.pod.volumes[0].mountPath",
            "should match",
            id=f"a mount path written {path}",
        )
        for path in ("/tmp/", "//tmp", "/./tmp", "/a/../tmp", "/")
    ),
    wrong(
        "spec.serving.pod.volumes",
        [{**SCRATCH, "mountPath": "/a"}, {**SCRATCH, "name": "b", "mountPath": "/a"}],
        "spec.serving.pod.volumes",
        "two volumes have the same mountPath",
        id="two volumes at one place",
    ),
    wrong(
        "spec.serving.pod.volumes",
        [{"name": "a", "mountPath": "/a", "source": {"emptyDir": {}, "secret": {"secretName": "x"}}}],
        "spec.serving.pod.volumes[0].source",
        "give exactly one of configMap, secret, persistentVolumeClaim, emptyDir, ephemeral, csi, projected",
        id="a volume of two sources",
    ),
    wrong(
        "spec.serving.pod.volumes",
        [{"name": "a", "mountPath": "/a", "source": {}}],
        "spec.serving.pod.volumes[0].source",
        "give exactly one of configMap",
        id="a volume without a source",
    ),
    wrong(
        "spec.serving.pod.labels",
        {"modelloop.dev/version": "9"},
        "spec.serving.pod.labels",
        "labels are the operator's",
        id="a label of the operator's",
    ),
    wrong(
        "spec.serving.pod.annotations",
        {"app.kubernetes.io/name": "x"},
        "spec.serving.pod.annotations",
        "annotations are the operator's",
        id="an annotation of the operator's",
    ),
    wrong(
        "spec.serving.pod.labels",
        {"team": "growth & love"},
        "spec.serving.pod.labels.team",
        "should match",
        id="a label value with blanks",
    ),
    wrong(
        "spec.serving.pod.nodeSelector",
        {"disk": "s" * 64},
        "spec.serving.pod.nodeSelector.disk",
        "may not be more than 63",
        id="a label value of 64 characters",
    ),
    *(
        wrong(f"spec.{place}", {**beside, last: {key: "v"}}, f"spec.{place}.{last}", "a key is a name", id=told)
        for place, beside, last, key, told in (
            ("serving.pod", {}, "labels", "my team", "a label with a blank"),
            ("serving.pod", {}, "labels", "t" * 64, "a label of 64 characters"),
            ("serving.pod", {}, "nodeSelector", "a/b/c", "a node label of three parts"),
            ("serving.pod", {}, "annotations", "-a", "an annotation that begins with a dash"),
            ("traffic.ingress", {"host": "a.example"}, "annotations", "A.B/c", "an annotation of a domain in capitals"),
        )
    ),
    wrong("spec.serving.pod.priorityClassName", "a..b", "spec.serving.pod.priorityClassName", "match", id="two dots"),
    wrong("spec.serving.pod.nodeSelector", MANY, "spec.serving.pod.nodeSelector", "at most 32", id="33 node labels"),
    wrong(
        "spec.serving.pod.imagePullSecrets",
        ["a", "a"],
        "spec.serving.pod.imagePullSecrets[1]",
        "Duplicate value",
        id="a pull secret twice",
    ),
    wrong(
        "spec.traffic",
        {"gateway": EDGE, "ingress": {"host": "a.example"}},
        "spec.traffic",
        "give gateway or ingress, not both",
        id="gateway and ingress",
    ),
    wrong("spec.traffic.gateway", {}, "spec.traffic.gateway.parentRefs", "Required value", id="a nameless gateway"),
    wrong(
        "spec.traffic.gateway.parentRefs", [], "spec.traffic.gateway.parentRefs", "at least 1 items", id="no gateways"
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "path": "churn"},
        "spec.traffic.gateway.path",
        "should match",
        id="a path without a slash",
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "path": "/churn/"},
        "spec.traffic.gateway.path",
        "should match",
        id="a path that ends in a slash",
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "hostnames": ["a.example", "a.example"]},
        "spec.traffic.gateway.hostnames[1]",
        "Duplicate value",
        id="a host name twice",
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "path": "/a/../b"},
        "spec.traffic.gateway.path",
        "should match",
        id="a path that goes up",
    ),
    wrong(
        "spec.traffic.gateway",
        {"parentRefs": [{"name": "edge"}, EDGE_LISTENER]},
        "spec.traffic.gateway.parentRefs",
        "a Gateway stands once",
        id="a Gateway and its listener",
    ),
    wrong(
        "spec.traffic.gateway",
        {"parentRefs": [EDGE_LISTENER, EDGE_LISTENER]},
        "spec.traffic.gateway.parentRefs",
        "a Gateway stands once",
        id="a listener twice",
    ),
    wrong(
        "spec.traffic.gateway",
        {"parentRefs": [{"name": "edge", "namespace": "a.b"}]},
        "spec.traffic.gateway.parentRefs[0].namespace",
        "should match",
        id="a namespace with a dot",
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "hostnames": ["a..example"]},
        "spec.traffic.gateway.hostnames[0]",
        "should match",
        id="a host name with two dots",
    ),
    wrong(
        "spec.traffic.gateway",
        {**EDGE, "hostnames": ["10.0.0.1"]},
        "spec.traffic.gateway.hostnames[0]",
        "not an IP address",
        id="an address as host name",
    ),
    wrong("spec.traffic.ingress.host", "10.0.0.1", "spec.traffic.ingress.host", "not an IP address", id="an address"),
    wrong(
        "spec.traffic.ingress.host", "A.example", "spec.traffic.ingress.host", "should match", id="a host in capitals"
    ),
    wrong("spec.traffic.ingress", {}, "spec.traffic.ingress.host", "Required value", id="an ingress without a host"),
    wrong("spec.replica", 2, "spec.replica", "unknown field", id="a misspelt field"),
    wrong("spec.serving.pod.env", [{"nam": "A"}], "nam", "unknown field", id="a misspelt field in a list"),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """MINIMAL with a value put in, or taken out when it is None."""
    body = copy.deepcopy(MINIMAL)
    *parents, last = path.split(".")
    at = body
    for parent in parents:
        at = at.setdefault(parent, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return body


def dry_run(plane: ControlPlane, body: dict[str, Any]) -> Answer:
    """What the API server says to a new MLModel, as strictly as to kubectl, which takes thirty times as long."""
    group, version = body["apiVersion"].split("/")
    try:
        made = plane.objects.create_namespaced_custom_object(
            group, version, body["metadata"]["namespace"], "mlmodels", body, dry_run="All", field_validation="Strict"
        )
    except ApiException as error:
        return Answer(1, "", str(json.loads(error.body)["message"]))
    return Answer(0, json.dumps(made), "")


@pytest.mark.parametrize(
    ("path", "value", "field", "told"), [*REFUSED, *REFUSED_OF_A_POD, *REFUSED_OF_MONITORING, *REFUSED_OF_ROLLOUTS]
)
def test_refused_with_field_and_reason(
    control_plane: ControlPlane, path: str, value: Any, field: str, told: str
) -> None:
    answer = dry_run(control_plane, changed(path, value))
    assert answer.code != 0, "it was accepted"
    assert field in answer.err
    assert told in answer.err


def test_everything_that_a_pod_may_have_is_taken_as_it_is_written(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, changed("spec.serving.pod", FULL_POD))
    assert answer.code == 0, answer.err
    taken = json.loads(answer.out)["spec"]["serving"]["pod"]
    volumes = [{"readOnly": True, **volume} for volume in FULL_POD["volumes"]]
    assert {key: taken[key] for key in FULL_POD} == {**FULL_POD, "volumes": volumes}


def test_nothing_but_the_registry_is_needed_and_defaults_are_filled_in(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, MINIMAL)
    assert answer.code == 0, answer.err
    spec = json.loads(answer.out)["spec"]
    assert spec["serving"]["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert (spec["serving"]["device"], spec["serving"]["timeout"]) == ("cpu", "1s")
    assert spec["serving"]["entityKey"] == "user_id"
    assert spec["serving"]["batching"] == {"maxBatchSize": 64, "maxDelay": "0ms"}
    assert spec["serving"]["maxQueue"] == 1000
    assert spec["serving"]["cache"] == {"maxEntries": 0, "ttl": "60s"}
    assert spec["traffic"] == {}
    assert not {"version", "task", "monitoring"} & spec.keys()
    assert not {"replicas", "autoscaling"} & spec["serving"].keys()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"requests": {"memory": "4Gi"}}, {"requests": {"memory": "4Gi"}, "limits": {}}),
        ({"limits": {"memory": "256Mi"}}, {"requests": {}, "limits": {"memory": "256Mi"}}),
    ],
    ids=["a large request", "a small limit"],
)
def test_one_part_of_resources_is_not_contradicted_by_a_default_of_the_other(
    control_plane: ControlPlane, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    answer = dry_run(control_plane, changed("spec.serving.resources", given))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spec"]["serving"]["resources"] == kept


@pytest.mark.parametrize("plain", [0.25, 7, True, "north"], ids=["fraction", "whole", "flag", "text"])
def test_a_fallback_takes_whatever_a_signature_could_ask_for(control_plane: ControlPlane, plain: Any) -> None:
    given = {"constant": plain, "rules": [RULE | {"value": plain, "prediction": plain}]}
    answer = dry_run(control_plane, changed("spec.serving.fallback", given))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spec"]["serving"]["fallback"] == given


def test_a_fallback_may_be_another_version(control_plane: ControlPlane) -> None:
    given = {"version": "1.0.0-rc.1"}
    answer = dry_run(control_plane, changed("spec.serving.fallback", given))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spec"]["serving"]["fallback"] == given


def test_autoscaling_gets_its_defaults(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, changed("spec.serving.autoscaling", {"maxReplicas": 9}))
    scaling = json.loads(answer.out)["spec"]["serving"]["autoscaling"]
    assert scaling == {"minReplicas": 2, "maxReplicas": 9, "targetCPUUtilization": 70, "scaleDownDelay": "5m"}


def test_the_scale_subresource_reads_status_and_writes_spec(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(changed("metadata.namespace", namespace))
    patch = json.dumps({"status": {"replicas": 2, "selector": "modelloop.dev/model=churn"}})
    where = ("mlmodel/churn", "-n", namespace)
    control_plane.must("patch", *where, "--subresource=status", "--type=merge", "-p", patch)
    control_plane.must("scale", *where, "--replicas=5")
    scale = json.loads(control_plane.must("get", *where, "--subresource=scale", "-o", "json"))
    assert scale["spec"]["replicas"] == 5
    assert scale["status"] == {"replicas": 2, "selector": "modelloop.dev/model=churn"}
    assert control_plane.get("mlmodel", namespace, "churn")["spec"]["serving"]["replicas"] == 5  # type: ignore[index]


def test_the_columns_tell_what_is_live_and_what_is_tried(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(changed("metadata.namespace", namespace))
    status = {
        "stable": {"version": "1.0.0"},
        "candidate": {"version": "1.1.0", "effectiveWeight": 5},
        "drift": {"level": "moderate", "since": "2026-03-01T12:00:00Z"},
        "phase": "Updating",
        "message": "bringing up 1.1.0",
        "url": "http://a.example/predict",
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Serving", "lastTransitionTime": "2026-03-01T12:00:00Z"}
        ],
    }
    words = ("-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    control_plane.must("patch", "mlmodel/churn", *words)
    head, row = control_plane.must("get", "mdl", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "READY", "STABLE", "CANDIDATE", "WEIGHT", "DRIFT", "PHASE", "AGE"]
    assert row.split()[:7] == ["churn", "True", "1.0.0", "1.1.0", "5", "moderate", "Updating"]
    wide = control_plane.must("get", "modelloop", "-n", namespace, "-o", "wide")
    assert "bringing up 1.1.0" in wide
    assert "http://a.example/predict" in wide


def fields(known: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field that a schema knows."""
    found = []
    for name, part in known.get("properties", {}).items():
        found += [(*path, name), *fields(part.get("items", part), (*path, name))]
    return found


@cache
def schema() -> dict[str, Any]:
    """The schema of an MLModel as `crds/` has it."""
    crd = yaml.safe_load((ROOT / "crds/mlmodels.yaml").read_text())
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def described_fields() -> list[str]:
    roots = {name: part for name, part in schema()["properties"].items() if name in ("spec", "status")}
    return [".".join(path) for path in [("spec",), ("status",), *fields({"properties": roots})]]


def test_kubectl_explains_every_field(control_plane: ControlPlane) -> None:
    told = control_plane.must("explain", "mlmodel", "--recursive")
    assert "registry\t<Object> -required-" in told
    silent = []
    for path in described_fields():
        if path.count(".") <= 1:
            answer = control_plane.must("explain", f"mlmodel.{path}")
            silent += [path] if "<empty>" in answer else []
    assert silent == []


@pytest.mark.parametrize("path", described_fields())
def test_a_field_says_what_it_is(path: str) -> None:
    part = schema()
    for name in path.split("."):
        part = part["properties"][name]
        part = part.get("items", part) if name != path.rpartition(".")[2] else part
    assert part.get("description", "").endswith((".", ")")), f"{path}: {part.get('description')!r}"


def test_a_rollout_gets_its_defaults(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, changed("spec.rollout", {"steps": [{"weight": 5}]}))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spec"]["rollout"] == {
        "strategy": "Canary",
        "steps": [{"weight": 5, "hold": "24h", "approval": False}],
        "analysis": {
            "interval": "1m",
            "minRequests": 200,
            "falseRollbackRate": 0.01,
            "maxErrorRate": 0.01,
            "maxErrorIncrease": 1.25,
            "maxLatencyIncrease": 1.25,
            "maxPredictionPSI": 0.2,
        },
        "progressDeadline": "10m",
        "inconclusiveDeadline": "72h",
        "onInconclusive": "Hold",
        "keepWarm": "24h",
        "paused": False,
    }


def test_steps_of_a_rollout_that_moves_all_at_once_are_refused(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, changed("spec.rollout", {"strategy": "BlueGreen", "steps": [{"weight": 5}]}))
    assert answer.code != 0
    assert "steps are for strategy Canary" in answer.err


def test_monitoring_gets_its_defaults(control_plane: ControlPlane) -> None:
    answer = dry_run(control_plane, changed("spec.monitoring", {}))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spec"]["monitoring"] == {
        "window": "1h",
        "capture": {"predictions": 1, "features": 0.1, "exclude": [], "retention": "30d", "maxRowsPerSecond": 200},
        "drift": {
            "moderate": 0.1,
            "significant": 0.2,
            "minSamples": 500,
            "consecutiveWindows": 3,
            "falseAlarmRate": 0.01,
            "features": [],
        },
        "business": [],
    }
