"""Reports are read beside the passes: in turns, told when they changed; a monitor that is away is waited out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

from fakes.cluster import FakeCluster
from fakes.monitor import FakeMonitor, a_report
from fakes.seen import NOW, a_model, a_status
from fakes.virtual_time import run_virtually
from modelloop_core.feature_schema import Task
from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_core.wire.settings import RENEWED_SECONDS
from modelloop_operator.cluster.alert_secrets import ReadSecrets
from modelloop_operator.cluster.credentials import Credentials
from modelloop_operator.cluster.kinds import SECRET
from modelloop_operator.cluster.monitor import MonitorAway, MonitorRefused
from modelloop_operator.cluster.reports import Reports, Watch
from modelloop_operator.decide.observation import NO_MONITOR, NOT_YET_READ, FallbackUse, NoReport, Report

KEY = ("shop", "churn")
POLL = 10.0
AWAY = MonitorAway("the monitor at http://m cannot be reached: refused")
HOOK = {"alerts": {"webhook": {"secretName": "hook"}}}


class World:
    """Reports, their monitor and the Secrets."""

    def __init__(self, clock: Callable[[], float], *, without: bool = False) -> None:
        self.clock = clock
        self.monitor = FakeMonitor()
        self.cluster = FakeCluster()
        self.changed: list[tuple[str, str]] = []
        self.outcomes: list[str] = []
        self.reports = Reports(
            None if without else self.monitor,
            ReadSecrets(Credentials(self.cluster, clock=clock)),
            on_change=self.changed.append,
            on_read=self.outcomes.append,
            clock=clock,
            poll_seconds=POLL,
        )

    def look(self, name: str = "churn", task: Task | None = Task.BINARY, **monitoring: Any) -> Watch:
        """What a pass would be told now."""
        spec = {"monitoring": monitoring} if monitoring else {}
        return self.reports.of(("shop", name), a_model(name, spec=spec, status=a_status("1.0.0")), task)

    def secret(self, **data: str) -> None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.cluster.put(SECRET, {"metadata": {"name": "hook", "namespace": "shop"}, "data": encoded})


def play(story: Callable[[World], Coroutine[Any, Any, None]], *, without: bool = False) -> World:
    async def main(clock: Callable[[], float]) -> World:
        world = World(clock, without=without)
        turns = asyncio.create_task(world.reports.poll())
        await story(world)
        turns.cancel()
        return world

    return run_virtually(main)


def test_the_first_look_waits_for_nothing_and_the_report_comes_with_a_pass_of_its_own() -> None:
    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report(Level.MODERATE)
        assert world.look() == Watch(NOT_YET_READ)
        await asyncio.sleep(1)
        assert world.changed == [KEY]
        assert world.look().found == Report(Level.MODERATE, version="1.0.0")

    play(story)


def test_a_report_that_stays_the_same_asks_for_no_pass() -> None:
    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report()
        world.look()
        await asyncio.sleep(1)
        world.look()
        await asyncio.sleep(10 * POLL)
        assert world.changed == [KEY]
        assert world.monitor.asked.count(("drift", "churn")) >= 8
        world.monitor.reports[KEY] = a_report(Level.MODERATE)
        await asyncio.sleep(2 * POLL)
        assert set(world.changed[1:]) == {KEY}

    play(story)


def test_settings_are_put_once_again_when_they_change_and_renewed_in_time() -> None:
    async def story(world: World) -> None:
        world.look(window="1h")
        await asyncio.sleep(5 * POLL)
        assert world.monitor.put == ["churn"]
        assert world.monitor.settings[KEY].window_seconds == 3600
        world.look(window="5m")
        await asyncio.sleep(1)
        assert world.monitor.put == ["churn", "churn"]
        assert world.monitor.settings[KEY].window_seconds == 300
        await asyncio.sleep(RENEWED_SECONDS)
        assert len(world.monitor.put) >= 3

    play(story)


def test_an_open_incident_is_read_with_its_features_and_a_closed_one_is_not() -> None:
    incident = {"id": "1", "opened": NOW, "level": "drift", "features": ("AGEP",)}
    busy = {"since": NOW, "until": NOW, "requests": 100, "errors": 0, "fallbacks": 60}

    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report(Level.STABLE, incident=incident, recent=busy)
        world.look()
        await asyncio.sleep(1)
        assert world.look().found == Report(Level.STABLE, Level.DRIFT, "1.0.0", ("AGEP",), FallbackUse.MANY)
        world.monitor.reports[KEY] = a_report(Level.STABLE, incident={**incident, "closed": NOW})
        await asyncio.sleep(2 * POLL)
        assert world.look().found == Report(Level.STABLE, version="1.0.0")

    play(story)


def test_the_worst_features_come_first_and_ignored_ones_never() -> None:
    def column(name: str, verdict: Level, psi: float, role: str = "watch") -> ColumnReport:
        counts = dict.fromkeys(("reference_n", "current_n", "reference_null", "current_null"), 0)
        return ColumnReport.model_validate(
            {"name": name, "part": "feature", "kind": "numeric", "verdict": verdict, "psi": psi, "role": role, **counts}
        )

    columns = (
        column("little", Level.MODERATE, 0.15),
        column("much", Level.DRIFT, 0.3),
        column("most", Level.DRIFT, 0.9),
        column("none", Level.STABLE, 0.0),
        column("ignored", Level.DRIFT, 5.0, "ignore"),
    )

    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report(Level.DRIFT, columns=columns)
        world.look()
        await asyncio.sleep(1)
        found = world.look().found
        assert isinstance(found, Report)
        assert found.features == ("most", "much", "little")

    play(story)


def test_a_short_absence_is_not_told_and_a_long_one_is_once_in_its_first_words() -> None:
    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report()
        world.look()
        await asyncio.sleep(1)
        world.look()
        world.changed.clear()
        world.monitor.failure = AWAY
        await asyncio.sleep(40)
        assert isinstance(world.look().found, Report), "told too early"
        await asyncio.sleep(60)
        assert world.look().found == NoReport("MonitorUnreachable", str(AWAY))
        world.monitor.failure = MonitorAway("the monitor at http://m cannot be reached: no answer within 5 s")
        world.changed.clear()
        await asyncio.sleep(120)
        assert world.changed == [], "each new wording would be a write"
        world.monitor.failure = None
        await asyncio.sleep(2 * POLL)
        assert isinstance(world.look().found, Report)

    play(story)


def test_while_it_is_away_a_thousand_models_ask_one_at_a_time_and_all_are_told() -> None:
    async def story(world: World) -> None:
        world.monitor.failure = AWAY
        names = [f"m{number}" for number in range(1000)]
        for name in names:
            world.look(name)
        await asyncio.sleep(100)
        assert len(world.monitor.asked) < 120
        assert {world.look(name).found for name in names} == {NoReport("MonitorUnreachable", str(AWAY))}
        world.monitor.failure = None
        world.monitor.reports.update({("shop", name): a_report(name=name) for name in names})
        await asyncio.sleep(60)
        assert all(isinstance(world.look(name).found, Report) for name in names)

    play(story)


def test_a_model_that_the_monitor_refuses_keeps_no_other_from_its_report() -> None:
    async def story(world: World) -> None:
        world.monitor.reports[KEY] = a_report()
        world.monitor.refused["bad"] = MonitorRefused("PUT http://m/v1/models/shop/bad/settings answered 422: no")
        world.look("bad")
        world.look()
        await asyncio.sleep(100)
        assert isinstance(world.look().found, Report)
        found = world.look("bad").found
        assert isinstance(found, NoReport)
        assert (found.reason, "422" in found.message) == ("MonitorRefused", True)

    play(story)


def test_the_webhooks_address_and_key_come_from_its_secret() -> None:
    async def story(world: World) -> None:
        world.secret(url="https://hook.example\n", key="sign")
        world.look(**HOOK)
        await asyncio.sleep(1)
        webhook = world.monitor.settings[KEY].alerts.webhook
        assert webhook is not None
        assert (webhook.url, webhook.key) == ("https://hook.example", "sign")
        assert world.look(**HOOK).problem is None

    play(story)


def test_a_secret_that_is_missing_or_wrong_is_told_and_the_model_watched_all_the_same() -> None:
    async def story(world: World) -> None:
        world.look(**HOOK)
        await asyncio.sleep(1)
        problem = world.look(**HOOK).problem
        assert problem is not None
        assert (problem.reason, KEY in world.monitor.settings) == ("SecretNotFound", True)
        assert "spec.monitoring.alerts.webhook" in problem.message
        world.secret(url="hook.example/with:password")
        await asyncio.sleep(2 * POLL)
        problem = world.look(**HOOK).problem
        assert problem is not None
        assert problem.reason == "SecretInvalid"
        assert "password" not in problem.message

    play(story)


def test_a_model_that_is_gone_is_asked_about_no_more() -> None:
    async def story(world: World) -> None:
        world.look()
        await asyncio.sleep(1)
        world.reports.release(KEY)
        asked = len(world.monitor.asked)
        await asyncio.sleep(5 * POLL)
        assert len(world.monitor.asked) == asked

    play(story)


def test_without_a_monitor_nothing_is_asked() -> None:
    async def story(world: World) -> None:
        assert world.look() == Watch(NO_MONITOR)

    play(story, without=True)
