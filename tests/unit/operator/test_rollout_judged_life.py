"""Rollouts on the fake cluster by a monitor that judges what it counted, and other lives, killed at each write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bench.evidence.days import Day

from fakes.cluster import Events
from fakes.monitor import FakeMonitor
from fakes.operator import Stage
from fakes.rollouts import a_monitor, at, begun, held, live, model, respec, status, until, weights
from fakes.stories import SETTLED_SECONDS, Story, check_killed_after_any_write, publish, run
from modelloop_core.evidence.observed import Observed
from modelloop_core.evidence.verdict import judge
from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence
from modelloop_operator.cluster.kinds import DEPLOYMENT, JOB, MLMODEL

CLICKS = {"business": [{"name": "clicks", "kind": "rate", "delay": "1s"}]}


class CountingMonitor(FakeMonitor):
    """Judges what both versions were counted in a day."""

    def __init__(self, day: Observed) -> None:
        super().__init__()
        self.day = day

    async def evidence(self, namespace: str, name: str, query: EvidenceQuery) -> RolloutEvidence | None:
        """See the port."""
        found, said = await super().evidence(namespace, name, query), judge(query, self.day)
        assert found is not None
        told = {"verdict": said.verdict, "message": said.message, "checks": said.checks}
        return found.model_copy(update={**told, "stable_failing": said.stable_failing})


def play(folder: Path, story: Story, day: Day) -> Stage:
    monitor = CountingMonitor(day.draw(np.random.default_rng(11)))
    return run(folder, story, Events.IMMEDIATE, monitor=monitor)


def test_a_version_three_times_as_slow_is_taken_back_at_its_first_share(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        await until(stage, lambda: status(stage).get("failedVersions"), "its end")
        (failed,) = status(stage)["failedVersions"]
        assert (failed["version"], failed["reason"]) == ("1.1.0", "EvidenceFailed")
        assert "LatencyIncrease" in failed["message"]
        assert (live(stage), weights(stage)) == ("1.0.0", {"1.0.0": 100})

    play(tmp_path, story, Day(10, slower=3, weights=(0.05,), tides=False))


def test_where_the_live_version_fails_as_well_nobody_is_taken_back_and_that_is_said(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await begun(stage)
        await at(stage, 5)
        said = "the live version 1.0.0 fails by itself"
        await until(stage, lambda: said in status(stage)["message"], said, seconds=30)
        await stage.wait(30)
        assert not status(stage).get("failedVersions")
        assert held(stage)[0] == "1.1.0"

    play(tmp_path, story, Day(10, errors=0.05, weights=(0.05,), tides=False))


def by_test() -> dict[str, Any]:
    """An MLModel whose versions are decided by an A/B test on clicks."""
    found = model(strategy="AB", ab={"split": 40, "metric": "clicks", "maxDuration": "60s"})
    del found["spec"]["rollout"]["steps"]
    found["spec"]["monitoring"] = CLICKS
    return found


async def by_a_test(stage: Stage) -> None:
    """1.1.0 is tried by an A/B test, which ends within the story."""
    publish(stage.folder, "1.0.0")
    stage.cluster.put(MLMODEL, by_test())
    await stage.wait(SETTLED_SECONDS)
    publish(stage.folder, "1.1.0")
    await stage.wait(120)


def test_killed_after_any_write_the_better_version_of_a_test_stays(tmp_path: Path) -> None:
    def better() -> FakeMonitor:
        monitor = a_monitor()
        monitor.winners["1.1.0"] = "candidate"
        return monitor

    assert check_killed_after_any_write(tmp_path / "killed", by_a_test, Events.IMMEDIATE, better) > 20
    stage = run(tmp_path / "once", by_a_test, Events.IMMEDIATE, monitor=better())
    assert (live(stage), status(stage)["history"][-1]["reason"]) == ("1.1.0", "ABWon")


async def copied(stage: Stage) -> None:
    """1.1.0 gets copies, then half of the traffic, then all."""
    await begun(stage, steps=[{"mirror": 10, "hold": "5s"}, {"weight": 50, "hold": "5s"}])
    await stage.wait(120)


def test_killed_after_any_write_a_version_goes_from_copies_to_all_of_the_traffic(tmp_path: Path) -> None:
    assert check_killed_after_any_write(tmp_path / "killed", copied, Events.IMMEDIATE, a_monitor) > 25
    assert live(run(tmp_path / "once", copied, Events.IMMEDIATE, monitor=a_monitor())) == "1.1.0"


def test_replicas_that_change_while_a_version_is_staged_do_not_stage_it_anew(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        work, stage.controllers.on_job = stage.controllers.on_job, None
        await begun(stage, staging={"replay": 300}, steps=[{"weight": 50, "hold": "10s"}])
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        before = set(stage.cluster.of(JOB))
        respec(stage, serving={"replicas": 6})
        await stage.wait(30)
        assert set(stage.cluster.of(JOB)) == before
        stage.controllers.on_job = work
        await at(stage, 50)
        assert stage.cluster.of(DEPLOYMENT)["churn-v1-1-0"]["spec"]["replicas"] == 3
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")

    run(tmp_path, story, Events.IMMEDIATE, monitor=a_monitor())
