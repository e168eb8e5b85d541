"""The registry's history follows status: each entry once, beside the passes, nothing lost with the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from fakes.virtual_time import run_virtually
from modelloop_core.api import MLModelStatus
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.api.status import FailedVersion, HistoryEntry
from modelloop_core.history import HistoryEvent, Identity
from modelloop_core.storage.port import Unavailable
from modelloop_operator.cluster.catalogs import Source
from modelloop_operator.cluster.history import HistoryWriter, Recorder

SOURCE = ("shop", RegistryRef(uri="s3://models/churn"))
MOVED = ("shop", RegistryRef(uri="s3://models/moved"))
ME = Identity(cluster="test", namespace="shop", name="churn", uid="uid-1")
LIVE = [HistoryEntry(version=f"1.{n}.0", from_=f"2026-01-01T00:00:{n:02}Z") for n in range(12)]
FAILED = FailedVersion(version="1.9.9", reason="ChecksumMismatch", message="m", at="2026-01-01T00:01:00Z")


class Registries(Recorder):
    """What was recorded where; the first `failures` attempts fail, and so do all while `away`."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, str]] = []
        self.attempts = 0
        self.failures = 0
        self.away = False

    async def record(self, source: Source, events: Collection[HistoryEvent]) -> None:
        self.attempts += 1
        await asyncio.sleep(1)
        if self.away or self.attempts <= self.failures:
            raise Unavailable("timed out")
        self.recorded += [(source[1].uri.rpartition("/")[2], f"{event.event} {event.version}") for event in events]


def play(story: Callable[[Registries], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: Callable[[], float]) -> None:
        await story(Registries())

    run_virtually(main)


def status(*history: HistoryEntry, failed: tuple[FailedVersion, ...] = ()) -> MLModelStatus:
    return MLModelStatus(history=list(history), failedVersions=list(failed))


def test_each_entry_is_written_once_also_when_several_came_at_a_time() -> None:
    async def story(registries: Registries) -> None:
        writer = HistoryWriter(registries)
        for seen in (status(*LIVE[:1]), status(*LIVE[:3], failed=(FAILED,)), status(*LIVE[:3], failed=(FAILED,))):
            writer.write(SOURCE, seen, ME)
            await asyncio.sleep(5)
        told = ["promoted 1.0.0", "promoted 1.1.0", "promoted 1.2.0", "rejected 1.9.9"]
        assert registries.recorded == [("churn", what) for what in told]
        assert registries.attempts == 2

    play(story)


def test_only_what_is_the_versions_own_fault_is_told_to_everybody() -> None:
    async def story(registries: Registries) -> None:
        here = FAILED.model_copy(update={"version": "1.8.0", "reason": "RuntimeMissing"})
        HistoryWriter(registries).write(SOURCE, status(failed=(here, FAILED)), ME)
        await asyncio.sleep(5)
        assert registries.recorded == [("churn", "rejected 1.9.9")]

    play(story)


def test_an_entry_that_comes_while_others_are_written_is_not_forgotten() -> None:
    async def story(registries: Registries) -> None:
        writer = HistoryWriter(registries)
        writer.write(SOURCE, status(*LIVE[:1]), ME)
        await asyncio.sleep(0.5)
        writer.write(SOURCE, status(*LIVE[:2]), ME)
        await asyncio.sleep(5)
        assert [what for _, what in registries.recorded] == ["promoted 1.0.0", "promoted 1.1.0"]

    play(story)


def test_a_store_that_comes_back_soon_gets_it_by_another_attempt() -> None:
    async def story(registries: Registries) -> None:
        registries.failures = 2
        HistoryWriter(registries).write(SOURCE, status(*LIVE[:1]), ME)
        await asyncio.sleep(60)
        assert [what for _, what in registries.recorded] == ["promoted 1.0.0"]

    play(story)


def test_attempts_are_few_until_the_next_pass() -> None:
    async def story(registries: Registries) -> None:
        writer = HistoryWriter(registries)
        registries.away = True
        writer.write(SOURCE, status(*LIVE[:1]), ME)
        await asyncio.sleep(3600)
        assert registries.attempts == 4
        registries.away = False
        writer.write(SOURCE, status(*LIVE[:1]), ME)
        await asyncio.sleep(5)
        assert [what for _, what in registries.recorded] == ["promoted 1.0.0"]

    play(story)


def test_what_status_has_dropped_by_the_time_still_goes_where_it_belongs() -> None:
    async def story(registries: Registries) -> None:
        writer = HistoryWriter(registries)
        registries.away = True
        writer.write(SOURCE, status(*LIVE[:2], failed=(FAILED,)), ME)
        await asyncio.sleep(3600)
        registries.away = False
        writer.write(MOVED, status(*LIVE[1:3]), ME)
        await asyncio.sleep(5)
        there = [what for where, what in registries.recorded if where == "churn"]
        assert there == ["promoted 1.0.0", "promoted 1.1.0", "rejected 1.9.9"]
        assert ("moved", "promoted 1.2.0") in registries.recorded
        assert len(registries.recorded) == 4

    play(story)


def test_what_a_killed_process_left_unwritten_is_written_by_the_next() -> None:
    async def story(registries: Registries) -> None:
        killed = HistoryWriter(registries)
        killed.write(SOURCE, status(*LIVE[:2]), ME)
        await asyncio.sleep(0.5)
        killed.stop()
        HistoryWriter(registries).write(SOURCE, status(*LIVE[:2]), ME)
        await asyncio.sleep(5)
        assert [what for _, what in registries.recorded] == ["promoted 1.0.0", "promoted 1.1.0"]

    play(story)


def test_the_last_event_of_an_mlmodel_that_is_deleted_still_arrives() -> None:
    async def story(registries: Registries) -> None:
        writer = HistoryWriter(registries)
        registries.failures = 1
        writer.write(SOURCE, status(*LIVE[:1]), ME)
        writer.forget(ME.uid)
        await asyncio.sleep(5)
        assert [what for _, what in registries.recorded] == ["promoted 1.0.0"]

    play(story)
