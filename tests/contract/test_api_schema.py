"""CRD and parser agree: what the API server takes can be read and rendered, and crds/ is what the types say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from cluster.control_plane import ROOT, Answer, ControlPlane
from cluster.right_rollouts import TAKEN_OF_ROLLOUTS
from fakes.every_field import FULL_MONITORING, FULL_POD, POD, SPECS
from fakes.seen import observed
from modelloop_core.api import MLModel, MLModelStatus
from modelloop_core.versions import Version
from modelloop_operator.cluster.commit import to_dict
from modelloop_operator.cluster.observe import InvalidModel, parse
from modelloop_operator.decide.capacity import Replicas
from modelloop_operator.decide.observation import Capabilities
from modelloop_operator.decide.selection import Nothing, wanted_range
from modelloop_operator.render.children import children
from modelloop_operator.render.installation import Installation

Judge = Callable[[dict[str, Any]], Answer]
URI = {"registry": {"uri": "s3://models/churn"}}
EDGE = {"parentRefs": [{"name": "edge"}]}


def spec(**fields: Any) -> dict[str, Any]:
    return {**URI, **fields}


def serving(**fields: Any) -> dict[str, Any]:
    return spec(serving=fields)


def pod(**fields: Any) -> dict[str, Any]:
    return serving(pod=fields)


def monitoring(**fields: Any) -> dict[str, Any]:
    return spec(monitoring=fields)


def ab(**fields: Any) -> dict[str, Any]:
    return spec(rollout={"strategy": "AB", "ab": fields})


TAKEN_BY_BOTH = [
    pytest.param(spec(), id="nothing but a registry"),
    *(
        pytest.param(spec(version=text), id=f"version {text}")
        for text in (
            "1.2.3",
            "v1.2.3",
            "=1.2.3",
            "^1",
            "~1.2",
            "1.2.x",
            "1.x",
            ">=1.0 <2",
            ">= 1, < 2",
            "1.0.0-rc.1",
            "=v1.0.0-rc.1",
            "1",
            "0.x.*",
            ">1.2.3 <=2.x.x",
            "^1, 1.2",
        )
    ),
    pytest.param(spec(registry={"uri": "s3://models"}), id="a bucket without a prefix"),
    pytest.param(
        spec(registry={"uri": "s3://m-1.x/a/b_c/", "endpoint": "https://s3.example:9000", "caSecretName": "ca"}),
        id="a store of one's own",
    ),
    pytest.param(spec(task="regression"), id="a task"),
    pytest.param(serving(replicas=1000), id="the most replicas"),
    pytest.param(serving(autoscaling={"minReplicas": 3, "maxReplicas": 3}), id="a range of one"),
    *(
        pytest.param(serving(autoscaling={"maxReplicas": 3, "scaleDownDelay": text}), id=f"scaled down after {text}")
        for text in ("0s", "1h", "59m60s", "3600s")
    ),
    pytest.param(serving(resources={"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {}}), id="amounts as numbers"),
    pytest.param(serving(resources={"requests": {"cpu": "1e-1"}, "limits": {"nvidia.com/gpu": 1}}), id="an exponent"),
    *(
        pytest.param(serving(resources={"requests": {"memory": text}, "limits": {"memory": text}}), id=f"amount {text}")
        for text in (
            *("500m", "1.5Gi", "2e3", "0.1", "128974848", "1E", "1Ei", "5.", ".5", "100n", "1u", "1e18", "1E-3"),
            *("9" * 18, "0", "0007", 128974848, 10**18 - 1),
        )
    ),
    pytest.param(serving(resources={"limits": {"nvidia.com/gpu": "2e0"}}), id="two GPUs with an exponent"),
    pytest.param(serving(device="cuda"), id="a GPU"),
    pytest.param(serving(timeout="0h59m59s1000ms"), id="a duration of four parts"),
    pytest.param(serving(timeout="1ms"), id="the shortest time"),
    pytest.param(serving(timeout="3600000ms"), id="the longest time"),
    pytest.param(serving(resources={"requests": {"memory": "4Gi"}}), id="requests alone"),
    pytest.param(
        serving(resources={"requests": {"memory": "1Gi"}, "limits": {"hugepages-2Mi": "4Mi", "example.com/A_b.c": 1}}),
        id="hugepages beside memory, and a device",
    ),
    *(
        pytest.param(spec(version=text), id=f"a pin {text}")
        for text in ("1.0.0-rc.1", "v1.0.0-0.a-b.1a", "1.0.0-alpha-2", "=1.0.0-0a")
    ),
    pytest.param(serving(resources={"limits": {"memory": "256Mi"}}), id="limits alone"),
    pytest.param(
        serving(device="cuda", resources={"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": 2}}),
        id="two GPUs",
    ),
    pytest.param(serving(image="localhost:5000/a_b/c-d.e:V1.2"), id="an image by tag"),
    pytest.param(serving(image=f"predictor@sha256:{'0' * 64}"), id="an image by digest"),
    pytest.param(serving(entityKey="_id"), id="an entity key"),
    pytest.param(pod(env=[{"name": "A"}, {"name": "B", "value": ""}]), id="variables without a value"),
    pytest.param(
        pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
        id="from a Secret",
    ),
    pytest.param(
        pod(volumes=[{"name": "a", "mountPath": "/a", "readOnly": False, "source": {"emptyDir": {}}}]), id="a volume"
    ),
    pytest.param(pod(tolerations=[{"operator": "Exists"}], affinity={"podAntiAffinity": {}}), id="hardly an affinity"),
    pytest.param(pod(**FULL_POD), id="everything that a pod may have"),
    pytest.param(pod(**POD), id="something of each that a pod may have"),
    pytest.param(pod(labels={"a/b": "c"}, annotations={"x": ""}, nodeSelector={"disk": "ssd"}), id="labels"),
    pytest.param(pod(imagePullSecrets=["a.b"], serviceAccountName="sa", priorityClassName="high"), id="names"),
    pytest.param(spec(traffic={"gateway": {**EDGE, "hostnames": ["*.a.example"], "path": "/"}}), id="a gateway"),
    pytest.param(
        spec(traffic={"gateway": {"parentRefs": [{"name": "a", "namespace": "b", "sectionName": "c"}]}}),
        id="listener",
    ),
    pytest.param(
        spec(traffic={"gateway": {"parentRefs": [{"name": "a", "sectionName": s} for s in "bc"]}}), id="two listeners"
    ),
    pytest.param(spec(traffic={"ingress": {"host": "a.example", "className": "nginx"}}), id="an ingress"),
    pytest.param(monitoring(), id="monitoring by its defaults"),
    pytest.param(spec(rollout={}), id="a rollout by its defaults"),
    *(
        pytest.param(ab(metric=name), id=f"a test on {name}")
        for name in ("accuracy", "auc", "brier", "log_loss", "mae")
    ),
    pytest.param(ab(metric="mean_prediction", better="Lower"), id="a test on the mean of answers"),
    *(pytest.param(ab(metric="mae", maxDuration=text), id=f"a test of {text}") for text in ("14d", "336h", "90s")),
    *(
        pytest.param(SPECS[name] | URI, id=name)
        for name in ("rollout", "rollout-all-at-once", "rollout-by-worth", "rollout-ab")
    ),
    pytest.param(spec(rollout={"steps": [{"weight": n + 1} for n in range(16)]}), id="a rollout of sixteen steps"),
    *(
        pytest.param(spec(rollout={"analysis": {"maxLatencyP95": text}}), id=f"answers within {text}")
        for text in ("10s", "1ms", "9s999ms")
    ),
    pytest.param(spec(task="binary", monitoring=FULL_MONITORING), id="everything that monitoring has"),
    *(
        pytest.param(monitoring(window=text), id=f"windows of {text}")
        for text in ("1m", "60s", "24h", "86400s", "23h60m", "1440m", "1h30m", "20m")
    ),
    pytest.param(monitoring(capture={"predictions": 0, "features": 0}), id="nothing logged"),
    pytest.param(monitoring(drift={"features": [{"name": "Größe / cm"}]}), id="a feature with any name"),
    pytest.param(
        monitoring(drift={"features": [{"name": f"f{n}", "significant": 1} for n in range(512)]}), id="512 features"
    ),
    *(
        pytest.param(spec(task=task, monitoring={"quality": {"metric": metric, bound: 0.5}}), id=f"{task} by {metric}")
        for task, metric, bound in (
            ("binary", "auc", "min"),
            ("binary", "brier", "max"),
            ("multiclass", "log_loss", "max"),
            ("regression", "rmse", "max"),
        )
    ),
    *(pytest.param(URI | row.values[0], id=row.id) for row in TAKEN_OF_ROLLOUTS),
]

REFUSED_BY_BOTH = [
    pytest.param({}, id="no registry"),
    pytest.param(spec(registry={"uri": "file:///data"}), id="a folder"),
    pytest.param(spec(version="latest"), id="a word as version"),
    *(
        pytest.param(spec(version=text), id=f"version {text}")
        for text in ("01.2.3", "1.x.3", "^1.0.0-rc.1", "1.2.3 ^1", ">=1<2", "1.0.0-rc-")
    ),
    pytest.param(spec(task="ranking"), id="an unknown task"),
    pytest.param(serving(replicas=0), id="no replicas"),
    pytest.param(serving(device="tpu"), id="an unknown device"),
    *(
        pytest.param(serving(autoscaling={"maxReplicas": 3, "scaleDownDelay": text}), id=f"scaled down after {text!r}")
        for text in ("1h1s", "500ms", "1d", "5", "", "-1s", "1.5s", "99999h")
    ),
    pytest.param(serving(timeout="0ms"), id="no time"),
    pytest.param(serving(timeout="1h1ms"), id="more than an hour"),
    pytest.param(serving(resources={"requests": {"cpu": -1}}), id="a negative amount"),
    *(
        pytest.param(serving(resources={part: {"memory": text}}), id=f"{part} without an end, {str(text)[:20]}")
        for part in ("requests", "limits")
        for text in ("1e999999999", "1e-999999999", "1E19", "1e018", "9" * 19, 10**18, "1." + "0" * 10, "9" * 3000)
    ),
    pytest.param(serving(timeout="5"), id="a duration without a unit"),
    pytest.param(serving(entityKey="request_id"), id="an entity key that requests use"),
    pytest.param(serving(resources={"requests": {"cpu": "much"}}), id="an amount in words"),
    pytest.param(pod(env=[{"name": "1A", "value": "x"}]), id="a variable that begins with a digit"),
    pytest.param(pod(tolerations=[{"key": "a", "operator": "Is"}]), id="an unknown operator"),
    pytest.param(pod(tolerations=[{"key": "a b"}]), id="a taint with a blank"),
    pytest.param(pod(env=[{"name": "A", "valueFrom": {}}]), id="a variable from nowhere"),
    pytest.param(pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]), id="no key"),
    pytest.param(
        pod(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]), id="a field of no variable"
    ),
    *(
        pytest.param(pod(volumes=[{"name": "a", "mountPath": "/a", "source": source}]), id=f"a volume of {source}")
        for source in (
            {},
            {"hostPath": {"path": "/"}},
            {"nfs": {"server": "a", "path": "/"}},
            {"emptyDir": {}, "secret": {"secretName": "s"}},
            {"emptyDir": {"sizeLimit": "1e99"}},
            {"secret": {"name": "s"}},
        )
    ),
    pytest.param(pod(affinity={"nodeAfinity": {}}), id="a misspelt affinity"),
    pytest.param(
        pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}), id="pods at no place"
    ),
    pytest.param(spec(traffic={"gateway": {"parentRefs": []}}), id="no gateway"),
    pytest.param(spec(traffic={"gateway": {**EDGE, "path": "a"}}), id="a path without a slash"),
    pytest.param(spec(traffic={"ingress": {}}), id="an ingress without a host"),
    *(pytest.param(monitoring(window=text), id=f"windows of {text!r}") for text in ("7h", "59s", "25h", "1d", "500ms")),
    pytest.param(monitoring(drift={"moderate": 0.3}), id="bands the wrong way round"),
    pytest.param(spec(rollout={"steps": [{"weight": 50}, {"weight": 5}]}), id="steps the wrong way round"),
    pytest.param(spec(rollout={"analysis": {"maxQualityDrop": 0.1}}), id="worse by what nobody watches"),
    pytest.param(spec(rollout={"strategy": "AB"}), id="a test of nothing"),
    pytest.param(spec(rollout={"ab": {"metric": "mae"}}), id="a test that is a canary"),
    pytest.param(ab(metric="clicks"), id="a test on what nobody watches"),
    pytest.param(ab(metric="rmse"), id="a test on a metric that cannot be compared at any time"),
    pytest.param(ab(metric="mae", better="Lower"), id="a test that says what is known"),
    pytest.param(ab(metric="positive_rate"), id="a test that does not say what is better"),
    *(
        pytest.param(ab(metric="mae", maxDuration=text), id=f"a test of {text}")
        for text in ("15d", "337h", "0s", "9ms")
    ),
    pytest.param(
        spec(
            rollout={"analysis": {"maxQualityDrop": 0.1}},
            monitoring={"quality": {"metric": "f1", "min": 0.5}},
        ),
        id="worse by a metric that cannot be compared at any time",
    ),
    pytest.param(spec(rollout={"analysis": {"business": [{"name": "a", "maxDrop": 0.1}]}}), id="less of no event"),
    *(
        pytest.param(monitoring(business=[{"name": "a", "kind": "sum", "delay": text}]), id=f"events within {text}")
        for text in ("721h", "1d", "100ms")
    ),
    pytest.param(spec(rollout={"steps": [{"weight": 5}], "strategy": "BlueGreen"}), id="steps of what has none"),
    *(
        pytest.param(spec(rollout={"progressDeadline": text}), id=f"pods within {text}")
        for text in ("29s", "25h", "1d", "1s500ms")
    ),
    *(
        pytest.param(spec(rollout={"analysis": {"interval": text}}), id=f"asked every {text}")
        for text in ("0s", "61m", "1d", "900ms")
    ),
    *(
        pytest.param(spec(rollout={"analysis": {"maxLatencyP95": text}}), id=f"answers within {text}")
        for text in ("0ms", "10s1ms", "1m")
    ),
    pytest.param(monitoring(drift={"features": [{"name": "a", "significant": 0.05}]}), id="a feature's band too low"),
    pytest.param(monitoring(capture={"retention": "0s"}), id="logs that are never kept"),
    pytest.param(monitoring(quality={"metric": "auc"}), id="a metric without a bound"),
    pytest.param(monitoring(quality={"metric": "auc", "max": 0.5}), id="a metric with the wrong bound"),
    pytest.param(spec(task="multiclass", monitoring={"quality": {"metric": "auc", "min": 0.5}}), id="another task's"),
    pytest.param(monitoring(alerts={}), id="alerts to nobody"),
]

TAKEN_BY_THE_SCHEMA_ALONE = [
    # CEL cannot compare versions; the operator says InvalidSpec and names the field.
    pytest.param(spec(version=">2 <1"), "spec.version: .*range that no version can be in", id="an empty range"),
]


@pytest.fixture(scope="session")
def judge(control_plane: ControlPlane) -> Judge:
    """What the API server says to a spec."""

    def judge(written: dict[str, Any]) -> Answer:
        metadata = {"name": "churn", "namespace": "default"}
        body = {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": metadata, "spec": written}
        return control_plane.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", given=json.dumps(body))

    return judge


def obey(written: dict[str, Any]) -> None:
    """What the operator makes of a spec before it looks at the registry; raises InvalidModel when it can do nothing."""
    model = read(written)
    wanted = wanted_range(observed(spec={"version": model.spec.version}))
    if isinstance(wanted, Nothing):
        raise InvalidModel(wanted.message)


def read(written: dict[str, Any]) -> MLModel:
    metadata = {"name": "churn", "namespace": "shop", "uid": "uid-1", "generation": 1, "resourceVersion": "1"}
    return parse({"metadata": metadata, "spec": written})


def rendered(model: MLModel) -> list[dict[str, Any]]:
    status = MLModelStatus.model_validate({"stable": {"version": "1.0.0"}})
    live = model.model_copy(update={"status": status})
    return children(live, Installation("image:1"), Capabilities(True, True), {Version(1, 0, 0): Replicas(None, 2)})


@pytest.mark.parametrize("written", TAKEN_BY_BOTH)
def test_what_the_api_server_takes_can_be_read_and_rendered(judge: Judge, written: dict[str, Any]) -> None:
    answer = judge(written)
    assert answer.code == 0, answer.err
    assert rendered(read(written))
    # Also with the defaults that the API server filled in; they are those of the parser.
    assert read(json.loads(answer.out)["spec"]) == read(written)


@pytest.mark.parametrize("written", REFUSED_BY_BOTH)
def test_what_the_api_server_refuses_the_parser_refuses_too(judge: Judge, written: dict[str, Any]) -> None:
    assert judge(written).code != 0, "the API server took it"
    with pytest.raises(InvalidModel):
        obey(written)


@pytest.mark.parametrize(("written", "told"), TAKEN_BY_THE_SCHEMA_ALONE)
def test_what_only_the_operator_can_refuse_is_told_with_its_field(
    judge: Judge, written: dict[str, Any], told: str
) -> None:
    assert judge(written).code == 0
    with pytest.raises(InvalidModel, match=told):
        obey(written)


def test_a_full_status_is_taken_and_read_back_unchanged(control_plane: ControlPlane, namespace: str) -> None:
    full = MLModelStatus.model_validate(
        {
            "observedGeneration": 1,
            "stable": {"version": "1.0.0", "readyReplicas": 2, "requestedWeight": 100, "effectiveWeight": 100},
            "candidate": {"version": "1.1.0", "since": "2026-03-01T12:00:00Z"},
            "warm": [{"version": "0.9.0", "warmUntil": "2026-03-01T12:00:00Z"}],
            "history": [{"version": "1.0.0", "from": "2026-03-01T12:00:00Z", "reason": "FirstVersion"}],
            "failedVersions": [{"version": "1.2.0", "reason": "Broken", "message": "m", "at": "2026-03-01T12:00:00Z"}],
            "rollout": {
                "strategy": "Canary",
                "startedAt": "2026-03-01T12:00:00Z",
                "stepIndex": 1,
                "advancing": True,
                "preparingSince": "2026-03-01T12:00:00Z",
                "stepStartedAt": "2026-03-01T12:00:00Z",
                "judgedSince": "2026-03-01T12:00:00Z",
                "verdict": "Passed",
                "evidence": "m",
                "inconclusiveSince": "2026-03-01T12:00:00Z",
                "failedChecks": 1,
                "approvedWeight": 5,
                "outcome": "ABWon",
                "figures": {
                    "candidate": {"requests": 9, "errorRate": 0.1, "latencyP95": 0.2, "slowShare": 0.01},
                    "stable": {"requests": 90},
                    "predictionPSI": 0.03,
                    "compared": [{"metric": "accuracy", "candidate": 0.9, "stable": 0.8, "difference": 0.1}],
                    "experiment": {"metric": "clicks", "low": 0.1, "high": 0.2, "winner": "candidate"},
                },
                "promoted": True,
                "paused": True,
                "serving": {"image": "localhost/own:2", "pod": {"labels": {"team": "growth"}}},
                "waitsFor": "CandidateNotReady",
                "until": "2026-03-01T12:00:00Z",
            },
            "drift": {"level": "drift", "since": "2026-03-01T12:00:00Z", "version": "1.0.0", "features": ["age"]},
            "handledRequest": {"id": "1", "verb": "refresh", "outcome": "Done", "message": "m"},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Serving", "lastTransitionTime": "2026-03-01T12:00:00Z"}
            ],
            "replicas": 2,
            "selector": "a=b",
            "url": "http://a.example/predict",
            "phase": "Serving",
            "message": "1.0.0 serves",
        }
    )
    metadata = {"name": "churn", "namespace": namespace}
    control_plane.apply(
        {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "metadata": metadata, "spec": spec()}
    )
    patch = json.dumps({"status": to_dict(full)})
    control_plane.must("patch", "mlmodel/churn", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    live = control_plane.get("mlmodel", namespace, "churn")
    assert live is not None
    assert MLModel.parse(live).status == full
    assert live["status"] == to_dict(full), "a field of status is unknown to the schema"


def test_an_unknown_field_of_status_is_dropped_when_read() -> None:
    # An older operator must be able to read what a newer one wrote.
    assert MLModelStatus.model_validate({"stable": {"version": "1.0.0", "later": 1}, "later": 2}).stable is not None


def test_the_files_in_crds_are_what_the_types_say() -> None:
    done = subprocess.run(
        [sys.executable, "hack/generate_crds.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
