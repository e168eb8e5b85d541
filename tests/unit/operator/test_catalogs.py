"""What each registry holds: read once, shared, polled, and every failure a word and a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fakes.cluster import FakeCluster
from fakes.seen import NOW
from fakes.virtual_time import Inline, Silent, run_virtually
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.feature_schema import Task
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import AccessDenied, NotFound, StoreError, Unavailable
from modelloop_core.versions import Version
from modelloop_operator.cluster.catalogs import PENDING, Catalogs
from modelloop_operator.cluster.credentials import Credentials, Keys
from modelloop_operator.cluster.lanes import Endpoint, Lanes
from modelloop_operator.decide.observation import Catalog, CatalogUnknown
from support.versions import a_version

REF = RegistryRef(uri="s3://models/churn")
OTHER = RegistryRef(uri="s3://models/fraud")
SILENT: Endpoint = ("http://silent", None)
ON_SILENT = ("shop", RegistryRef(uri="s3://models/churn", endpoint="http://silent"))
KEY, SECOND = ("shop", "churn"), ("shop", "second")
HERE = ("shop", REF)
ME = Identity(cluster="test", namespace="shop", name="churn", uid="uid-1")
POLL_SECONDS = 10.0


class World:
    """Registries in folders, and what was asked of them."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.changed: list[Any] = []
        self.failure: StoreError | None = None
        self.cluster = FakeCluster()
        self.silent = Silent()
        self.clock = clock
        self.catalogs = Catalogs(
            Credentials(self.cluster, clock=clock, own_identity_endpoints=["http://silent"]),
            self._open,
            Lanes(clock, lambda endpoint: self.silent if endpoint == SILENT else Inline(max_workers=1)),
            on_change=self.changed.append,
            clock=clock,
            poll_seconds=POLL_SECONDS,
        )

    def registry(self, ref: RegistryRef = REF) -> Registry:
        return Registry(DirectoryStore(self.folder / ref.uri.removeprefix("s3://")))

    def publish(self, number: str, ref: RegistryRef = REF) -> None:
        self.registry(ref).publish(*a_version(number))

    def _open(self, ref: RegistryRef, keys: Keys) -> Registry:
        self.opened.append(ref.uri)
        if self.failure is not None:
            raise self.failure
        return self.registry(ref)


