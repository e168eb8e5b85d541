"""Captures leave registries when their retention is over: in turns, bounded, and told where the store forbids it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from fakes.cluster import FakeCluster
from fakes.seen import NOW, a_model, a_status, stamp
from fakes.virtual_time import Inline, run_virtually
from modelloop_core.api.status import Condition
from modelloop_core.captures import Captured, Kind
from modelloop_core.registry import Registry
from modelloop_core.storage.port import AccessDenied, StoreError, Unavailable
from modelloop_operator.cluster.captures import EVERY_SECONDS, KEPT, MOST_FILES, Captures
from modelloop_operator.cluster.credentials import Credentials
from modelloop_operator.cluster.lanes import Lanes
from modelloop_operator.decide.observation import NoReport
from support.memory_store import MemoryStore

KEY = ("shop", "churn")
LONG = 3 * EVERY_SECONDS
DENIED = AccessDenied("cannot delete 'captures/predictions/…': the store says AccessDenied")


class World:
    """A registry in memory, whose captures are pruned, and what was heard of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.store = MemoryStore(self._step)
        self.refusal: StoreError | None = None
        self.steps: list[str] = []
        self.changed: list[tuple[str, str]] = []
        self.removed: list[int] = []
        self.captures = Captures(
            Credentials(FakeCluster(), clock=clock),
            lambda ref, keys: Registry(self.store),
            Lanes(clock, lambda endpoint: Inline(max_workers=1)),
            on_change=self.changed.append,
            on_removed=self.removed.append,
            clock=clock,
            now=self.now,
        )

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.clock())

    def put(self, age: timedelta, name: str = "pod-000000", kind: Kind = Kind.PREDICTIONS) -> str:
        hour = (self.now() - age).replace(minute=0, second=0, microsecond=0)
        key = Captured(kind, hour, name).key
        self.store.objects[key] = b"rows"
        return key

    def look(self, retention: str = "30d") -> NoReport | None:
        """What a pass would be told now."""
        spec = {"monitoring": {"capture": {"retention": retention}}}
        return self.captures.of(KEY, a_model(spec=spec, status=a_status("1.0.0")))

    def _step(self, verb: str, key: str) -> None:
        self.steps.append(verb)
        if verb == "delete" and self.refusal is not None:
            raise self.refusal


def play(story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    async def main(clock: Callable[[], float]) -> World:
        world = World(clock)
        turns = asyncio.create_task(world.captures.prune())
        await story(world)
        turns.cancel()
        return world

    return run_virtually(main)


def test_what_is_older_than_the_spec_says_goes_whichever_version_wrote_it() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(days=31), "churn-0-9-0-gone-000000")
        world.put(timedelta(days=31), kind=Kind.FEATURES)
        young, version = world.put(timedelta(days=29)), "versions/1.0.0/manifest.json"
        world.store.objects[version] = b"{}"
        world.look()
        await asyncio.sleep(LONG)
        assert sorted(world.store.objects) == [young, version]
        assert sum(world.removed) == 2

    assert play(story).changed == []


def test_what_becomes_old_goes_within_hours() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(hours=22))
        world.look("1d")
        await asyncio.sleep(LONG)
        assert len(world.store.objects) == 1
        await asyncio.sleep(LONG)
        assert not world.store.objects

    play(story)


def test_a_shorter_retention_is_obeyed_at_once() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(days=8))
        world.look()
        await asyncio.sleep(LONG)
        assert len(world.store.objects) == 1
        world.look("7d")
        await asyncio.sleep(2)
        assert not world.store.objects

    play(story)


def test_a_turn_is_bounded_and_the_next_comes_soon_while_there_is_more() -> None:
    async def story(world: World) -> None:
        for number in range(MOST_FILES + 1):
            world.put(timedelta(days=40), f"pod-{number:06d}")
        world.look()
        world.look("29d")
        await asyncio.sleep(2)
        assert len(world.store.objects) == 1
        await asyncio.sleep(10)
        assert not world.store.objects

    play(story)


def test_days_that_are_young_are_not_listed() -> None:
    async def story(world: World) -> None:
        for day in range(29):
            world.put(timedelta(days=day))
        world.look()
        await asyncio.sleep(LONG)
        assert set(world.steps) == {"list"}
        rounds = len(world.removed)
        assert len(world.steps) == 2 * rounds, "one listing of the days of each kind"

    play(story)


def test_a_store_that_forbids_it_is_told_in_words_that_stay_until_it_allows_it() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(days=31))
        world.refusal = DENIED
        assert world.look() is None
        await asyncio.sleep(LONG)
        first = world.look()
        assert first is not None
        assert first.reason == KEPT
        assert "retention is 30d" in first.message
        assert "s3://models/churn" in first.message
        world.put(timedelta(days=32))
        await asyncio.sleep(LONG)
        assert world.look() == first
        assert world.changed == [KEY]
        world.refusal = None
        await asyncio.sleep(LONG)
        assert world.look() is None
        assert world.changed == [KEY, KEY]

    play(story)


def test_a_new_leader_says_what_stood_there_until_it_has_looked() -> None:
    async def story(world: World) -> None:
        since = stamp()
        condition = Condition(
            type="MonitoringAvailable", status="False", reason=KEPT, message="…", lastTransitionTime=since
        )
        status = a_status("1.0.0").model_copy(update={"conditions": [condition]})
        model = a_model(spec={"monitoring": {"window": "1h"}}, status=status)
        assert world.captures.of(KEY, model) == NoReport(KEPT, "…")
        await asyncio.sleep(LONG)
        assert world.captures.of(KEY, model) is None
        assert world.changed == [KEY]

    play(story)


def test_a_store_that_is_away_is_tried_again_and_no_news() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(days=31))
        world.refusal = Unavailable("no answer")
        world.look()
        await asyncio.sleep(LONG)
        assert world.look() is None
        world.refusal = None
        await asyncio.sleep(LONG)
        assert not world.store.objects

    assert play(story).changed == []


def test_an_mlmodel_that_is_gone_takes_its_turns_with_it() -> None:
    async def story(world: World) -> None:
        world.look()
        world.captures.release(KEY)
        world.put(timedelta(days=31))
        await asyncio.sleep(LONG)
        assert len(world.store.objects) == 1

    play(story)


def test_two_that_prune_one_registry_do_no_harm() -> None:
    async def story(world: World) -> None:
        world.put(timedelta(days=31))
        world.look()
        other = a_model("second", spec={"monitoring": {"capture": {"retention": "30d"}}}, status=a_status("1.0.0"))
        world.captures.of(("shop", "second"), other)
        await asyncio.sleep(LONG)
        assert not world.store.objects

    assert play(story).changed == []
