"""Metrics of the spec's own: filled in, held against their limits, and judged together with the evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fakes.cluster import Events
from fakes.monitor import FakeMonitor
from fakes.operator import Stage
from fakes.prometheus import FakePrometheus
from fakes.rollouts import a_monitor, at, begun, live, status, until
from fakes.seen import NOW, POLICY, WITH_GATEWAY
from fakes.stories import run
from fakes.trying import a_rollout, in_rollout
from fakes.virtual_time import run_virtually
from modelloop_core.api.analysis import Analysis, Metric
from modelloop_core.api.status import MetricStatus
from modelloop_core.wire.evidence import EvidenceQuery, Verdict
from modelloop_operator.cluster.judgements import Judgements
from modelloop_operator.cluster.prometheus import Prometheus, PrometheusAway, PrometheusError
from modelloop_operator.decide.measures import Measure, judged, measures, together
from modelloop_operator.decide.observation import Judgement, Measured
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

PASSED = Judgement(Verdict.PASSED, "Passed", "errors up to 1.5 % cannot be excluded")
HELD = Judgement(Verdict.INCONCLUSIVE, "Inconclusive", "not enough evidence yet")
CONDEMNED = Judgement(Verdict.FAILED, "ErrorRate", "3 % failed")
P99 = Measure("p99", "p99", most=0.5, least=None)
ORDERS = Measure("orders", "orders", most=None, least=2)
KEY = ("shop", "churn")
QUERY = EvidenceQuery(version="1.1.0", against="1.0.0", since=NOW)


def said(verdict: Verdict, *, dry_run: bool = False) -> Measured:
    return Measured("p99", verdict, f"p99 says {verdict}", dry_run)


@pytest.mark.parametrize(
    ("measure", "value", "beyond", "verdict"),
    [
        pytest.param(P99, 0.5, 0, Verdict.PASSED, id="at the largest"),
        pytest.param(P99, 0.51, 1, Verdict.INCONCLUSIVE, id="beyond it once"),
        pytest.param(P99, 0.51, 2, Verdict.INCONCLUSIVE, id="twice"),
        pytest.param(P99, 0.51, 3, Verdict.FAILED, id="three times in a row"),
        pytest.param(ORDERS, 2.0, 0, Verdict.PASSED, id="at the smallest"),
        pytest.param(ORDERS, 1.9, 3, Verdict.FAILED, id="too few, three times"),
    ],
)
def test_a_number_and_its_limit(measure: Measure, value: float, beyond: int, verdict: Verdict) -> None:
    found = judged(measure, value, beyond)
    assert found.verdict is verdict
    assert (f"{value:g}" in found.message, measure.limit in found.message) == (True, True)


@pytest.mark.parametrize(
    ("evidence", "metrics", "verdict", "reason"),
    [
        pytest.param(PASSED, [Verdict.PASSED], Verdict.PASSED, "Passed", id="both pass"),
        pytest.param(PASSED, [Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE, "Inconclusive", id="a metric holds"),
        pytest.param(PASSED, [Verdict.FAILED], Verdict.FAILED, "MetricFailed", id="a metric fails"),
        pytest.param(PASSED, [Verdict.ERROR], Verdict.ERROR, "PrometheusUnreachable", id="a metric has no number"),
        pytest.param(HELD, [Verdict.ERROR], Verdict.ERROR, "PrometheusUnreachable", id="an error goes before doubt"),
        pytest.param(CONDEMNED, [Verdict.ERROR], Verdict.FAILED, "ErrorRate", id="failure goes before an error"),
        pytest.param(HELD, [Verdict.PASSED], Verdict.INCONCLUSIVE, "Inconclusive", id="a metric is no evidence"),
        pytest.param(None, [Verdict.PASSED], Verdict.PASSED, "Passed", id="metrics alone, without a monitor"),
    ],
)
def test_the_whole_verdict(evidence: Judgement | None, metrics: list[Verdict], verdict: Verdict, reason: str) -> None:
    found = together(evidence, "PrometheusUnreachable", [said(one) for one in metrics])
    assert (found.verdict, found.reason, len(found.metrics)) == (verdict, reason, len(metrics))


@pytest.mark.parametrize("verdict", Verdict)
def test_a_dry_run_is_told_and_changes_nothing(verdict: Verdict) -> None:
    found = together(PASSED, "x", [said(verdict, dry_run=True)])
    assert replace(found, metrics=()) == PASSED
    assert found.metrics == (said(verdict, dry_run=True),)


def test_what_is_asked_names_the_version_that_is_tried() -> None:
    asked = "p99{v='{{version}}',old='{{ stable }}',ns='{{namespace}}',m='{{name}}'}[{{interval}}]"
    seen = in_rollout(declared={"analysis": {"interval": "30s", "metrics": [_metric(promql=asked)]}})
    (found,) = measures(seen, "1.1.0", "1.0.0")
    assert found.promql == "p99{v='1.1.0',old='1.0.0',ns='shop',m='churn'}[30s]"


def _metric(**fields: Any) -> dict[str, Any]:
    return {"name": "p99", "promql": "p99", "max": 0.5, **fields}


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ([_metric(max=None)], "either max or min"),
        ([_metric(min=1)], "either max or min"),
        ([_metric(promql="up{v='{{track}}'}")], "in double braces stands"),
        ([_metric(promql="up{v='{{}}'}")], "in double braces stands"),
        ([_metric(), _metric()], "names of metrics repeat"),
    ],
    ids=["no limit", "two limits", "a word nobody knows", "no word", "a name twice"],
)
def test_what_no_metric_can_be_is_refused(metrics: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Analysis.model_validate({"metrics": metrics})


def test_a_name_in_braces_of_promql_is_no_placeholder() -> None:
    assert Metric.model_validate(_metric(promql='sum by (le) (rate(x{a="b"}[5m])) / y{c=~"d|e"}'))


class World:
    """Judgements with a monitor that passes, or none, and a Prometheus."""

    def __init__(self, clock: Callable[[], float], prometheus: Prometheus | None, monitor: FakeMonitor | None) -> None:
        self.prometheus = prometheus
        self.changed: list[tuple[str, str]] = []
        self.judgements = Judgements(
            monitor, prometheus, on_change=self.changed.append, on_read=lambda _: None, clock=clock
        )

    def look(self, *wanted: Measure) -> Judgement | None:
        """What a pass would be told now."""
        return self.judgements.of(KEY, QUERY, 2.0, wanted)


def play(
    story: Callable[[World], Coroutine[Any, Any, None]],
    prometheus: Prometheus | None,
    monitor: FakeMonitor | None = None,
) -> None:
    async def main(clock: Callable[[], float]) -> None:
        world = World(clock, prometheus, monitor)
        turns = asyncio.create_task(world.judgements.poll())
        await story(world)
        turns.cancel()

    run_virtually(main)


def test_a_metric_fails_when_it_stays_beyond_its_limit_and_not_by_one_number() -> None:
    prometheus = FakePrometheus({"p99": 0.9})

    async def story(world: World) -> None:
        world.look(P99)
        await asyncio.sleep(3)
        found = world.look(P99)
        assert found is not None
        assert found.verdict is Verdict.INCONCLUSIVE
        prometheus.answers["p99"] = 0.1
        await asyncio.sleep(2)
        prometheus.answers["p99"] = 0.9
        await asyncio.sleep(4)
        found = world.look(P99)
        assert found is not None
        assert found.verdict is Verdict.INCONCLUSIVE, "a number within its limit begins the count anew"
        await asyncio.sleep(4)
        found = world.look(P99)
        assert found is not None
        assert (found.verdict, found.reason) == (Verdict.FAILED, "MetricFailed")

    play(story, prometheus, a_monitor())


@pytest.mark.parametrize(
    ("prometheus", "reason", "told"),
    [
        pytest.param(None, "NoPrometheus", "operator.prometheusURL", id="no Prometheus is named"),
        pytest.param(FakePrometheus({}), "MetricUnreadable", "p99: it has no data", id="no data"),
        pytest.param(
            FakePrometheus({"p99": PrometheusAway("Prometheus at http://p cannot be asked: refused")}),
            "PrometheusUnreachable", "cannot be asked: refused", id="it is away",
        ),
        pytest.param(
            FakePrometheus({"p99": PrometheusError("it is NaN, which is no number")}),
            "MetricUnreadable", "p99: it is NaN", id="NaN",
        ),
    ],
)  # fmt: skip
def test_a_metric_without_a_number_is_an_error_that_names_it(
    prometheus: FakePrometheus | None, reason: str, told: str
) -> None:
    async def story(world: World) -> None:
        world.look(P99)
        await asyncio.sleep(1)
        found = world.look(P99)
        assert found is not None
        assert (found.verdict, found.reason) == (Verdict.ERROR, reason)
        assert told in found.message

    play(story, prometheus, a_monitor())


class Slow:
    """A Prometheus that takes as long as it may for each question, and then has no answer."""

    async def value(self, promql: str) -> float:
        """See Prometheus."""
        await asyncio.sleep(5)
        raise PrometheusAway("no answer within 5 s")


SLOW = tuple(replace(P99, name=f"slow{number}", dry_run=True) for number in range(10))


@pytest.mark.parametrize(
    ("others", "own"), [(0, SLOW), (40, ()), (40, SLOW)], ids=["its own metrics", "those of others", "both"]
)
def test_metrics_that_are_slow_do_not_delay_what_the_evidence_takes_back(others: int, own: tuple[Measure, ...]) -> None:
    monitor = a_monitor()
    names = [("others", f"m{number}") for number in range(others)]

    async def main(clock: Callable[[], float]) -> None:
        judgements = Judgements(monitor, Slow(), on_change=lambda _: None, on_read=lambda _: None, clock=clock)
        turns = asyncio.create_task(judgements.poll())

        async def verdict_after(seconds: float) -> Verdict:
            for _ in range(int(seconds * 2)):
                await asyncio.sleep(0.5)
                for name in names:
                    judgements.of(name, QUERY, 10.0, SLOW)
                found = judgements.of(KEY, QUERY, 10.0, own)
            assert found is not None
            return found.verdict

        assert await verdict_after(60) is Verdict.PASSED
        monitor.verdicts["1.1.0"] = Verdict.FAILED
        assert await verdict_after(11) is Verdict.FAILED, "within one interval"
        turns.cancel()

    run_virtually(main)


def test_metrics_are_asked_at_once() -> None:
    async def story(world: World) -> None:
        world.look(*SLOW)
        await asyncio.sleep(6)
        found = world.look(*SLOW)
        assert found is not None
        assert {one.verdict for one in found.metrics} == {Verdict.ERROR}

    play(story, Slow())


def test_what_has_failed_by_the_evidence_waits_for_no_first_number() -> None:
    monitor = a_monitor()
    monitor.verdicts["1.1.0"] = Verdict.FAILED

    async def story(world: World) -> None:
        world.look(P99)
        await asyncio.sleep(1)
        found = world.look(P99)
        assert found is not None
        assert found.verdict is Verdict.FAILED

    play(story, Slow(), monitor)


def test_metrics_alone_judge_where_there_is_no_monitor() -> None:
    async def story(world: World) -> None:
        world.look(P99)
        await asyncio.sleep(1)
        found = world.look(P99)
        assert found is not None
        assert found.verdict is Verdict.PASSED
        assert world.look() is None

    play(story, FakePrometheus({"p99": 0.2}))


def test_a_number_that_changes_within_its_limit_is_no_news() -> None:
    prometheus = FakePrometheus({"p99": 0.2})

    async def story(world: World) -> None:
        world.look(P99)
        await asyncio.sleep(1)
        first = world.look(P99)
        world.changed.clear()
        prometheus.answers["p99"] = 0.3
        await asyncio.sleep(10)
        assert (world.changed, world.look(P99)) == ([], first)
        assert len(prometheus.asked) > 3

    play(story, prometheus, a_monitor())


def test_what_metrics_said_is_in_status_and_written_when_it_changes() -> None:
    declared = {"analysis": {"metrics": [_metric()]}}
    judgement = replace(PASSED, metrics=(Measured("p99", Verdict.PASSED, "p99 is 0.2 (at most 0.5)"),))
    held = a_rollout(stepStartedAt=-1)
    seen = in_rollout(rollout=held, declared=declared, judgement=judgement)
    status_ = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status_.rollout is not None
    told = MetricStatus(name="p99", verdict="Passed", message="p99 is 0.2 (at most 0.5)")
    assert status_.rollout.metrics == [told]
    moved = replace(judgement, metrics=(replace(judgement.metrics[0], message="p99 is 0.3 (at most 0.5)"),))
    again = in_rollout(status=status_, declared=declared, judgement=moved)
    later = next_status(again, decide(again, NOW, POLICY), NOW)
    assert later.rollout is not None
    assert later.rollout.metrics == [told]


@pytest.mark.parametrize(
    ("named", "judgement", "status_", "reason"),
    [
        pytest.param(False, PASSED, "False", "NoPrometheus", id="no Prometheus is named"),
        pytest.param(True, PASSED, "True", "Asked", id="all is well"),
        pytest.param(
            True, replace(PASSED, metrics=(said(Verdict.ERROR, dry_run=True),)), "False", "MetricUnreadable",
            id="one has no number, be it a dry run",
        ),
    ],
)  # fmt: skip
def test_what_keeps_metrics_from_having_numbers_is_a_condition(
    named: bool, judgement: Judgement, status_: str, reason: str
) -> None:
    offered = replace(WITH_GATEWAY, prometheus=named)
    seen = in_rollout(declared={"analysis": {"metrics": [_metric()]}}, judgement=judgement, capabilities=offered)
    found = next_status(seen, decide(seen, NOW, POLICY), NOW).condition("MetricsAvailable")
    assert found is not None
    assert (found.status, found.reason) == (status_, reason)


def test_without_metrics_there_is_no_such_condition() -> None:
    seen = in_rollout()
    assert next_status(seen, decide(seen, NOW, POLICY), NOW).condition("MetricsAvailable") is None


ASKED = {"interval": "1s", "metrics": [_metric(promql="p99{v='{{version}}'}")]}


def test_a_version_whose_metric_stays_beyond_its_limit_is_taken_back(tmp_path: Path) -> None:
    prometheus = FakePrometheus({"p99{v='1.1.0'}": 0.2, "p99{v='1.0.0'}": 0.2})

    async def story(stage: Stage) -> None:
        await begun(stage, analysis=ASKED, steps=[{"weight": 50, "hold": "10m"}])
        await at(stage, 50)
        prometheus.answers["p99{v='1.1.0'}"] = 0.9
        await until(stage, lambda: status(stage).get("failedVersions"), "its end")
        assert "p99 is 0.9 (at most 0.5), 3 times in a row" in status(stage)["failedVersions"][0]["message"]
        assert live(stage) == "1.0.0"

    run(tmp_path, story, Events.IMMEDIATE, monitor=a_monitor(), prometheus=prometheus)


def test_a_metric_without_data_holds_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    prometheus = FakePrometheus()

    async def story(stage: Stage) -> None:
        await begun(stage, analysis=ASKED, steps=[{"weight": 50, "hold": "5s"}])
        await until(stage, lambda: status(stage).get("rollout", {}).get("waitsFor") == "MetricUnreadable", "the wait")
        assert "p99: it has no data" in status(stage)["message"]
        await stage.wait(20)
        assert live(stage) == "1.0.0"
        prometheus.answers["p99{v='1.1.0'}"] = 0.2
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")

    run(tmp_path, story, Events.IMMEDIATE, monitor=a_monitor(), prometheus=prometheus)