def play(folder: Path, story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    async def main(clock: Callable[[], float]) -> World:
        world = World(folder, clock)
        await story(world)
        return world

    return run_virtually(main)


def numbers(found: Catalog | CatalogUnknown) -> list[str]:
    assert isinstance(found, Catalog), found
    return [str(version) for version in found.releases]


def test_it_tells_versions_with_their_task(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        found = await world.catalogs.catalog(KEY, HERE)
        assert numbers(found) == ["1.0.0"]
        assert isinstance(found, Catalog)
        assert found.releases[Version(1, 0, 0)].task is Task.BINARY

    play(tmp_path, story)


def test_a_version_that_is_still_being_written_does_not_exist(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        world.registry().store.create("versions/1.1.0/model.onnx", b"half")
        found = await world.catalogs.catalog(KEY, HERE)
        assert numbers(found) == ["1.0.0"]
        assert isinstance(found, Catalog)
        assert found.broken == {}

    play(tmp_path, story)


def test_a_damaged_manifest_is_told_and_hides_no_other_version(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        world.registry().store.create("versions/1.1.0/manifest.json", b"{")
        found = await world.catalogs.catalog(KEY, HERE)
        assert numbers(found) == ["1.0.0"]
        assert isinstance(found, Catalog)
        assert "damaged" in found.broken[Version(1, 1, 0)]

    play(tmp_path, story)


def test_a_version_that_was_removed_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for number in ("1.0.0", "1.1.0"):
            world.publish(number)
        assert numbers(await world.catalogs.catalog(KEY, HERE)) == ["1.0.0", "1.1.0"]
        store = world.registry().store
        for found in list(store.list("versions/1.1.0/")):
            store.delete(found.key)
        assert numbers(await world.catalogs.catalog(KEY, HERE, request="1")) == ["1.0.0"]

    play(tmp_path, story)


FAILURES = [
    pytest.param(AccessDenied("403"), "AccessDenied", id="not let in"),
    pytest.param(NotFound("no bucket"), "BucketNotFound", id="no such bucket"),
    pytest.param(Unavailable("timed out"), "StoreUnavailable", id="no answer"),
    pytest.param(StoreError("odd"), "StoreUnavailable", id="anything else of the store"),
]


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
def test_a_failure_is_a_word_and_names_address_and_credentials(
    tmp_path: Path, failure: StoreError, reason: str
) -> None:
    async def story(world: World) -> None:
        world.failure = failure
        found = await world.catalogs.catalog(KEY, HERE)
        assert isinstance(found, CatalogUnknown)
        assert found.reason == reason
        assert "s3://models/churn with the operator's own identity" in found.message
        assert str(failure) in found.message

    play(tmp_path, story)


def test_a_problem_of_the_secret_is_told_under_its_own_word(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        source = ("shop", RegistryRef(uri="s3://models/churn", secretName="store"))
        found = await world.catalogs.catalog(KEY, source)
        assert isinstance(found, CatalogUnknown)
        assert found.reason == "SecretNotFound"

    play(tmp_path, story)


def test_it_is_read_once_for_all_its_users(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        await asyncio.gather(*(world.catalogs.catalog(key, HERE) for key in (KEY, SECOND)))
        await world.catalogs.catalog(KEY, HERE)
        assert len(world.opened) <= 2

    play(tmp_path, story)


async def polling(world: World, seconds: float) -> None:
    task = asyncio.create_task(world.catalogs.poll())
    await asyncio.sleep(seconds)
    assert not task.done(), task
    task.cancel()


def test_a_change_marks_every_user_and_no_change_marks_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        for key in (KEY, SECOND):
            await world.catalogs.catalog(key, HERE)
        await polling(world, 3 * POLL_SECONDS)
        assert world.changed == []
        world.publish("1.1.0")
        await polling(world, 2 * POLL_SECONDS)
        assert sorted(world.changed) == [KEY, SECOND]
        assert numbers(await world.catalogs.catalog(KEY, HERE)) == ["1.0.0", "1.1.0"]

    play(tmp_path, story)


def test_it_is_read_about_once_per_interval(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.catalogs.catalog(KEY, HERE)
        await polling(world, 100 * POLL_SECONDS)
        assert 75 <= len(world.opened) <= 126

    play(tmp_path, story)


def test_a_registry_that_comes_back_is_noticed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        world.failure = Unavailable("timed out")
        await world.catalogs.catalog(KEY, HERE)
        world.failure = None
        await polling(world, 2 * POLL_SECONDS)
        assert world.changed == [KEY]

    play(tmp_path, story)


def test_an_api_server_that_is_away_does_not_end_the_polling(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        source = ("shop", RegistryRef(uri="s3://models/churn", secretName="store"))
        await world.catalogs.catalog(KEY, source)
        world.cluster.unreachable = True
        await polling(world, 400)

    play(tmp_path, story)


@pytest.mark.parametrize("moved", [True, False], ids=["its user moved away", "its user is gone"])
def test_a_registry_that_nobody_uses_is_not_polled(tmp_path: Path, moved: bool) -> None:
    async def story(world: World) -> None:
        await world.catalogs.catalog(KEY, HERE)
        if moved:
            await world.catalogs.catalog(KEY, ("shop", OTHER))
        else:
            world.catalogs.release(KEY)
        world.opened.clear()
        await polling(world, 3 * POLL_SECONDS)
        assert REF.uri not in world.opened

    play(tmp_path, story)


def promoted(version: str, second: int, identity: Identity = ME) -> HistoryEvent:
    return HistoryEvent(event=EventKind.PROMOTED, version=version, time=NOW.replace(second=second), identity=identity)


def test_the_last_promotion_of_this_mlmodel_is_what_was_live(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        namesake = ME.model_copy(update={"uid": "uid-0"})
        for event in (promoted("1.0.0", 1), promoted("1.1.0", 2), promoted("1.2.0", 3, namesake)):
            await world.catalogs.record(HERE, [event])
        assert await world.catalogs.last_live(KEY, HERE, ME) == Version(1, 1, 0)

    play(tmp_path, story)


def test_without_a_promotion_nothing_was_live(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        assert await world.catalogs.last_live(KEY, HERE, ME) is None

    play(tmp_path, story)


def test_a_history_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.failure = Unavailable("timed out")
        found = await world.catalogs.last_live(KEY, HERE, ME)
        assert isinstance(found, CatalogUnknown)
        assert found.reason == "HistoryUnreadable"
        assert "timed out" in found.message

    play(tmp_path, story)


def test_the_same_event_twice_is_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        for _ in range(2):
            await world.catalogs.record(HERE, [promoted("1.0.0", 1)])
        assert [event.event for event in world.registry().history()].count(EventKind.PROMOTED) == 1

    play(tmp_path, story)


def reason(found: object) -> str:
    assert isinstance(found, CatalogUnknown), found
    return found.reason


def test_a_store_that_does_not_answer_is_waited_for_once_and_not_by_each_of_its_mlmodels(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        sources = [("shop", RegistryRef(uri=f"s3://models/{n}", endpoint="http://silent")) for n in range(100)]
        for n, source in enumerate(sources):
            assert reason(await world.catalogs.catalog(("shop", str(n)), source)) == PENDING
        assert world.clock() < 5

    play(tmp_path, story)


def test_a_store_that_does_not_answer_holds_no_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        silent = asyncio.create_task(world.catalogs.catalog(SECOND, ON_SILENT))
        assert numbers(await world.catalogs.catalog(KEY, HERE)) == ["1.0.0"]
        assert not silent.done()
        assert world.clock() == 0
        await silent
        world.publish("1.1.0")
        await polling(world, 2 * POLL_SECONDS)
        assert world.changed == [KEY]

    play(tmp_path, story)


def test_what_still_waits_says_on_what_and_is_woken_by_the_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        found = await world.catalogs.catalog(KEY, ON_SILENT)
        assert isinstance(found, CatalogUnknown)
        assert (
            "s3://models/churn at http://silent with the operator's own identity is still being read" in found.message
        )
        assert world.changed == []
        world.silent.answer()
        await asyncio.sleep(1)
        assert world.changed == [KEY]
        assert numbers(await world.catalogs.catalog(KEY, ON_SILENT)) == ["1.0.0"]

    play(tmp_path, story)


def test_a_request_is_obeyed_by_one_read_that_began_after_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.catalogs.catalog(KEY, ON_SILENT)
        world.publish("1.0.0")
        assert reason(await world.catalogs.catalog(KEY, ON_SILENT, request="1")) == PENDING
        world.silent.answer()
        await asyncio.sleep(1)
        assert reason(await world.catalogs.catalog(KEY, ON_SILENT, request="1")) == PENDING
        world.publish("1.1.0")
        world.silent.answer()
        await asyncio.sleep(1)
        assert numbers(await world.catalogs.catalog(KEY, ON_SILENT, request="1")) == ["1.0.0", "1.1.0"]
        world.publish("1.2.0")
        assert numbers(await world.catalogs.catalog(KEY, ON_SILENT, request="1")) == ["1.0.0", "1.1.0"]
        assert len(world.opened) == 2

    play(tmp_path, story)


def test_a_request_of_one_mlmodel_wakes_the_others_of_its_registry(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        for key in (KEY, SECOND):
            await world.catalogs.catalog(key, HERE)
        world.publish("1.1.0")
        await world.catalogs.catalog(KEY, HERE, request="1")
        assert SECOND in world.changed

    play(tmp_path, story)


def test_a_history_that_does_not_come_is_not_taken_for_an_empty_one_and_wakes_when_it_does(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish("1.0.0")
        world.registry().record(promoted("1.0.0", 1))
        assert reason(await world.catalogs.last_live(KEY, ON_SILENT, ME)) == PENDING
        world.silent.answer()
        await asyncio.sleep(1)
        assert world.changed == [KEY]
        assert await world.catalogs.last_live(KEY, ON_SILENT, ME) == Version(1, 0, 0)
        assert reason(await world.catalogs.last_live(KEY, ON_SILENT, ME)) == PENDING, "what was live may have changed"

    play(tmp_path, story)
