"""An MLModel's whole life on the fake cluster: what is written, how often, and what is left when the operator dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fakes.cluster import Events
from fakes.operator import KEY, Life, Stage
from fakes.stories import check_killed_after_any_write, run, served_and_replaced, served_replaced_and_deleted, summary
from modelloop_operator.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE


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
