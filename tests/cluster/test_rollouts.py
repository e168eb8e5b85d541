"""Versions that earn their traffic, against a real API server: a gateway that answers, and a monitor that judges."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.gateway import a_gateway, weights
from cluster.operator_process import OperatorProcess
from cluster.scene import Scene
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.rollouts import rollouts_path
from support.report_stub import ReportStub, run_report_stub

EDGE = {"gateway": {"parentRefs": [{"name": "edge"}]}}
ROLLOUT: dict[str, Any] = {
    "steps": [{"weight": 5, "hold": "2s"}, {"weight": 50, "hold": "2s"}],
    "analysis": {"interval": "1s"},
    "keepWarm": "10s",
}


@pytest.fixture
def monitor() -> Iterator[ReportStub]:
    with run_report_stub() as stub:
        stub.verdicts = {"1.1.0": Verdict.PASSED, "1.2.0": Verdict.PASSED}
        yield stub


@pytest.fixture
def tried(unattended: Scene, start: Callable[..., OperatorProcess], monitor: ReportStub) -> Iterator[Scene]:
    """A scene with operator, monitor and gateway."""
    where = {"MODELLOOP_MONITOR_URL": monitor.url, "MODELLOOP_MONITOR_POLL_SECONDS": "1"}
    unattended.operators.append(start(**where))
    with a_gateway(unattended):
        yield unattended


def begin(scene: Scene, **rollout: Any) -> None:
    """1.0.0 serves, and 1.1.0 is published."""
    scene.publish("1.0.0")
    spec = {"traffic": EDGE, "serving": {"replicas": 4}, "rollout": {**ROLLOUT, **rollout}}
    scene.plane.apply(scene.manifest(**spec))
    scene.serving("1.0.0")
    scene.publish("1.1.0")


def at(scene: Scene, weight: int, version: str = "1.1.0") -> None:
    """Wait until the version has this share, confirmed."""

    def held() -> bool:
        candidate = scene.status().get("candidate", {})
        return (candidate.get("version"), candidate.get("effectiveWeight")) == (version, weight)

    scene.until(held, f"{version} at {weight} %")


def promoted(scene: Scene, version: str = "1.1.0") -> None:
    scene.until(lambda: scene.live() == version, f"{version} to be promoted")


def pods(scene: Scene, version: str) -> set[str]:
    found = scene.plane.items("pods", scene.namespace, "-l", f"modelloop.dev/version={version}")
    return {pod["metadata"]["uid"] for pod in found}


def ask(scene: Scene, verb: str) -> Any:
    """A person's command, by the program that people use."""
    program = [sys.executable, "-c", "from modelloop_cli.main import kubectl_main; kubectl_main()"]
    place = ["churn", "-n", scene.namespace, "--context", scene.plane.context, "-o", "json"]
    environment = {"KUBECONFIG": str(scene.plane.kubeconfig), "PATH": ""}
    done = subprocess.run([*program, verb, *place], env=environment, capture_output=True, timeout=120, check=False)
    return json.loads(done.stdout)


def test_a_good_version_goes_by_its_steps_and_its_promotion_moves_no_pod(tried: Scene, monitor: ReportStub) -> None:
    begin(tried, steps=[*ROLLOUT["steps"][:1], {"weight": 50, "hold": "2s", "approval": True}])
    at(tried, 5)
    assert weights(tried) == {"1.0.0": 95, "1.1.0": 5}
    at(tried, 50)
    tried.until(lambda: tried.status()["rollout"].get("waitsFor") == "ApprovalPending", "the wait for a person")
    assert "kubectl mlmodel approve churn" in tried.status()["message"]
    assert ask(tried, "approve")["outcome"] == "Done"
    tried.until(lambda: len(pods(tried, "1.1.0")) == 4, "as many pods as serve")
    before = (pods(tried, "1.0.0"), pods(tried, "1.1.0"))
    promoted(tried)
    tried.until(lambda: weights(tried) == {"1.1.0": 100}, "the route")
    assert (pods(tried, "1.0.0"), pods(tried, "1.1.0")) == before
    assert tried.selected() == "1.1.0"
    tried.serving("1.1.0")
    assert tried.condition("RolloutProgressing")[:2] == ("False", "RolloutPassed")
    assert tried.condition("RolloutJudged")[:2] == ("True", "Judged")
    since = {query.since for query in monitor.queries if query.version == "1.1.0" and query.step_since}
    assert len(since) == 1, "evidence adds up over all steps"
    (past,) = ask(tried, "history")["pastRollouts"]
    assert [(step["weight"], step.get("verdict")) for step in past["steps"]] == [
        (5, "Passed"),
        (50, "Passed"),
        (100, None),
    ]
    assert (past["outcome"], past["reason"]) == ("Promoted", "RolloutPassed")
    assert [one["verb"] for one in past["asked"]] == ["approve"]
    told = monitor.rollouts[rollouts_path(tried.namespace, "churn")]
    assert [(one.version, one.outcome) for one in told.rollouts] == [("1.1.0", "Promoted")]


