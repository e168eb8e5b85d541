"""Outcomes of runs are read in turns, and what is odd of one run ends the turns of no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fakes.cluster import FakeCluster
from fakes.seen import NOW
from fakes.virtual_time import Inline, run_virtually
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.registry import Registry
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from modelloop_operator.cluster.credentials import Credentials, Keys
from modelloop_operator.cluster.lanes import Lanes
from modelloop_operator.cluster.runs import EVERY_SECONDS, Runs
from support.memory_store import MemoryStore

ODD, CHURN = ("shop", "odd"), ("shop", "churn")
RUN = "replay-1-1-0"
OUTCOME = ReplayOutcome(run=RUN, version="1.1.0", against="1.0.0", began=NOW, ended=NOW)


def test_a_registry_that_fails_in_an_unknown_way_keeps_no_other_outcome_from_being_read() -> None:
    store = MemoryStore(lambda verb, key: None)
    store.objects[outcome_key(RUN)] = OUTCOME.model_dump_json().encode()

    def open_registry(ref: RegistryRef, _: Keys) -> Registry:
        if ref.uri.endswith("odd"):
            raise ValueError("nobody thought of this")
        return Registry(store)

    async def main(clock: Callable[[], float]) -> object:
        heard: list[tuple[str, str]] = []
        lanes = Lanes(clock, lambda _: Inline(max_workers=1))
        runs = Runs(Credentials(FakeCluster(), clock=clock), open_registry, lanes, on_change=heard.append, clock=clock)
        turns = asyncio.create_task(runs.poll())
        for key in (ODD, CHURN):
            source = (key[0], RegistryRef(uri=f"s3://models/{key[1]}"))
            runs.of(key, source, RUN)
            await asyncio.sleep(2 * EVERY_SECONDS)
        assert not turns.done(), "the turns ended"
        assert heard == [CHURN]
        turns.cancel()
        return runs.of(CHURN, ("shop", RegistryRef(uri="s3://models/churn")), RUN)

    assert run_virtually(main) == OUTCOME
