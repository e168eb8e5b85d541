"""Two real endpoints beside each other: one accepts every connection and never answers, the other serves."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from fakes.cluster import FakeCluster
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.registry import Registry
from modelloop_core.storage.s3 import S3Store
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.catalogs import PENDING, Catalogs
from modelloop_operator.cluster.credentials import Credentials, Keys
from modelloop_operator.cluster.lanes import Lanes
from modelloop_operator.cluster.work_queue import WorkQueue
from modelloop_operator.decide.observation import Catalog, CatalogUnknown
from support.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from support.versions import a_version

MODELS_ON_THE_SILENT = 60
WORKERS = 8
SILENCE_SECONDS = 3.0


@pytest.fixture
def silent() -> Iterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=256)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def open_registry(ref: RegistryRef, keys: Keys) -> Registry:
    bucket, _, prefix = ref.uri.removeprefix("s3://").partition("/")
    return Registry(
        S3Store(
            bucket,
            prefix,
            endpoint=ref.endpoint,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            read_seconds=SILENCE_SECONDS,
        )
    )


async def found_by_workers(sources: dict[Key, RegistryRef], last: Key) -> list[tuple[Key, Catalog | CatalogUnknown]]:
    """What the operator's workers learn of `sources`, up to the catalog of `last`."""
    queue: WorkQueue[Key] = WorkQueue(time.monotonic)
    catalogs = Catalogs(
        Credentials(
            FakeCluster(), clock=time.monotonic, own_identity_endpoints=[ref.endpoint or "" for ref in sources.values()]
        ),
        open_registry,
        Lanes(time.monotonic),
        on_change=queue.add,
        clock=time.monotonic,
        poll_seconds=60,
    )
    found: list[tuple[Key, Catalog | CatalogUnknown]] = []
    served = asyncio.Event()

    async def work() -> None:
        while True:
            key = await queue.take()
            found.append((key, await catalogs.catalog(key, ("shop", sources[key]))))
            queue.done(key)
            if key == last and isinstance(found[-1][1], Catalog):
                served.set()

    for key in sources:
        queue.add(key)
    workers = [asyncio.create_task(work()) for _ in range(WORKERS)]
    async with asyncio.timeout(30):
        await served.wait()
    for task in workers:
        task.cancel()
    catalogs.stop()
    return found


def test_many_mlmodels_on_a_silent_store_do_not_hold_up_the_one_on_a_healthy_store(
    s3_server: S3Server, silent: str
) -> None:
    s3_server.bucket("stalled-store-models")
    healthy = RegistryRef(uri="s3://stalled-store-models/churn", endpoint=s3_server.endpoint)
    open_registry(healthy, Keys()).publish(*a_version("1.0.0"))
    sources = {
        ("shop", f"silent-{n}"): RegistryRef(uri=f"s3://models/{n}", endpoint=silent)
        for n in range(MODELS_ON_THE_SILENT)
    }
    last = ("shop", "healthy")
    found = asyncio.run(found_by_workers({**sources, last: healthy}, last))
    # It was the last in the queue, and came through it before the first read of the silent store timed out.
    reasons = [catalog.reason for _, catalog in found if isinstance(catalog, CatalogUnknown)]
    assert reasons == [PENDING] * MODELS_ON_THE_SILENT
