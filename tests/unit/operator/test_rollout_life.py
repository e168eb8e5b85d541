"""Rollouts from publication to their end on the fake cluster: what is written, and what a killed operator leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cluster import EVERYTHING, Events
from fakes.operator import Stage
from fakes.rollouts import (
    a_monitor,
    ask,
    at,
    begun,
    deleted_in_mid_rollout,
    ended,
    failed_after_its_promotion,
    held,
    live,
    model,
    respec,
    status,
    uids,
    until,
    weights,
)
from fakes.stories import SETTLED_SECONDS, Story, check_killed_after_any_write, publish, run, shared, summary
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.cluster.kinds import DEPLOYMENT, GATEWAY, HTTP_ROUTE, MLMODEL, RETRY_POLICY, SERVICE
from modelloop_operator.cluster.monitor import MonitorAway
from modelloop_operator.cluster.port import Object
from modelloop_operator.naming import VERSION_LABEL

WITHOUT_GATEWAY = EVERYTHING - {HTTP_ROUTE, RETRY_POLICY, GATEWAY}


def play(folder: Path, story: Story, **verdicts: Verdict) -> Stage:
    return run(folder, story, Events.IMMEDIATE, monitor=a_monitor(**verdicts))


def routes(stage: Stage) -> list[int]:
    return [number for number, write in enumerate(stage.cluster.writes) if write.kind == "HTTPRoute"]


def test_a_good_version_goes_by_its_steps_to_all_of_the_traffic(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []

    async def story(stage: Stage) -> None:
        await begun(stage)
        for weight in (5, 50):
            await at(stage, weight)
            seen.append(weights(stage))
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        seen.append(weights(stage))

    stage = play(tmp_path, story)
    assert seen == [{"1.0.0": 95, "1.1.0": 5}, {"1.0.0": 50, "1.1.0": 50}, {"1.1.0": 100}]
    assert [entry["reason"] for entry in status(stage)["history"]] == ["FirstVersion", "RolloutPassed"]


def test_a_promotion_is_one_write_of_the_route_and_no_pod_moves(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 50)
        await until(stage, lambda: stage.cluster.of(DEPLOYMENT)["churn-v1-1-0"]["spec"]["replicas"] == 4, "its pods")
        before, written = uids(stage), len(routes(stage))
        generations = {name: found["metadata"]["generation"] for name, found in stage.cluster.of(DEPLOYMENT).items()}
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await stage.wait(5)
        assert len(routes(stage)) == written + 1
        assert uids(stage) == before, "the old version stays warm"
        after = {name: found["metadata"]["generation"] for name, found in stage.cluster.of(DEPLOYMENT).items()}
        assert after == generations, "a template or a count changed"
        await stage.wait(60)
        assert set(uids(stage)) == {"churn-v1-1-0"}, "it leaves when its time is over"

    play(tmp_path, story)


def test_a_version_that_gets_copies_is_reached_by_its_own_service_and_goes_on_to_a_share(tmp_path: Path) -> None:
    seen: list[tuple[dict[str, int], list[Object]]] = []

    async def story(stage: Stage) -> None:
        await begun(stage, steps=[{"mirror": 25, "hold": "10s"}, {"weight": 50, "hold": "10s"}])
        await until(stage, lambda: status(stage).get("rollout", {}).get("stepStartedAt"), "its copies")
        seen.append((weights(stage), copies(stage)))
        assert stage.cluster.of(SERVICE)["churn-v1-1-0-mirror"]["spec"]["ports"][0]["targetPort"] == "mirror"
        await at(stage, 50)
        seen.append((weights(stage), copies(stage)))
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await stage.wait(60)
        assert {name for name in stage.cluster.of(SERVICE) if "1-0-0" in name} == set()

    play(tmp_path, story)
    target = {"group": "", "kind": "Service", "name": "churn-v1-1-0-mirror", "port": 80}
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": target, "percent": 25}}
    assert seen == [({"1.0.0": 100}, [mirror]), ({"1.0.0": 50, "1.1.0": 50}, [])]


def copies(stage: Stage) -> list[Object]:
    (rule,) = shared(stage.cluster.of(HTTP_ROUTE)["churn"])
    return [found for found in rule.get("filters", ()) if found["type"] == "RequestMirror"]


def test_a_version_that_fails_is_taken_back_by_one_write_of_the_route(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        written = len(routes(stage))
        assert stage.monitor is not None
        stage.monitor.verdicts["1.1.0"] = Verdict.FAILED
        await until(stage, lambda: weights(stage) == {"1.0.0": 100}, "the way back", seconds=3)
        assert "churn-v1-1-0" in uids(stage), "its pods answer what they have"
        await stage.wait(60)
        assert len(routes(stage)) == written + 1
        assert set(uids(stage)) == {"churn-v1-0-0"}

    stage = play(tmp_path, story, v1_1_0=Verdict.INCONCLUSIVE)
    (failed,) = status(stage)["failedVersions"]
    assert (failed["version"], failed["reason"]) == ("1.1.0", "EvidenceFailed")
    assert summary(stage.cluster)["conditions"]["RolloutProgressing"][:2] == ("False", "EvidenceFailed")


def test_a_version_without_pods_gets_no_traffic_and_its_deadline_acts(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.broken.add("churn-v1-1-0")
        await begun(stage, progressDeadline="30s")
        await until(stage, lambda: status(stage)["failedVersions"], "the deadline")
        assert weights(stage) == {"1.0.0": 100}
        assert status(stage)["failedVersions"][0]["reason"] == "ProgressDeadlineExceeded"

    assert play(tmp_path, story).faults == []  # type: ignore[attr-defined]


def test_silence_holds_and_names_who_is_silent_and_what_comes_back_goes_on(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        assert stage.monitor is not None
        stage.monitor.failure = MonitorAway("the monitor at http://m cannot be reached: refused")
        await stage.wait(60)
        assert held(stage) == ("1.1.0", 5)
        assert "http://m cannot be reached" in status(stage)["message"]
        assert status(stage)["rollout"]["verdict"] == "Error"
        stage.monitor.failure = None
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")

    play(tmp_path, story)


@pytest.mark.parametrize(("then", "left"), [("Hold", "1.1.0"), ("RollBack", "")], ids=["held", "taken back"])
def test_without_a_verdict_the_deadline_acts_as_the_spec_says(tmp_path: Path, then: str, left: str) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage, onInconclusive=then)
        await at(stage, 5)
        await stage.wait(200)
        assert status(stage).get("candidate", {}).get("version", "") == left
        conditions = summary(stage.cluster)["conditions"]
        assert conditions["Stalled"][0] == "True"
        assert live(stage) == "1.0.0"

    play(tmp_path, story, v1_1_0=Verdict.INCONCLUSIVE)


def test_what_fails_after_its_promotion_goes_while_the_version_before_it_is_warm(tmp_path: Path) -> None:
    stage = play(tmp_path, failed_after_its_promotion)
    assert [entry["version"] for entry in status(stage)["history"]] == ["1.0.0", "1.1.0", "1.0.0"]
    assert weights(stage) == {"1.0.0": 100}
    assert set(uids(stage)) == {"churn-v1-0-0"}


def test_a_person_takes_a_promoted_version_back_and_it_is_not_tried_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await stage.wait(3)
        ask(stage, "rollback")
        await until(stage, lambda: weights(stage) == {"1.0.0": 100}, "the way back", seconds=2)
        await stage.wait(60)
        assert live(stage) == "1.0.0"
        assert "1.1.0 failed here (RolledBackByRequest)" in summary(stage.cluster)["conditions"]["Stalled"][2]

    play(tmp_path, story)


def test_a_person_takes_a_version_back_that_is_no_longer_warm(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await ended(stage)
        assert set(uids(stage)) == {"churn-v1-1-0"}
        ask(stage, "rollback")
        await until(stage, lambda: live(stage) == "1.0.0", "the way back", seconds=30)

    assert play(tmp_path, story).faults == []  # type: ignore[attr-defined]


def test_an_old_version_in_the_spec_takes_traffic_back_at_once(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 50)
        respec(stage, version="1.0.0")
        await until(stage, lambda: weights(stage) == {"1.0.0": 100}, "the way back", seconds=2)
        await stage.wait(60)
        assert status(stage)["failedVersions"] == []

    play(tmp_path, story)


def test_a_third_version_begins_when_traffic_is_back(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        publish(stage.folder, "1.2.0")
        await at(stage, 5, "1.2.0")
        await until(stage, lambda: live(stage) == "1.2.0", "its promotion")
        assert [entry["version"] for entry in status(stage)["history"]] == ["1.0.0", "1.2.0"]

    play(tmp_path, story)


def test_shares_that_somebody_edits_are_put_back(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)

        def all_to_the_new_one(live: dict[str, object]) -> None:
            rules = live["spec"]["rules"]  # type: ignore[index]
            rules[0]["backendRefs"] = [{**rules[0]["backendRefs"][1], "weight": 100}]

        stage.cluster.edit(HTTP_ROUTE, "shop", "churn", all_to_the_new_one)
        await until(stage, lambda: weights(stage) == {"1.0.0": 95, "1.1.0": 5}, "the shares", seconds=3)

    play(tmp_path, story)


@pytest.mark.parametrize("weight", [5, 50])
def test_a_status_that_is_wiped_in_mid_rollout_begins_it_anew_and_ends_the_same(tmp_path: Path, weight: int) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, weight)
        pods = uids(stage)
        stage.cluster.set_status(MLMODEL, "shop", "churn", {})
        await at(stage, 5)
        assert uids(stage) == pods, "no pod was taken from under a request"
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")

    assert play(tmp_path, story).faults == []  # type: ignore[attr-defined]


def test_a_change_of_image_waits_for_the_end_of_the_rollout(tmp_path: Path) -> None:
    def images(stage: Stage) -> set[str]:
        templates = [live["spec"]["template"]["spec"] for live in stage.cluster.of(DEPLOYMENT).values()]
        return {template["containers"][0]["image"] for template in templates}

    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        before = images(stage)
        respec(stage, serving={"replicas": 5, "image": "localhost/own:2"})
        await at(stage, 50)
        assert images(stage) == before
        assert "pods change when the rollout is over" in status(stage)["message"]
        assert stage.cluster.of(DEPLOYMENT)["churn-v1-0-0"]["spec"]["replicas"] == 5, "their number is free"
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await until(stage, lambda: images(stage) == {"localhost/own:2"}, "the new image", seconds=10)
        await stage.wait(60)
        assert "pods change" not in status(stage)["message"]

    assert play(tmp_path, story).faults == []  # type: ignore[attr-defined]


def test_an_image_may_be_mended_while_the_version_has_no_traffic_yet(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.broken.add("churn-v1-1-0")
        await begun(stage)
        await until(stage, lambda: "churn-v1-1-0" in uids(stage), "its pods")
        respec(stage, serving={"replicas": 4, "image": "localhost/own:2"})
        await stage.wait(5)
        template = stage.cluster.of(DEPLOYMENT)["churn-v1-1-0"]["spec"]["template"]["spec"]
        assert template["containers"][0]["image"] == "localhost/own:2"

    play(tmp_path, story)


def test_an_approval_is_waited_for(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage, steps=[{"weight": 50, "hold": "5s", "approval": True}])
        await until(stage, lambda: status(stage).get("rollout", {}).get("waitsFor") == "ApprovalPending", "the wait")
        await stage.wait(60)
        assert held(stage) == ("1.1.0", 50)
        ask(stage, "approve")
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion", seconds=20)

    play(tmp_path, story)


def test_without_the_gateway_api_all_traffic_moves_at_once_and_it_is_said(tmp_path: Path) -> None:
    stage = run(tmp_path, ended, Events.IMMEDIATE, served=WITHOUT_GATEWAY, monitor=a_monitor())
    assert live(stage) == "1.1.0"
    assert stage.cluster.of(SERVICE)["churn"]["spec"]["selector"][VERSION_LABEL] == "1.1.0"
    assert summary(stage.cluster)["conditions"]["RolloutJudged"][:2] == ("False", "GatewayAPIMissing")
    assert "all traffic moves at once" in status(stage)["message"]


def test_a_blue_green_rollout_moves_everything_in_one_write_and_keeps_the_old_version(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.cluster.put(MLMODEL, model(strategy="BlueGreen", steps=None))
        await stage.wait(SETTLED_SECONDS)
        publish(stage.folder, "1.1.0")
        await until(stage, lambda: live(stage) == "1.1.0", "the switch", seconds=30)
        assert set(uids(stage)) == {"churn-v1-0-0", "churn-v1-1-0"}

    play(tmp_path, story)


def test_a_rollout_that_holds_writes_nothing(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage, steps=[{"weight": 5, "hold": "10m"}])
        await at(stage, 5)
        await stage.wait(30)
        before = len(stage.cluster.writes)
        await stage.wait(120)
        assert stage.cluster.writes[before:] == []

    play(tmp_path, story)


def test_killed_after_any_write_a_version_that_fails_is_taken_back(tmp_path: Path) -> None:
    # Other stories, and events late, lost and twice: the cluster layer.
    bad = check_killed_after_any_write(tmp_path, ended, Events.IMMEDIATE, lambda: a_monitor(v1_1_0=Verdict.FAILED))
    assert bad > 25


def test_nothing_is_left_of_an_mlmodel_that_is_deleted_in_mid_rollout(tmp_path: Path) -> None:
    stage = play(tmp_path, deleted_in_mid_rollout)
    assert not stage.cluster.of(DEPLOYMENT)
    assert not stage.cluster.of(HTTP_ROUTE)
