"""Evidence is read beside the passes: asked about one step of one version, told when the verdict changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from fakes.monitor import FakeMonitor, an_evidence
from fakes.seen import NOW, a_status, observed, routed
from fakes.trying import a_rollout, in_rollout
from fakes.virtual_time import run_virtually
from modelloop_core.wire.evidence import EvidenceQuery, Verdict
from modelloop_operator.cluster.judgements import Judgements
from modelloop_operator.cluster.monitor import MonitorAway, MonitorRefused
from modelloop_operator.decide.observation import UNJUDGED, Judgement
from modelloop_operator.decide.questions import asked_every, question

KEY = ("shop", "churn")
QUERY = EvidenceQuery(version="1.1.0", against="1.0.0", since=NOW)


class World:
    """Judgements and their monitor."""

    def __init__(self, clock: Callable[[], float], *, without: bool = False) -> None:
        self.monitor = FakeMonitor()
        self.changed: list[tuple[str, str]] = []
        self.outcomes: list[str] = []
        self.judgements = Judgements(
            None if without else self.monitor,
            on_change=self.changed.append,
            on_read=self.outcomes.append,
            clock=clock,
        )

    def look(self, query: EvidenceQuery | None = QUERY, key: tuple[str, str] = KEY) -> Judgement | None:
        """What a pass would be told now."""
        return self.judgements.of(key, query, 2.0)


def play(story: Callable[[World], Coroutine[Any, Any, None]], *, without: bool = False) -> World:
    async def main(clock: Callable[[], float]) -> World:
        world = World(clock, without=without)
        turns = asyncio.create_task(world.judgements.poll())
        await story(world)
        turns.cancel()
        return world

    return run_virtually(main)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_first_look_waits_for_nothing_and_the_verdict_comes_with_a_pass_of_its_own(verdict: Verdict) -> None:
    async def story(world: World) -> None:
        world.monitor.verdicts["1.1.0"] = verdict
        assert world.look() == UNJUDGED
        await asyncio.sleep(1)
        assert world.changed == [KEY]
        found = world.look()
        assert found is not None
        assert found.verdict is verdict

    play(story)


def test_a_verdict_that_stays_the_same_asks_for_no_pass_and_keeps_its_words() -> None:
    async def story(world: World) -> None:
        world.look()
        await asyncio.sleep(1)
        first = world.look()
        world.changed.clear()
        await asyncio.sleep(20)
        assert len(world.monitor.queries) > 5
        assert world.changed == []
        assert world.look() is first
        assert set(world.outcomes) == {"read"}, "alerts count all else as a failure"

    play(story)


def test_another_step_is_another_question_and_the_old_answer_counts_for_nothing() -> None:
    async def story(world: World) -> None:
        world.monitor.verdicts["1.1.0"] = Verdict.PASSED
        world.look()
        await asyncio.sleep(1)
        later = QUERY.model_copy(update={"step_since": NOW})
        assert world.look(later) == UNJUDGED
        await asyncio.sleep(1)
        assert world.monitor.queries[-1] == later

    play(story)


def test_silence_is_told_at_once_and_what_comes_back_too() -> None:
    async def story(world: World) -> None:
        world.monitor.verdicts["1.1.0"] = Verdict.PASSED
        world.look()
        await asyncio.sleep(1)
        world.look()
        world.monitor.failure = MonitorAway("the monitor at http://m cannot be reached: refused")
        await asyncio.sleep(3)
        found = world.look()
        assert found is not None
        assert (found.verdict, found.reason) == (Verdict.ERROR, "MonitorUnreachable")
        world.monitor.failure = MonitorAway("the monitor at http://m cannot be reached: reset")
        await asyncio.sleep(3)
        assert world.look() is found, "other words for the same would be a write"
        world.monitor.failure = None
        await asyncio.sleep(3)
        found = world.look()
        assert found is not None
        assert (found.verdict, found.message) == (Verdict.PASSED, "1.1.0 Passed: errors")

    play(story)


def test_a_refusal_is_an_error_under_its_own_name() -> None:
    async def story(world: World) -> None:
        world.monitor.failure = MonitorRefused("GET … answered 422")
        world.look()
        await asyncio.sleep(1)
        assert world.look() == Judgement(Verdict.ERROR, "MonitorRefused", "GET … answered 422")

    play(story)


def test_one_model_s_trouble_holds_up_no_other() -> None:
    async def story(world: World) -> None:
        world.monitor.refused["churn"] = MonitorRefused("no")
        world.look()
        world.look(key=("shop", "other"))
        await asyncio.sleep(1)
        assert set(world.changed) == {KEY, ("shop", "other")}
        found = world.look(key=("shop", "other"))
        assert found is not None
        assert found.verdict is Verdict.INCONCLUSIVE

    play(story)


def test_nothing_is_asked_without_a_question_and_no_more_once_it_is_answered() -> None:
    async def story(world: World) -> None:
        world.look()
        await asyncio.sleep(1)
        assert world.look(None) == UNJUDGED
        asked = len(world.monitor.queries)
        await asyncio.sleep(10)
        assert len(world.monitor.queries) == asked

    play(story)


def test_where_there_is_no_monitor_nobody_judges() -> None:
    async def story(world: World) -> None:
        assert world.look() is None

    play(story, without=True)


def test_the_words_for_too_little_evidence_hold_no_number_that_grows() -> None:
    async def story(world: World) -> None:
        world.look()
        await asyncio.sleep(1)
        found = world.look()
        assert found is not None
        assert found.message == "not enough evidence yet about ErrorRate"

    play(story)
    assert an_evidence().verdict is Verdict.PASSED


def test_what_is_asked_about_a_candidate_names_the_rollout_and_the_step() -> None:
    seen = in_rollout(5, declared={"analysis": {"interval": "30s", "minRequests": 7, "maxLatencyP95": "250ms"}})
    asked = question(seen)
    assert asked is not None
    assert (asked.version, asked.against, asked.min_requests) == ("1.1.0", "1.0.0", 7)
    assert (asked.max_latency_p95_seconds, asked.max_error_increase, asked.false_rollback_rate) == (0.25, 1.25, 0.005)
    assert asked.since == asked.step_since
    assert asked_every(seen) == 30


def test_what_is_watched_of_its_worth_is_asked_about_and_limited_where_the_spec_says() -> None:
    watched = {
        "quality": {"metric": "mae", "max": 3, "labelDelay": "2d"},
        "business": [{"name": "orders", "kind": "sum"}, {"name": "clicks", "kind": "rate", "delay": "10m"}],
    }
    analysis = {"maxQualityDrop": 0.5, "business": [{"name": "clicks", "maxDrop": 0.05}], "onNoReference": "Skip"}
    asked = question(in_rollout(5, declared={"analysis": analysis}, spec={"monitoring": watched}))
    assert asked is not None
    assert (asked.quality_metric, asked.max_quality_drop, asked.label_delay_seconds) == ("mae", 0.5, 172_800)
    assert asked.events == "orders:sum:3600,clicks:rate:600:0.050000000"
    assert asked.without_reference == "Skip"


@pytest.mark.parametrize("metric", ["rmse", "f1", "ece"])
def test_a_metric_that_cannot_be_compared_at_any_time_is_not_asked_about(metric: str) -> None:
    bound = {"min": 0.5} if metric == "f1" else {"max": 0.5}
    asked = question(in_rollout(5, spec={"monitoring": {"quality": {"metric": metric, **bound}}}))
    assert asked is not None
    assert asked.quality_metric is None


def test_numbers_that_change_are_told_once_an_interval_and_words_are_not() -> None:
    async def story(world: World) -> None:
        world.monitor.verdicts["1.1.0"] = Verdict.PASSED
        world.look()
        await asyncio.sleep(1)
        first = world.look()
        assert first is not None
        for requests in (10, 20):
            world.changed.clear()
            world.monitor.requests = requests
            await asyncio.sleep(2)
            assert world.changed == [KEY], "one pass for one answer"
            found = world.look()
            assert found is not None
            assert found.figures is not None
            assert (found.figures.candidate.requests, found.message) == (requests, first.message)
        world.monitor.failure = MonitorAway("away")
        await asyncio.sleep(2)
        silent = world.look()
        assert silent is not None
        assert silent.figures == found.figures, "the last numbers stay"

    play(story)


def test_who_is_better_is_told_and_stays_while_the_monitor_is_away() -> None:
    async def story(world: World) -> None:
        tested = QUERY.model_copy(update={"events": "clicks:rate:60", "ab_metric": "clicks"})
        world.look(tested)
        await asyncio.sleep(1)
        found = world.look(tested)
        assert found is not None
        assert found.winner is None
        world.monitor.winners["1.1.0"] = "stable"
        await asyncio.sleep(2)
        world.monitor.failure = MonitorAway("away")
        await asyncio.sleep(2)
        found = world.look(tested)
        assert found is not None
        assert (found.verdict, found.winner) == (Verdict.ERROR, "stable")
        assert "stable is better" in found.experiment

    play(story)


def test_what_time_does_not_mend_is_said_with_what_to_do() -> None:
    async def story(world: World) -> None:
        world.monitor.hint = "1.1.0 was published without a reference: publish it with `--reference`"
        world.look()
        await asyncio.sleep(1)
        found = world.look()
        assert found is not None
        assert found.message.endswith(f"about ErrorRate; {world.monitor.hint}")

    play(story)


NOT_ASKED = [
    pytest.param(in_rollout(0, rollout=a_rollout(advancing=True, stepStartedAt=None)), id="without a share"),
    pytest.param(in_rollout(5, rollout=a_rollout(stepStartedAt=None)), id="before the gateway said yes"),
    pytest.param(observed(a_status("1.0.0"), route=routed("1.0.0")), id="without a rollout"),
    pytest.param(in_rollout(status=a_status("1.1.0", history=["1.0.0", "1.1.0"])), id="when nothing is warm any more"),
    pytest.param(
        in_rollout(status=a_status("1.1.0", warm={"1.0.0": 9}, failed=["1.1.0"], history=["1.0.0", "1.1.0"])),
        id="of what is taken back already",
    ),
]


@pytest.mark.parametrize("seen", NOT_ASKED)
def test_nothing_is_asked(seen: Any) -> None:
    assert question(seen) is None


def test_after_its_promotion_a_version_is_judged_by_its_own_limits_while_the_one_before_it_is_warm() -> None:
    seen = in_rollout(status=a_status("1.1.0", warm={"1.0.0": 9}, history=["1.0.0", "1.1.0"]))
    asked = question(seen)
    assert asked is not None
    assert (asked.version, asked.against, asked.max_error_rate) == ("1.1.0", "1.0.0", 0.01)
    assert asked.max_error_increase is asked.max_latency_increase is asked.max_prediction_psi is None
    unkept = replace(seen, model=seen.model.model_copy(update={"spec": observed().model.spec}))
    assert question(unkept) is None, "pods that only drain are no way back"
