"""What comes before a share of the traffic, against a real API server: replayed requests, copies, one's own metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.control_plane import Object
from cluster.gateway import a_gateway, is_forced, weights
from cluster.operator_process import OperatorProcess
from cluster.scene import Scene
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from support.report_stub import ReportStub, run_report_stub

EDGE = {"gateway": {"parentRefs": [{"name": "edge"}]}}
ROLLOUT: dict[str, Any] = {
    "steps": [{"weight": 50, "hold": "1s"}],
    "analysis": {"interval": "1s"},
    "keepWarm": "2s",
}
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture
def monitor() -> Iterator[ReportStub]:
    with run_report_stub() as stub:
        stub.verdicts = {"1.1.0": Verdict.PASSED}
        yield stub


@pytest.fixture
def tried(unattended: Scene, start: Callable[..., OperatorProcess], monitor: ReportStub) -> Iterator[Scene]:
    """A scene with operator, monitor and gateway, whose pods have to be as restricted as pods can be."""
    where = {"MODELLOOP_MONITOR_URL": monitor.url, "MODELLOOP_MONITOR_POLL_SECONDS": "1"}
    unattended.plane.must("label", "namespace", unattended.namespace, RESTRICTED, "--overwrite")
    unattended.operators.append(start(**where))
    with a_gateway(unattended):
        yield unattended


def begin(scene: Scene, **rollout: Any) -> None:
    """1.0.0 serves, and 1.1.0 is published."""
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(traffic=EDGE, rollout={**ROLLOUT, **rollout}))
    scene.serving("1.0.0")
    scene.publish("1.1.0")


def run_of(scene: Scene) -> str:
    """The run that status names, once its Job is there."""

    def named() -> str:
        run = scene.status().get("rollout", {}).get("staging", {}).get("run", "")
        return run if run and scene.child("job", run) else ""

    found: str = scene.until(named, "the Job of a replay")
    return found


def leave_outcome(scene: Scene, run: str, **found: Any) -> None:
    """What the Job's pod would leave."""
    now = datetime.now(UTC)
    about = {"run": run, "version": "1.1.0", "against": "1.0.0", "began": now, "ended": now}
    outcome = ReplayOutcome(**{**about, "asked": 500, "compared": 500, **found})
    scene.registry().store.create(outcome_key(run), outcome.model_dump_json().encode())


def promoted(scene: Scene) -> None:
    scene.until(lambda: scene.live() == "1.1.0", "1.1.0 to be promoted")


def copies(scene: Scene) -> list[Object]:
    """The filters by which the route sends copies."""
    rules = scene.child("httproute", "churn").get("spec", {}).get("rules", ())
    filters = [found for rule in rules if not is_forced(rule) for found in rule.get("filters", ())]
    return [found["requestMirror"] for found in filters if found["type"] == "RequestMirror"]


def test_requests_are_replayed_by_a_job_before_any_traffic(tried: Scene) -> None:
    begin(tried, staging={"replay": 500})
    run = run_of(tried)
    job = tried.child("job", run)
    assert job["metadata"]["ownerReferences"][0]["name"] == "churn"
    pods = ("-l", f"batch.kubernetes.io/job-name={run}")
    tried.until(lambda: tried.plane.items("pods", tried.namespace, *pods), "its pod, in a restricted namespace")
    assert weights(tried) == {"1.0.0": 100}
    tried.nudge(2)
    assert tried.child("job", run)["metadata"]["uid"] == job["metadata"]["uid"]
    leave_outcome(tried, run, differing=1)
    promoted(tried)
    tried.serving("1.1.0")
    tried.until(lambda: not tried.child("job", run), "the Job to go with the rollout")
    tried.until(lambda: not tried.plane.items("pods", tried.namespace, *pods), "and its pods")


def test_a_version_that_answers_otherwise_is_refused_before_any_traffic(tried: Scene) -> None:
    begin(tried, staging={"replay": 500}, analysis={"interval": "1s", "minAgreement": 0.9})
    leave_outcome(tried, run_of(tried), differing=200)
    tried.until(lambda: tried.status().get("failedVersions"), "its end")
    (failed,) = tried.status()["failedVersions"]
    assert failed["reason"] == "ReplayFailed"
    assert "200 of 500 were answered otherwise than 1.0.0 did" in failed["message"]
    tried.serving("1.0.0")


def test_a_quota_that_keeps_the_jobs_pod_away_is_named(tried: Scene) -> None:
    tried.publish("1.0.0")
    staged = {**ROLLOUT, "staging": {"replay": 5}}
    tried.plane.apply(tried.manifest(traffic=EDGE, serving={"replicas": 1}, rollout=staged))
    tried.serving("1.0.0")
    quota = {"name": "room", "namespace": tried.namespace}
    tried.plane.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": quota, "spec": {"hard": {"pods": "2"}}})
    tried.until(
        lambda: tried.child("resourcequota", "room").get("status", {}).get("used", {}).get("pods") == "1", "the quota"
    )
    tried.publish("1.1.0")
    tried.until(lambda: "room: pods 2 of 2" in tried.status().get("message", ""), "the quota to be named")
    assert weights(tried) == {"1.0.0": 100}


def test_copies_come_before_a_share_and_are_asked_about_as_such(tried: Scene, monitor: ReportStub) -> None:
    steps = [{"mirror": 20, "hold": "1s", "approval": True}, {"weight": 50, "hold": "1s"}]
    begin(tried, steps=steps, analysis={"interval": "1s", "minAgreement": 0.9})
    tried.until(lambda: tried.status().get("rollout", {}).get("waitsFor") == "ApprovalPending", "the copies")
    (found,) = copies(tried)
    assert (found["backendRef"]["name"], found["percent"]) == ("churn-v1-1-0-mirror", 20)
    assert weights(tried) == {"1.0.0": 100}
    assert tried.condition("MirrorAvailable")[:2] == ("True", "Mirrors")
    asked = [query for query in monitor.queries if query.version == "1.1.0"]
    assert {(query.mirrored, query.min_agreement, query.max_prediction_psi) for query in asked} == {(True, 0.9, None)}
    before = tried.revisions()
    tried.nudge(2)
    assert {name: found for name, found in tried.revisions().items() if "Route" in name} == {
        name: found for name, found in before.items() if "Route" in name
    }
    yes = 'modelloop.dev/request={"id": "1", "verb": "approve"}'
    tried.plane.must("annotate", "mlmodel", "churn", "-n", tried.namespace, yes)
    promoted(tried)
    tried.until(lambda: copies(tried) == [], "the route without copies")
    tried.serving("1.1.0")


def test_metrics_without_a_prometheus_hold_and_are_named(tried: Scene) -> None:
    metric = {"name": "p99", "promql": "p99{version='{{version}}'}", "max": 0.5}
    begin(tried, analysis={"interval": "1s", "metrics": [metric]})
    tried.until(lambda: tried.status().get("rollout", {}).get("waitsFor") == "NoPrometheus", "the wait")
    assert tried.condition("MetricsAvailable")[:2] == ("False", "NoPrometheus")
    assert "operator.prometheusURL" in tried.status()["message"]
    assert weights(tried) == {"1.0.0": 50, "1.1.0": 50}