def test_a_version_that_fails_is_taken_back_and_not_tried_again(tried: Scene, monitor: ReportStub) -> None:
    monitor.verdicts["1.1.0"] = Verdict.INCONCLUSIVE
    begin(tried)
    at(tried, 5)
    monitor.verdicts["1.1.0"] = Verdict.FAILED
    tried.until(lambda: weights(tried) == {"1.0.0": 100}, "the way back", seconds=10)
    tried.serving("1.0.0")
    (failed,) = tried.status()["failedVersions"]
    assert (failed["version"], failed["reason"]) == ("1.1.0", "EvidenceFailed")
    (past,) = ask(tried, "history")["pastRollouts"]
    assert (past["outcome"], [step["verdict"] for step in past["steps"]]) == ("RolledBack", ["Failed"])
    tried.nudge(2)
    assert "candidate" not in tried.status()
    events = tried.plane.items("events.events.k8s.io", tried.namespace)
    assert ("EvidenceFailed", "Warning") in {(event["reason"], event["type"]) for event in events}


def begin_test(scene: Scene, **ab: Any) -> None:
    """The same as an A/B test."""
    test = {"split": 40, "metric": "clicks", "maxDuration": "10m", **ab}
    scene.publish("1.0.0")
    watched = {"business": [{"name": "clicks", "kind": "rate"}]}
    rollout = {**ROLLOUT, "strategy": "AB", "ab": test}
    del rollout["steps"]
    scene.plane.apply(scene.manifest(traffic=EDGE, serving={"replicas": 4}, rollout=rollout, monitoring=watched))
    scene.serving("1.0.0")
    scene.publish("1.1.0")


def test_an_ab_test_holds_its_split_until_the_new_version_is_better(tried: Scene, monitor: ReportStub) -> None:
    begin_test(tried)
    at(tried, 40)
    tried.until(lambda: tried.status()["rollout"].get("waitsFor") == "ABRunning", "the test to run")
    assert tried.status()["rollout"]["strategy"] == "AB"
    tried.until(lambda: "experiment" in tried.status()["rollout"].get("figures", {}), "the numbers")
    assert tried.status()["rollout"]["figures"]["experiment"]["metric"] == "clicks"
    monitor.winners["1.1.0"] = "candidate"
    promoted(tried)
    tried.until(lambda: weights(tried) == {"1.1.0": 100}, "the route")
    newest = tried.status()["history"][-1]
    assert newest["reason"] == "ABWon"
    assert "difference +0.02" in newest["evidence"]


def test_an_ab_test_takes_back_what_the_live_version_beats(tried: Scene, monitor: ReportStub) -> None:
    begin_test(tried)
    at(tried, 40)
    monitor.winners["1.1.0"] = "stable"
    tried.until(lambda: weights(tried) == {"1.0.0": 100}, "the way back", seconds=10)
    tried.serving("1.0.0")
    (failed,) = tried.status()["failedVersions"]
    assert (failed["version"], failed["reason"]) == ("1.1.0", "ABLost")
    assert "difference -0.02" in failed["message"]


def test_an_ab_test_that_fails_a_limit_ends_at_once(tried: Scene, monitor: ReportStub) -> None:
    begin_test(tried)
    at(tried, 40)
    monitor.verdicts["1.1.0"] = Verdict.FAILED
    monitor.winners["1.1.0"] = "candidate"
    tried.until(lambda: tried.status().get("failedVersions"), "the way back", seconds=10)
    assert tried.status()["failedVersions"][0]["reason"] == "EvidenceFailed"


