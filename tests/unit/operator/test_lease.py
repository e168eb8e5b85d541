"""Two replicas and one Lease on the fake cluster, in virtual time: never two leaders, never none for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fakes.cluster import FakeCluster
from fakes.virtual_time import run_virtually
from modelloop_operator.cluster.kinds import LEASE, Kind
from modelloop_operator.cluster.lease import LeaderElection, LeadershipLost, Terms
from modelloop_operator.cluster.port import ClusterError, Conflict, Object, Unreachable

TERMS = Terms(duration=15.0, renew=4.0, give_up=10.0)
Clock = Callable[[], float]


def election(cluster: FakeCluster, clock: Clock, identity: str) -> LeaderElection:
    return LeaderElection(cluster, namespace="system", name="operator", identity=identity, clock=clock, terms=TERMS)


def holder(cluster: FakeCluster) -> str:
    found: str = cluster.of(LEASE)["operator"]["spec"]["holderIdentity"]
    return found


class SlowToAnswer(FakeCluster):
    """Writes at once and answers `seconds` later."""

    seconds = 0.0

    async def create(self, kind: Kind, body: Object) -> Object:
        written = await super().create(kind, body)
        await asyncio.sleep(self.seconds)
        return written

    async def replace(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        written = await super().replace(kind, body, subresource)
        await asyncio.sleep(self.seconds)
        return written


async def lost(work: Coroutine[Any, Any, None]) -> str:
    with pytest.raises(LeadershipLost) as caught:
        await asyncio.wait_for(work, 600)
    return str(caught.value)


def test_the_first_one_leads_at_once() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        await election(cluster, clock, "one").acquire()
        assert (clock(), holder(cluster)) == (0, "one")
        assert cluster.of(LEASE)["operator"]["spec"]["leaseDurationSeconds"] == 15

    run_virtually(story)


def test_a_restarted_leader_leads_again_at_once() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        await election(cluster, clock, "one").acquire()
        await election(cluster, clock, "one").acquire()
        assert clock() == 0
        assert cluster.of(LEASE)["operator"]["spec"]["leaseTransitions"] == 1

    run_virtually(story)


def test_while_the_leader_renews_nobody_else_leads() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first, second = election(cluster, clock, "one"), election(cluster, clock, "two")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(second.acquire(), 600)
        assert holder(cluster) == "one"
        holding.cancel()

    run_virtually(story)


def test_a_dead_leader_is_followed_only_after_a_whole_term() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first, second = election(cluster, clock, "one"), election(cluster, clock, "two")
        await first.acquire()
        await second.acquire()
        assert TERMS.duration < clock() <= TERMS.duration + 2 * TERMS.renew
        assert holder(cluster) == "two"

    run_virtually(story)


def test_the_term_counts_from_when_the_other_saw_it_and_not_by_the_leaders_clock() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first, second = election(cluster, clock, "one"), election(cluster, clock, "two")
        await first.acquire()
        # The leader's wall clock says nothing: the renewal looks ages old.
        lease = cluster.of(LEASE)["operator"]
        cluster.put(LEASE, {**lease, "spec": {**lease["spec"], "renewTime": "2001-01-01T00:00:00.000000Z"}})
        await asyncio.sleep(100)
        began = clock()
        await second.acquire()
        assert clock() - began > TERMS.duration

    run_virtually(story)


def test_a_leader_that_released_is_followed_by_the_next_try() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first, second = election(cluster, clock, "one"), election(cluster, clock, "two")
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(1)
        await first.release()
        await waiting
        assert clock() <= 1 + TERMS.renew
        assert holder(cluster) == "two"

    run_virtually(story)


def test_releasing_what_another_holds_changes_nothing() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        await election(cluster, clock, "one").acquire()
        await election(cluster, clock, "two").release()
        assert holder(cluster) == "one"

    run_virtually(story)


def test_a_leader_that_another_replaced_stops_at_its_next_renewal() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first = election(cluster, clock, "one")
        await first.acquire()
        lease = cluster.of(LEASE)["operator"]
        cluster.put(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "two"}})
        assert "held by another replica" in await lost(first.hold())
        assert clock() <= TERMS.renew

    run_virtually(story)


def test_a_leader_whose_api_server_refuses_connections_gives_up_in_time() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first = election(cluster, clock, "one")
        await first.acquire()
        cluster.unreachable = True
        assert "not renewed for 10.0 s" in await lost(first.hold())
        assert clock() == pytest.approx(TERMS.give_up, abs=0.2)

    run_virtually(story)


def test_a_leader_whose_api_server_does_not_answer_gives_up_before_its_term_ends() -> None:
    async def story(clock: Clock) -> None:
        cluster = SlowToAnswer()
        first = election(cluster, clock, "one")
        await first.acquire()
        cluster.seconds = 3600
        await lost(first.hold())
        assert clock() <= TERMS.give_up + 0.2 < TERMS.duration

    run_virtually(story)


def test_a_renewal_counts_from_its_request_however_late_the_answer_comes() -> None:
    async def story(clock: Clock) -> None:
        cluster = SlowToAnswer()
        first = election(cluster, clock, "one")
        await first.acquire()
        cluster.seconds = TERMS.give_up - TERMS.renew - 0.5
        holding = asyncio.create_task(lost(first.hold()))
        await asyncio.sleep(TERMS.give_up)
        cluster.unreachable = True
        await holding
        # Its last write that arrived was made at the first renewal.
        assert clock() == pytest.approx(TERMS.renew + TERMS.give_up, abs=0.2)

    run_virtually(story)


def test_a_lease_counts_from_the_request_that_acquired_it() -> None:
    async def story(clock: Clock) -> None:
        cluster = SlowToAnswer()
        cluster.seconds = 5
        first = election(cluster, clock, "one")
        await first.acquire()
        cluster.unreachable = True
        await lost(first.hold())
        assert clock() == pytest.approx(TERMS.give_up, abs=0.2)

    run_virtually(story)


def test_a_lease_that_was_granted_too_long_ago_is_asked_for_again_before_its_holder_leads() -> None:
    async def story(clock: Clock) -> None:
        cluster = SlowToAnswer()
        cluster.seconds = TERMS.give_up
        acquiring = asyncio.create_task(election(cluster, clock, "one").acquire())
        await asyncio.sleep(TERMS.give_up + 0.5)
        assert not acquiring.done()
        cluster.seconds = 0
        await acquiring
        assert clock() == TERMS.give_up + TERMS.renew

    run_virtually(story)


def test_a_short_outage_does_not_end_leadership() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        first = election(cluster, clock, "one")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        for away in (True, False) * 5:
            cluster.unreachable = away
            await asyncio.sleep(7)
        assert not holding.done()
        holding.cancel()

    run_virtually(story)


def test_a_leader_that_is_stopped_in_the_moment_of_an_answer_stops() -> None:
    class Stopping(FakeCluster):
        stop: Callable[[], object] = staticmethod(lambda: None)

        async def replace(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
            written = await super().replace(kind, body, subresource)
            self.stop()
            return written

    async def story(clock: Clock) -> None:
        cluster = Stopping()
        leader = election(cluster, clock, "one")
        await leader.acquire()
        holding = asyncio.create_task(leader.hold())
        cluster.stop = holding.cancel
        await asyncio.wait([holding], timeout=2 * TERMS.renew)
        assert holding.cancelled()

    run_virtually(story)


def test_a_candidate_waits_out_an_api_server_that_is_away() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        cluster.unreachable = True
        waiting = asyncio.create_task(election(cluster, clock, "one").acquire())
        await asyncio.sleep(100)
        assert not waiting.done()
        cluster.unreachable = False
        await waiting
        assert holder(cluster) == "one"

    run_virtually(story)


@pytest.mark.parametrize("error", [Conflict("moved on"), Unreachable("lost")], ids=["a conflict", "a lost answer"])
def test_a_write_that_failed_makes_nobody_leader(error: ClusterError) -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        cluster.refuse = lambda verb, kind, name: error if verb in ("create", "replace") else None
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(election(cluster, clock, "one").acquire(), 60)

    run_virtually(story)


def test_of_ten_candidates_exactly_one_leads_at_any_time() -> None:
    async def story(clock: Clock) -> None:
        cluster = FakeCluster()
        leaders: set[str] = set()

        async def live(identity: str) -> None:
            mine = election(cluster, clock, identity)
            while True:
                await mine.acquire()
                assert not leaders
                leaders.add(identity)
                holding = asyncio.create_task(mine.hold())
                await asyncio.wait([holding], timeout=30)
                leaders.discard(identity)
                # Else it would take back at its next renewal what is released below.
                holding.cancel()
                await mine.release()
                await asyncio.sleep(5)

        replicas = [asyncio.create_task(live(f"replica-{number}")) for number in range(10)]
        await asyncio.sleep(600)
        failures = [task.exception() for task in replicas if task.done()]
        for task in replicas:
            task.cancel()
        assert failures == []

    run_virtually(story)
