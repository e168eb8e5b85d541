"""Each dirty key to one worker at a time, failures later and later, wishes at their time: in virtual seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fakes.virtual_time import run_virtually
from modelloop_operator.cluster.work_queue import WorkQueue


def test_many_events_make_one_pass() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        for _ in range(3):
            queue.add("a")
        assert len(queue) == 1
        assert await queue.take() == "a"
        assert len(queue) == 0

    run_virtually(story)


def test_keys_come_in_the_order_they_got_dirty() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        for key in ("b", "a", "b", "c"):
            queue.add(key)
        assert [await queue.take() for _ in range(3)] == ["b", "a", "c"]

    run_virtually(story)


def test_a_key_that_gets_dirty_while_a_worker_has_it_comes_again_afterwards_and_not_before() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        await queue.take()
        queue.add("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.take(), 60)
        queue.done("a")
        assert await asyncio.wait_for(queue.take(), 1) == "a"

    run_virtually(story)


def test_other_keys_pass_one_that_a_worker_has() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        await queue.take()
        queue.add("a")
        queue.add("b")
        assert await queue.take() == "b"

    run_virtually(story)


def test_a_waiting_worker_wakes_for_a_new_key() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        asyncio.get_running_loop().call_later(5, queue.add, "a")
        assert await queue.take() == "a"
        assert clock() == 5

    run_virtually(story)


def test_a_wish_comes_at_its_time() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add_after("a", 30)
        assert await queue.take() == "a"
        assert clock() == pytest.approx(30)

    run_virtually(story)


@pytest.mark.parametrize("wishes", [(30, 10), (10, 30)], ids=["an earlier one later", "a later one later"])
def test_of_several_wishes_the_earliest_counts_once(wishes: tuple[float, float]) -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        for seconds in wishes:
            queue.add_after("a", seconds)
        await queue.take()
        assert clock() == pytest.approx(10)
        queue.done("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.take(), 60)

    run_virtually(story)


def test_an_event_comes_before_the_wish_and_takes_its_place() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add_after("a", 30)
        queue.add("a")
        assert await queue.take() == "a"
        assert clock() == 0
        queue.done("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.take(), 60)

    run_virtually(story)


def test_failures_come_later_and_later_up_to_two_minutes_and_success_resets() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        waits = []
        for _ in range(12):
            waits.append(queue.retry("a"))
            await queue.take()
            queue.done("a")
        assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
        assert waits[-2:] == [120.0, 120.0]
        queue.succeeded("a")
        assert queue.retry("a") == 0.2

    run_virtually(story)


def test_the_api_servers_own_wish_is_the_least() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        assert queue.retry("a", at_least=7.0) == 7.0

    run_virtually(story)


def test_forgetting_drops_wishes_and_failures_but_no_event_that_came_meanwhile() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.retry("a")
        queue.add_after("a", 5)
        queue.add("b")
        queue.forget("a")
        queue.forget("b")
        assert await queue.take() == "b"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.take(), 60)
        assert queue.retry("a") == 0.2

    run_virtually(story)


def test_it_tells_how_long_a_key_was_dirty() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        await asyncio.sleep(3)
        queue.add("a")
        await queue.take()
        assert queue.waited("a") == pytest.approx(3)

    run_virtually(story)


def test_every_key_reaches_one_of_several_workers() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[int] = WorkQueue(clock)
        busy: set[int] = set()
        seen: list[int] = []

        async def work() -> None:
            while True:
                key = await queue.take()
                assert key not in busy
                busy.add(key)
                await asyncio.sleep(0.5)
                seen.append(key)
                busy.discard(key)
                queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(3)]
        for key in (*range(10), *range(10)):
            queue.add(key)
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        for worker in workers:
            worker.cancel()
        assert set(seen) == set(range(10))

    run_virtually(story)


def test_workers_that_are_cancelled_while_the_queue_changes_end() -> None:
    async def story(clock: Callable[[], float]) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add_after("a", 3600)
        workers = [asyncio.create_task(queue.take()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.done("b")
        await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()
        done, _ = await asyncio.wait(workers, timeout=60)
        assert done == set(workers)

    run_virtually(story)