def test_an_ab_test_without_a_decision_keeps_what_is_live(tried: Scene) -> None:
    begin_test(tried, maxDuration="5s")
    at(tried, 40)
    tried.until(lambda: tried.status().get("failedVersions"), "the end of the test", seconds=20)
    assert tried.status()["failedVersions"][0]["reason"] == "ABUndecided"
    tried.serving("1.0.0")


def test_a_quota_that_stops_its_pods_is_named_and_the_deadline_acts(tried: Scene) -> None:
    tried.publish("1.0.0")
    tried.plane.apply(tried.manifest(traffic=EDGE, rollout={**ROLLOUT, "progressDeadline": "30s"}))
    tried.serving("1.0.0")
    quota = {"name": "room", "namespace": tried.namespace}
    tried.plane.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": quota, "spec": {"hard": {"pods": "2"}}})
    tried.until(
        lambda: tried.child("resourcequota", "room").get("status", {}).get("used", {}).get("pods") == "2", "the quota"
    )
    tried.publish("1.1.0")
    tried.until(lambda: "exceeded quota" in tried.condition("CandidateReady")[2], "the candidate to name the quota")
    assert weights(tried) == {"1.0.0": 100}
    tried.until(lambda: tried.status().get("failedVersions"), "the deadline")
    assert tried.status()["failedVersions"][0]["reason"] == "ProgressDeadlineExceeded"
    tried.serving("1.0.0")


def test_a_monitor_that_goes_away_holds_and_is_named_and_comes_back(tried: Scene, monitor: ReportStub) -> None:
    begin(tried)
    at(tried, 5)
    monitor.status = 503
    tried.until(lambda: tried.status()["rollout"].get("verdict") == "Error", "the word about the monitor")
    tried.until(lambda: tried.status()["rollout"].get("waitsFor") == "MonitorUnreachable", "the wait")
    assert "answered 503" in tried.status()["message"]
    monitor.status = None
    promoted(tried)


def test_an_old_version_in_the_spec_takes_traffic_back(tried: Scene) -> None:
    begin(tried)
    at(tried, 50)
    patch = json.dumps({"spec": {"version": "1.0.0"}})
    tried.plane.must("patch", "mlmodel/churn", "-n", tried.namespace, "--type=merge", "-p", patch)
    tried.until(lambda: weights(tried) == {"1.0.0": 100}, "the way back", seconds=10)
    tried.serving("1.0.0")
    assert tried.status()["failedVersions"] == []


def test_a_third_version_begins_when_traffic_is_back(tried: Scene) -> None:
    begin(tried, steps=[{"weight": 25, "hold": "10s"}])
    at(tried, 25)
    tried.publish("1.2.0")
    promoted(tried, "1.2.0")
    assert [entry["version"] for entry in tried.status()["history"]] == ["1.0.0", "1.2.0"]


def test_a_route_that_is_edited_by_hand_is_put_back(tried: Scene) -> None:
    begin(tried, steps=[{"weight": 5, "hold": "10m"}])
    at(tried, 5)
    patch = json.dumps([{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 900}])
    tried.plane.must("patch", "httproute/churn", "-n", tried.namespace, "--type=json", "-p", patch)
    tried.until(lambda: weights(tried) == {"1.0.0": 95, "1.1.0": 5}, "the shares")
    at(tried, 5)


def test_a_status_that_is_wiped_begins_the_rollout_anew_and_ends_the_same(tried: Scene) -> None:
    begin(tried)
    at(tried, 50)
    patch = json.dumps([{"op": "replace", "path": "/status", "value": {}}])
    words = ("-n", tried.namespace, "--subresource=status", "--type=json", "-p", patch)
    tried.plane.must("patch", "mlmodel/churn", *words)
    tried.until(lambda: tried.live() == "1.0.0", "what was live")
    at(tried, 5)
    promoted(tried)


@pytest.mark.parametrize("pause", [0.2, 1.0, 2.5], ids=lambda pause: f"after {pause} s each")
def test_killed_in_mid_rollout_it_ends_in_the_same_state(tried: Scene, pause: float) -> None:
    begin(tried)
    for _ in range(4):
        tried.plane.kubectl("wait", "mlmodel/churn", "-n", tried.namespace, "--for=delete", f"--timeout={pause}s")
        tried.operator.kill()
        assert tried.live() in ("1.0.0", "1.1.0")
        tried.operator.start()
    tried.serving("1.1.0")
    assert weights(tried) == {"1.1.0": 100}
    assert [entry["version"] for entry in tried.status()["history"]] == ["1.0.0", "1.1.0"]


