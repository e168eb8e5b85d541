"""An MLModel's whole life on the fake cluster: what is written, how often, and what is left when the operator dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from fakes.cluster import EVERYTHING, Events, FakeCluster, Write
from fakes.operator import KEY, RESYNC_SECONDS, Life, Stage
from fakes.stories import (
    MODEL,
    SETTLED_SECONDS,
    check_killed_after_any_write,
    publish,
    run,
    served_and_replaced,
    served_replaced_and_deleted,
    summary,
)
from fakes.virtual_time import Inline, Silent
from modelloop_core.history import HistoryEvent
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import AccessDenied
from modelloop_core.versions import Version
from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_operator.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    EVENT,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    MLMODEL,
    POD,
    RETRY_POLICY,
    SERVICE,
    Kind,
)
from modelloop_operator.cluster.port import Conflict, Faulted, Object, Rejected
from modelloop_operator.naming import VERSION_LABEL, selector

WITHOUT_GATEWAY = EVERYTHING - {HTTP_ROUTE, RETRY_POLICY, GATEWAY}


def test_a_version_is_served_and_then_replaced(tmp_path: Path) -> None:
    stage = run(tmp_path, served_and_replaced, Events.IMMEDIATE)
    found = summary(stage.cluster)
    assert found["roles"] == {"stable": "1.1.0", "candidate": None}
    assert found["weights"]["stable"] == 100
    assert found["conditions"]["Ready"] == ("True", "Serving", "1.1.0 serves")
    assert found["conditions"]["Stalled"][0] == "False"
    assert found["phase"] == "Serving"
    assert found["warm"] == []
    assert set(stage.cluster.of(DEPLOYMENT)) == {"churn-v1-1-0"}
    assert set(stage.cluster.of(SERVICE)) == {"churn", "churn-v1-1-0"}
    (rule,) = stage.cluster.of(HTTP_ROUTE)["churn"]["spec"]["rules"]
    assert [(ref["name"], ref["weight"]) for ref in rule["backendRefs"]] == [("churn-v1-1-0", 100)]


def test_the_steady_state_writes_nothing(tmp_path: Path) -> None:
    counted: list[int] = []

    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        counted.append(len(stage.cluster.writes))
        for _ in range(5):
            stage.life.queue.add(KEY)
            await stage.wait(30)
        counted.append(len(stage.cluster.writes))

    stage = run(tmp_path, story, Events.IMMEDIATE)
    assert counted[0] == counted[1], stage.cluster.writes[counted[0] :]


def test_a_restart_in_the_steady_state_writes_nothing(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        before = list(stage.cluster.writes)
        fresh = Life(stage.cluster, stage.folder, stage.clock)
        await fresh.sync()
        assert await fresh.reconciler.reconcile(KEY)
        assert stage.cluster.writes == before

    run(tmp_path, story, Events.IMMEDIATE)


def test_killed_after_any_write_it_ends_in_the_same_state(tmp_path: Path) -> None:
    # With events late, lost and twice: the cluster layer.
    assert check_killed_after_any_write(tmp_path, served_replaced_and_deleted, Events.IMMEDIATE) > 20


def test_no_write_is_made_twice_when_nothing_goes_wrong(tmp_path: Path) -> None:
    writes = run(tmp_path, served_and_replaced, Events.IMMEDIATE).cluster.writes
    applied = Counter(write for write in writes if write.verb == "apply")
    moved_once = {write for write, times in applied.items() if times > 1}
    # The route and the Service under the model's own name follow each version; everything else is written once.
    assert {(write.kind, write.name) for write in moved_once} == {("HTTPRoute", "churn"), ("Service", "churn")}


def test_a_decision_on_a_stale_view_fails_before_it_acts(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        behind = Life(stage.cluster, stage.folder, stage.clock)
        await behind.sync()
        publish(stage.folder, "1.2.0")
        # The other replica leads and commits; this one still holds what it saw before.
        live = stage.cluster.of(MLMODEL)["churn"]
        stage.cluster.set_status(MLMODEL, "shop", "churn", {**live["status"], "message": "somebody else was here"})
        before = list(stage.cluster.writes)
        with pytest.raises(Conflict):
            await behind.reconciler.reconcile(KEY)
        assert stage.cluster.writes == before

    run(tmp_path, story, Events.DROPPED)


def test_status_that_is_wiped_is_rebuilt_from_route_and_pods_without_touching_them(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        uids = {name: live["metadata"]["uid"] for name, live in stage.cluster.of(DEPLOYMENT).items()}
        before = summary(stage.cluster)
        written = len(stage.cluster.writes)
        stage.cluster.set_status(MLMODEL, "shop", "churn", {})
        await stage.wait(30)
        after = summary(stage.cluster)
        # How the last one ended cannot be observed any more.
        assert before["conditions"].pop("RolloutProgressing")[:2] == ("False", "CandidateReady")
        assert after["conditions"].pop("RolloutProgressing")[:2] == ("False", "NoRollout")
        assert after == before
        assert {name: live["metadata"]["uid"] for name, live in stage.cluster.of(DEPLOYMENT).items()} == uids
        assert {write.verb for write in stage.cluster.writes[written:]} == {"status", "create"}

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_first_version_that_is_refused_leaves_no_pods_behind(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.controllers.broken.add("churn-v1-0-0")
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(5)
        stage.cluster.put(POD, failed_pod("churn", "1.0.0"))
        await stage.wait(30)
        status = stage.cluster.of(MLMODEL)["churn"]["status"]
        assert [failed["version"] for failed in status["failedVersions"]] == ["1.0.0"]
        assert list(stage.cluster.of(DEPLOYMENT)) == []
        assert list(stage.cluster.of(SERVICE)) == []

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_broken_version_is_refused_and_the_live_one_goes_on(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        stage.controllers.broken.add("churn-v1-2-0")
        publish(stage.folder, "1.2.0")
        await stage.wait(10)
        stage.cluster.put(POD, failed_pod("churn", "1.2.0"))
        await stage.wait(30)
        found = summary(stage.cluster)
        assert found["roles"] == {"stable": "1.1.0", "candidate": None}
        assert found["failedVersions"] == ["1.2.0"]
        assert found["conditions"]["Stalled"][1] == "VersionFailed"
        assert found["conditions"]["Ready"][0] == "True"
        assert set(stage.cluster.of(DEPLOYMENT)) == {"churn-v1-1-0"}

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_mlmodel_made_again_while_a_pass_ends_the_old_one_is_not_forgotten(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        # Without children, whose going would wake the operator up.
        leaving = {**MODEL, "metadata": {**MODEL["metadata"], "finalizers": ["example.org/held"]}}
        stage.cluster.put(MLMODEL, leaving)
        await stage.wait(41)

        def in_the_middle_of_a_pass(kind: Kind) -> None:
            if "deletionTimestamp" in stage.cluster.of(MLMODEL)["churn"]["metadata"]:
                stage.cluster.finish_deletion(MLMODEL, "shop", "churn")
                stage.cluster.put(MLMODEL, MODEL)

        stage.cluster.on_get = in_the_middle_of_a_pass
        stage.cluster.remove(MLMODEL, "shop", "churn")
        # Before the next repairing LIST.
        await stage.wait(RESYNC_SECONDS / 2)
        assert stage.cluster.of(MLMODEL)["churn"].get("status")

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_mlmodel_that_comes_while_the_list_is_under_way_is_not_taken_for_a_ghost(tmp_path: Path) -> None:
    cluster = FakeCluster()
    life = Life(cluster, tmp_path, lambda: 0.0)
    cluster.listen(life.on_event)

    def it_comes_after_the_snapshot(kind: Kind) -> None:
        if kind == MLMODEL:
            cluster.put(MLMODEL, MODEL)

    cluster.while_listing = it_comes_after_the_snapshot
    asyncio.run(life.sync())
    assert KEY in life.cache.models


def test_a_child_that_is_being_deleted_is_waited_for_and_made_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        budget = "churn-v1-1-0"
        stage.cluster.edit(
            DISRUPTION_BUDGET, "shop", budget, lambda live: live["metadata"].update(finalizers=["example.org/held"])
        )
        stage.cluster.remove(DISRUPTION_BUDGET, "shop", budget)
        await stage.wait(20)
        assert summary(stage.cluster)["conditions"]["Stalled"][0] == "False"
        stage.cluster.finish_deletion(DISRUPTION_BUDGET, "shop", budget)
        await stage.wait(10)
        assert "deletionTimestamp" not in stage.cluster.of(DISRUPTION_BUDGET)[budget]["metadata"]

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_name_that_a_foreign_object_holds_is_told_and_left_alone(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        theirs = {"metadata": {"name": "churn-v1-0-0", "namespace": "shop"}, "spec": {"selector": {"app": "other"}}}
        stage.cluster.put(SERVICE, theirs)
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(20)
        stalled = summary(stage.cluster)["conditions"]["Stalled"]
        assert stalled[0] == "True"
        assert "Service shop/churn-v1-0-0 exists and does not belong to this MLModel" in stalled[2]
        assert stage.cluster.of(SERVICE)["churn-v1-0-0"]["spec"] == {"selector": {"app": "other"}}
        stage.cluster.remove(SERVICE, "shop", "churn-v1-0-0")
        await stage.wait(90)
        assert summary(stage.cluster)["conditions"]["Stalled"][0] == "False"
        assert summary(stage.cluster)["conditions"]["Ready"][0] == "True"

    run(tmp_path, story, Events.IMMEDIATE)


@pytest.mark.parametrize("kind", [SERVICE, HTTP_ROUTE], ids=lambda kind: kind.kind)
def test_a_child_that_was_deleted_by_hand_is_made_again_and_its_loss_is_soon_forgotten(
    tmp_path: Path, kind: Kind
) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        before = summary(stage.cluster)
        stage.cluster.remove(kind, "shop", "churn")
        await stage.wait(20)
        assert summary(stage.cluster) == before

    served = EVERYTHING if kind == HTTP_ROUTE else WITHOUT_GATEWAY
    run(tmp_path, story, Events.IMMEDIATE, served=served)


def test_a_service_whose_selector_was_edited_by_hand_is_mended(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        before = summary(stage.cluster)
        stage.cluster.edit(
            SERVICE, "shop", "churn", lambda live: live["spec"]["selector"].update({VERSION_LABEL: "the good one"})
        )
        await stage.wait(20)
        assert summary(stage.cluster) == before

    run(tmp_path, story, Events.IMMEDIATE, served=WITHOUT_GATEWAY)


def test_a_child_that_the_api_server_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        full = Rejected("exceeded quota: few-deployments")
        stage.cluster.refuse = lambda verb, kind, name: full if (verb, kind) == ("apply", DEPLOYMENT) else None
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(20)
        assert summary(stage.cluster)["conditions"]["Stalled"] == ("True", "WriteRejected", str(full))
        assert warnings(stage.cluster) == [("WriteRejected", str(full))]
        stage.cluster.refuse = lambda verb, kind, name: None
        await stage.wait(90)
        assert summary(stage.cluster)["conditions"]["Ready"][0] == "True"

    run(tmp_path, story, Events.IMMEDIATE)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [pytest.param(5, False, id="not at once"), pytest.param(60, True, id="once it lasts")],
)
def test_a_webhook_that_fails_is_told_in_the_api_servers_words(tmp_path: Path, seconds: float, told: bool) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        down = Faulted("PATCH /deployments/churn: 500 failed calling webhook 'policy': connection refused")
        stage.cluster.refuse = lambda verb, kind, name: down if (verb, kind) == ("apply", DEPLOYMENT) else None
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(seconds)
        stalled = summary(stage.cluster)["conditions"]["Stalled"]
        assert stalled == (("True", "WriteRejected", str(down)) if told else ("False", "Progressing", ""))
        assert warnings(stage.cluster) == ([("WriteRejected", str(down))] if told else [])
        stage.cluster.refuse = lambda verb, kind, name: None
        await stage.wait(90)
        found = summary(stage.cluster)["conditions"]
        assert (found["Ready"][0], found["Stalled"][0]) == ("True", "False")

    run(tmp_path, story, Events.IMMEDIATE)


def test_faults_that_are_over_each_time_do_not_add_up(tmp_path: Path) -> None:
    failed_for: set[int] = set()

    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        for replicas in range(3, 9):

            def fail(verb: str, kind: Kind, name: str, replicas: int = replicas) -> Faulted | None:
                if (verb, kind) != ("apply", DEPLOYMENT):
                    return None
                failed_for.add(replicas)
                return Faulted("PATCH /deployments/churn: 500 failed calling webhook")

            stage.cluster.refuse = fail
            stage.cluster.put(MLMODEL, {**MODEL, "spec": {**MODEL["spec"], "serving": {"replicas": replicas}}})
            await stage.wait(5)
            stage.cluster.refuse = lambda verb, kind, name: None
            await stage.wait(30)
        assert warnings(stage.cluster) == []

    run(tmp_path, story, Events.IMMEDIATE)
    assert failed_for == set(range(3, 9))


def test_a_refused_child_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    tries: list[float] = []

    async def story(stage: Stage) -> None:
        def refuse(verb: str, kind: Kind, name: str) -> Rejected | None:
            if (verb, kind) != ("apply", DEPLOYMENT):
                return None
            tries.append(stage.clock())
            # Other words each time, as of a webhook that names the request.
            return Rejected(f"PATCH {kind.plural}: denied, request {len(tries)}")

        publish(stage.folder, "1.0.0")
        stage.cluster.refuse = refuse
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(300)

    run(tmp_path, story, Events.IMMEDIATE)
    # At once: the first pass, the one that puts the refusal into status, and the one that this write wakes.
    assert tries.count(tries[0]) == 3
    assert 5 < len(tries) < 20
    assert tries[-1] - tries[-2] > 30


def test_a_read_that_the_api_server_forbids_is_told_in_its_words_until_it_is_allowed(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        forbidden = Rejected("endpointslices is forbidden")
        stage.cluster.refuse = lambda verb, kind, name: forbidden if kind == ENDPOINT_SLICE else None
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(20)
        assert summary(stage.cluster)["conditions"]["Stalled"] == ("True", "ReadRejected", str(forbidden))
        assert warnings(stage.cluster) == [("ReadRejected", str(forbidden))]
        stage.cluster.refuse = lambda verb, kind, name: None
        await stage.wait(150)
        found = summary(stage.cluster)["conditions"]
        assert (found["Ready"][0], found["Stalled"][0]) == ("True", "False")

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_status_that_the_api_server_refuses_is_told_by_an_event(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        invalid = Rejected("status.phase: Unsupported value")
        stage.cluster.refuse = lambda verb, kind, name: invalid if (verb, kind) == ("replace", MLMODEL) else None
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(20)
        assert warnings(stage.cluster) == [("WriteRejected", str(invalid))]
        stage.cluster.refuse = lambda verb, kind, name: None
        await stage.wait(150)
        found = summary(stage.cluster)["conditions"]
        assert (found["Ready"][0], found["Stalled"][0]) == ("True", "False")

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_api_server_that_was_away_is_no_reason_to_do_anything_but_go_on(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        before, written = summary(stage.cluster), len(stage.cluster.writes)
        stage.cluster.unreachable = True
        stage.life.queue.add(KEY)
        await stage.wait(40)
        stage.cluster.unreachable = False
        await stage.wait(60)
        assert summary(stage.cluster) == before
        assert stage.cluster.writes[written:] == []
        publish(stage.folder, "1.2.0")
        await stage.wait(45)
        assert summary(stage.cluster)["roles"]["stable"] == "1.2.0"

    run(tmp_path, story, Events.IMMEDIATE)


def test_without_the_gateway_api_the_service_carries_the_traffic_and_the_condition_says_what_is_missing(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        found = summary(stage.cluster)
        assert found["conditions"]["RouteAccepted"][:2] == ("False", "GatewayAPIMissing")
        assert found["conditions"]["Ready"][0] == "True"
        assert found["weights"]["stable"] == 100
        assert stage.cluster.of(HTTP_ROUTE) == {}

    run(tmp_path, story, Events.IMMEDIATE, served=WITHOUT_GATEWAY)


def test_the_time_to_drain_counts_from_the_gateways_yes_and_not_from_the_decision(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(SETTLED_SECONDS)
        stage.controllers.gateway_answers = False
        publish(stage.folder, "1.1.0")
        await stage.wait(SETTLED_SECONDS)
        assert summary(stage.cluster)["roles"]["stable"] == "1.1.0"
        assert stage.life.policy.drain.total_seconds() < SETTLED_SECONDS
        stage.controllers.gateway_answers = True
        await stage.wait(3)
        assert "churn-v1-0-0" in stage.cluster.of(DEPLOYMENT)
        await stage.wait(stage.life.policy.drain.total_seconds())
        assert "churn-v1-0-0" not in stage.cluster.of(DEPLOYMENT)

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_ingress_that_nobody_took_up_and_an_autoscaler_without_metrics_are_told_until_they_are_well(
    tmp_path: Path,
) -> None:
    spec = {
        **MODEL["spec"],
        "traffic": {"ingress": {"host": "churn.example.com", "className": "nginx"}},
        "serving": {"autoscaling": {"maxReplicas": 4}},
    }

    def autoscaler_says(stage: Stage, status: str, reason: str) -> None:
        said = {"type": "ScalingActive", "status": status, "reason": reason, "message": "no metrics API"}
        stage.cluster.set_status(AUTOSCALER, "shop", "churn-v1-0-0", {"conditions": [said]})

    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.cluster.put(MLMODEL, {**MODEL, "spec": spec})
        await stage.wait(SETTLED_SECONDS)
        autoscaler_says(stage, "False", "FailedGetResourceMetric")
        await stage.wait(5)
        found = summary(stage.cluster)["conditions"]
        assert found["Ready"][0] == "True"
        assert found["RouteAccepted"][:2] == ("False", "IngressNotTakenUp")
        assert "class nginx" in found["RouteAccepted"][2]
        assert found["ScalingAvailable"] == ("False", "CannotScale", "FailedGetResourceMetric: no metrics API")
        autoscaler_says(stage, "True", "ValidMetricFound")
        stage.cluster.set_status(INGRESS, "shop", "churn", {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}})
        await stage.wait(5)
        found = summary(stage.cluster)["conditions"]
        assert (found["RouteAccepted"][0], found["ScalingAvailable"][0]) == ("True", "True")

    run(tmp_path, story, Events.IMMEDIATE)


@pytest.mark.parametrize("serving", [{"device": "cuda"}, {"timeout": "2s"}], ids=["another device", "other settings"])
def test_the_pods_that_serve_are_counted_also_while_their_spec_changes(tmp_path: Path, serving: dict[str, str]) -> None:
    counted: set[int] = set()

    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        look_at = stage.cluster.on_write

        def count(write: Write, body: Object) -> None:
            look_at(write, body)
            if write.verb == "status":
                counted.add(body["status"]["stable"]["readyReplicas"])

        stage.cluster.on_write = count
        stage.cluster.put(MLMODEL, {**MODEL, "spec": {**MODEL["spec"], "serving": serving}})
        await stage.wait(20)

    run(tmp_path, story, Events.IMMEDIATE)
    assert counted == {2}


def warnings(cluster: FakeCluster) -> list[tuple[str, str]]:
    """Reason and words of each warning that was told."""
    told = cluster.of(EVENT).values()
    return [(event["reason"], event["note"]) for event in told if event["type"] == "Warning"]


def failed_pod(model: str, version: str) -> Object:
    """A pod that ended for ever and said why."""
    message = '{"reason": "ChecksumMismatch", "message": "model.onnx is damaged"}'
    terminated = {"exitCode": EXIT_PERMANENT, "message": message}
    return {
        "metadata": {
            "name": f"{model}-{version}-pod",
            "namespace": "shop",
            "labels": selector(model, Version.parse(version)),
        },
        "status": {"containerStatuses": [{"state": {"terminated": terminated}}]},
    }


def test_what_was_live_is_waited_for_when_neither_status_nor_route_nor_history_can_say(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        # A new signature: nobody has said yes to it.
        publish(stage.folder, "2.0.0")
        await stage.wait(10)
        stage.registry().store.create("history/00000000T000000.000000Z-promoted-x.json", b"damaged")
        for kind in (HTTP_ROUTE, SERVICE):
            stage.cluster.remove(kind, "shop", "churn")
        stage.cluster.set_status(MLMODEL, "shop", "churn", {})
        await stage.wait(45)
        assert "churn-v1-1-0" in stage.cluster.of(DEPLOYMENT), "the pods that served were taken down"
        assert "churn-v2-0-0" not in stage.cluster.of(DEPLOYMENT), "a new signature was started on a guess"

    run(tmp_path, story, Events.IMMEDIATE)


@pytest.mark.parametrize("text", ["refresh", '{"verb": "refresh"}', "[]"], ids=["no JSON", "no id", "no object"])
def test_a_request_that_cannot_be_read_is_refused_once_and_says_how_to_write_it(tmp_path: Path, text: str) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        annotated = {**MODEL["metadata"], "annotations": {"modelloop.dev/request": text}}
        stage.cluster.put(MLMODEL, {**MODEL, "metadata": annotated})
        await stage.wait(20)
        answer = stage.cluster.of(MLMODEL)["churn"]["status"]["handledRequest"]
        assert answer["outcome"] == "Refused"
        assert '{"id": "…", "verb": "refresh"}' in answer["message"]
        written = len(stage.cluster.writes)
        stage.life.queue.add(KEY)
        await stage.wait(20)
        assert len(stage.cluster.writes) == written

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_status_that_names_no_version_is_told_and_not_stumbled_over(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        deployments = set(stage.cluster.of(DEPLOYMENT))
        stage.cluster.set_status(MLMODEL, "shop", "churn", {"stable": {"version": "the good one"}})
        await stage.wait(20)
        status = stage.cluster.of(MLMODEL)["churn"]["status"]
        (stalled,) = [found for found in status["conditions"] if found["type"] == "Stalled"]
        assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
        assert "status.stable.version" in stalled["message"]
        assert set(stage.cluster.of(DEPLOYMENT)) == deployments

    run(tmp_path, story, Events.IMMEDIATE)


def test_under_a_range_that_nothing_can_be_in_what_is_live_is_cared_for_and_requests_are_answered(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        asked = {"modelloop.dev/request": '{"id": "r1", "verb": "refresh"}'}
        metadata = {**MODEL["metadata"], "annotations": asked}
        stage.cluster.put(MLMODEL, {**MODEL, "metadata": metadata, "spec": {**MODEL["spec"], "version": ">2 <1"}})
        await stage.wait(20)
        stage.cluster.remove(SERVICE, "shop", "churn")
        await stage.wait(20)
        status = stage.cluster.of(MLMODEL)["churn"]["status"]
        told = {found["type"]: (found["status"], found["reason"]) for found in status["conditions"]}
        assert told["Stalled"] == ("True", "InvalidSpec")
        assert told["Ready"][0] == "True"
        assert status["handledRequest"]["id"] == "r1"
        assert "churn" in stage.cluster.of(SERVICE)

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_operator_older_than_the_resource_says_so_and_lets_the_model_be(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        before = set(stage.cluster.of(DEPLOYMENT))
        stage.cluster.put(MLMODEL, {**MODEL, "spec": {**MODEL["spec"], "later": {"by": "default"}}})
        await stage.wait(20)
        status = stage.cluster.of(MLMODEL)["churn"]["status"]
        (stalled,) = [found for found in status["conditions"] if found["type"] == "Stalled"]
        assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
        assert "does not know spec.later" in stalled["message"]
        assert "the operator is older than the resource" in stalled["message"]
        assert set(stage.cluster.of(DEPLOYMENT)) == before

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_pin_that_moves_back_during_an_update_leaves_what_serves_alone(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await served_and_replaced(stage)
        stage.controllers.broken.add("churn-v1-2-0")
        publish(stage.folder, "1.2.0")
        await stage.wait(20)
        assert summary(stage.cluster)["roles"]["candidate"] == "1.2.0"
        stage.cluster.put(MLMODEL, {**MODEL, "spec": {**MODEL["spec"], "version": "1.1.0"}})
        await stage.wait(20)
        found = summary(stage.cluster)
        assert (found["roles"], found["failedVersions"]) == ({"stable": "1.1.0", "candidate": None}, [])
        assert set(stage.cluster.of(DEPLOYMENT)) == {"churn-v1-1-0"}

    run(tmp_path, story, Events.IMMEDIATE)


def test_an_mlmodel_whose_registry_lets_nobody_in_says_so_and_not_that_its_status_was_lost(tmp_path: Path) -> None:
    class Closed(Registry):
        def folders(self) -> tuple[Version, ...]:
            raise AccessDenied("403")

        def history(self) -> tuple[HistoryEvent, ...]:
            raise AccessDenied("403")

    async def story(stage: Stage) -> None:
        stage.life.open = lambda ref, keys: Closed(DirectoryStore(tmp_path))
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(20)
        assert summary(stage.cluster)["conditions"]["Stalled"][1] == "AccessDenied"

    run(tmp_path, story, Events.IMMEDIATE)


def test_a_store_that_never_answers_keeps_no_mlmodel_of_another_store_waiting(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.life.threads_of = lambda endpoint: Silent() if endpoint[0] else Inline(max_workers=1)
        for n in range(100):
            registry = {"uri": f"s3://models/{n}", "endpoint": "http://silent"}
            meta = {"name": f"silent-{n}", "namespace": "shop"}
            stage.cluster.put(MLMODEL, {**MODEL, "metadata": meta, "spec": {**MODEL["spec"], "registry": registry}})
        stage.cluster.put(MLMODEL, MODEL)
        await stage.wait(15)
        models = stage.cluster.of(MLMODEL)
        assert models["churn"]["status"]["phase"] == "Serving"
        waiting = {conditions_of(model)["Reconciling"] for name, model in models.items() if name != "churn"}
        assert waiting == {("True", "RegistryPending")}
        publish(stage.folder, "1.1.0")
        await stage.wait(30)
        assert stage.cluster.of(MLMODEL)["churn"]["status"]["stable"]["version"] == "1.1.0"

    run(tmp_path, story, Events.IMMEDIATE)


def conditions_of(model: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in model["status"]["conditions"]}


def test_a_request_is_answered_by_what_the_registry_says_and_not_by_its_silence(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        silent = Silent()
        publish(stage.folder, "1.0.0")
        stage.life.threads_of = lambda endpoint: silent
        asked = {**MODEL["metadata"], "annotations": {"modelloop.dev/request": '{"id": "7", "verb": "refresh"}'}}
        stage.cluster.put(MLMODEL, {**MODEL, "metadata": asked})
        await stage.wait(10)
        assert "handledRequest" not in stage.cluster.of(MLMODEL)["churn"]["status"]
        for _ in range(10):
            silent.answer()
            await stage.wait(2)
        answer = stage.cluster.of(MLMODEL)["churn"]["status"]["handledRequest"]
        assert (answer["outcome"], answer["message"]) == ("Done", "the registry was read: 1 versions")

    run(tmp_path, story, Events.IMMEDIATE)
