"""The monitor is told of rollouts beside the passes: once for each change, and again from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fakes.cluster import Events
from fakes.monitor import FakeMonitor
from fakes.operator import Stage
from fakes.rollouts import a_monitor, at, begun, live, until
from fakes.seen import a_status, observed
from fakes.stories import run
from fakes.trying import a_rollout, in_rollout
from fakes.virtual_time import run_virtually
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.settings import RENEWED_SECONDS
from modelloop_operator.cluster.monitor import MonitorAway, MonitorError, MonitorRefused
from modelloop_operator.cluster.tales import Tales
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.questions import question
from modelloop_operator.decide.tale import tale_of

KEY = ("shop", "churn")
STEPS = [{"weight": 5, "since": "2026-03-01T12:00:00Z", "verdict": "Passed"}]


def told(monitor: FakeMonitor) -> int:
    return sum(verb == "rollouts" for verb, _ in monitor.asked)


def play(story: Callable[[Tales, FakeMonitor], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: Callable[[], float]) -> None:
        monitor = FakeMonitor()
        await story(Tales(monitor, clock), monitor)

    run_virtually(main)


def seen(weight: int = 5) -> Observation:
    return in_rollout(weight, rollout=a_rollout(steps=STEPS, waitsFor="HoldingStep"))


def test_what_is_told_is_what_is_live_and_tried_and_what_the_evidence_is_asked() -> None:
    found = tale_of(seen())
    assert found is not None
    assert found.live is not None
    assert found.tried is not None
    assert (found.live.version, found.live.weight, found.tried.version, found.tried.weight) == ("1.0.0", 95, "1.1.0", 5)
    (rollout,) = found.rollouts
    assert (rollout.plan, rollout.waits_for, rollout.ended) == ((5, 25, 50, 100), "HoldingStep", None)
    assert [(step.weight, step.verdict) for step in rollout.steps] == [(5, "Passed")]
    assert rollout.question == question(seen())
    assert rollout.question is not None


def test_nothing_is_told_before_a_version_is_live() -> None:
    assert tale_of(observed(a_status(None, "1.0.0"))) is None


def test_the_same_is_told_once_and_again_after_a_time() -> None:
    async def story(tales: Tales, monitor: FakeMonitor) -> None:
        for _ in range(3):
            tales.tell(KEY, seen())
            await asyncio.sleep(1)
        assert told(monitor) == 1
        tales.tell(KEY, seen(25))
        await asyncio.sleep(1)
        assert told(monitor) == 2
        await asyncio.sleep(RENEWED_SECONDS / 2)
        tales.tell(KEY, seen(25))
        await asyncio.sleep(1)
        assert told(monitor) == 3

    play(story)


def test_what_changes_while_it_is_told_is_told_after_it() -> None:
    async def story(tales: Tales, monitor: FakeMonitor) -> None:
        for weight in (5, 25, 50):
            tales.tell(KEY, seen(weight))
        await asyncio.sleep(1)
        assert told(monitor) == 2
        assert monitor.rollouts[KEY].tried is not None
        assert monitor.rollouts[KEY].tried.weight == 50

    play(story)


@pytest.mark.parametrize(
    ("failure", "asked"), [(MonitorAway("away"), 2), (MonitorRefused("no"), 1)], ids=["away", "refused"]
)
def test_a_monitor_that_is_away_is_tried_again_and_one_that_refuses_is_not(failure: MonitorError, asked: int) -> None:
    async def story(tales: Tales, monitor: FakeMonitor) -> None:
        monitor.failure = failure
        for _ in range(20):
            tales.tell(KEY, seen())
            await asyncio.sleep(1)
        assert told(monitor) == asked

    play(story)


def test_while_the_monitor_is_away_one_model_tries_it_for_all() -> None:
    async def story(tales: Tales, monitor: FakeMonitor) -> None:
        monitor.failure = MonitorAway("away")
        tales.tell(("shop", "first"), seen())
        await asyncio.sleep(1)
        for number in range(100):
            tales.tell(("shop", f"m{number}"), seen())
        await asyncio.sleep(1)
        assert told(monitor) == 1

    play(story)


def test_a_rollout_is_told_to_its_end(tmp_path: Path) -> None:
    steps: list[list[int]] = []

    async def story(stage: Stage) -> None:
        await begun(stage)
        monitor = stage.monitor
        assert monitor is not None
        for weight in (5, 50):
            await at(stage, weight)
            await stage.wait(1)
            steps.append([step.weight for step in monitor.rollouts[KEY].rollouts[-1].steps])
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await stage.wait(2)
        (ended,) = monitor.rollouts[KEY].rollouts
        assert [(step.weight, step.verdict) for step in ended.steps] == [(5, "Passed"), (50, "Passed"), (100, None)]
        assert (ended.outcome, ended.reason) == ("Promoted", "RolloutPassed")
        assert ended.question == monitor.queries[-1], "it is judged on while the version before it is warm"
        monitor.verdicts["1.1.0"] = Verdict.FAILED
        await until(stage, lambda: monitor.rollouts[KEY].rollouts[-1].outcome == "RolledBack", "the way back")

    run(tmp_path, story, Events.IMMEDIATE, monitor=a_monitor())
    assert steps == [[5], [5, 50]]