def test_a_leader_that_is_killed_in_mid_step_is_followed_by_one_that_goes_on(
    tried: Scene, start: Callable[..., OperatorProcess], monitor: ReportStub
) -> None:
    monitor.verdicts["1.1.0"] = Verdict.INCONCLUSIVE
    begin(tried)
    second = start("operator-1", MODELLOOP_MONITOR_URL=monitor.url, MODELLOOP_MONITOR_POLL_SECONDS="1")
    tried.operators.append(second)
    at(tried, 5)
    begun = tried.status()["rollout"]["stepStartedAt"]
    tried.operator.kill()
    monitor.verdicts["1.1.0"] = Verdict.PASSED
    tried.until(lambda: second.metric("modelloop_operator_leading") == 1, "the second to lead", seconds=40)
    at(tried, 50)
    since = {query.since.strftime("%Y-%m-%dT%H:%M:%SZ") for query in monitor.queries if query.step_since}
    assert since == {begun}, "the evidence goes on from where it began"
    promoted(tried)


def test_a_change_of_image_waits_for_the_end_of_the_rollout(tried: Scene) -> None:
    def image(version: str) -> str:
        template = tried.child("deployment", f"churn-v{version}")["spec"]["template"]["spec"]
        return str(template["containers"][0]["image"])

    begin(tried, steps=[{"weight": 5, "hold": "10s"}])
    at(tried, 5)
    before = image("1-1-0")
    patch = json.dumps({"spec": {"serving": {"image": "localhost/own:2"}}})
    tried.plane.must("patch", "mlmodel/churn", "-n", tried.namespace, "--type=merge", "-p", patch)
    tried.until(lambda: "pods change when the rollout is over" in tried.status()["message"], "the word about it")
    assert (image("1-0-0"), image("1-1-0")) == (before, before)
    promoted(tried)
    tried.until(lambda: image("1-1-0") == "localhost/own:2", "the new image")


def test_a_rollback_that_was_decided_is_not_undone_by_a_kill(tried: Scene, monitor: ReportStub) -> None:
    begin(tried)
    promoted(tried)
    monitor.verdicts["1.1.0"] = Verdict.FAILED
    tried.until(lambda: tried.status().get("failedVersions"), "the decision")
    tried.operator.kill()
    monitor.verdicts["1.1.0"] = Verdict.PASSED
    tried.operator.start()
    tried.serving("1.0.0")
    assert weights(tried) == {"1.0.0": 100}
    assert [entry["version"] for entry in tried.status()["history"]] == ["1.0.0", "1.1.0", "1.0.0"]


def test_a_person_takes_back_what_was_promoted(tried: Scene) -> None:
    begin(tried)
    promoted(tried)
    answer = ask(tried, "rollback")
    assert answer["outcome"] == "Done", answer
    tried.until(lambda: weights(tried) == {"1.0.0": 100}, "the way back", seconds=5)
    tried.serving("1.0.0")
    assert tried.status()["failedVersions"][0]["reason"] == "RolledBackByRequest"


def test_nothing_is_left_of_what_is_deleted_in_mid_rollout(tried: Scene) -> None:
    begin(tried)
    at(tried, 5)
    tried.plane.must("delete", "mlmodel/churn", "-n", tried.namespace)
    tried.until(lambda: not tried.children(), "the children to go")


def test_re_applying_the_manifest_changes_nothing(tried: Scene) -> None:
    begin(tried, steps=[{"weight": 5, "hold": "10m"}])
    at(tried, 5)
    tried.until(lambda: tried.status()["rollout"].get("waitsFor") == "HoldingStep", "the hold")
    tried.nudge(2)
    before = tried.revisions()
    spec = {"traffic": EDGE, "serving": {"replicas": 4}}
    tried.plane.apply(tried.manifest(**spec, rollout={**ROLLOUT, "steps": [{"weight": 5, "hold": "10m"}]}))
    tried.nudge(2)
    after = tried.revisions()
    children = {name: revision for name, revision in after.items() if not name.startswith("MLModel/")}
    assert children == {name: before[name] for name in children}
