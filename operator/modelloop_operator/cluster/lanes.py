"""Where blocking calls to object stores run: few threads for each endpoint, so that one that stalls holds no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from modelloop_core.api.spec import Registry as RegistryRef

_T = TypeVar("_T")
_PATIENCE_SECONDS = 2.0
_THREADS = 4

Endpoint = tuple[str | None, str | None]
"""What requests go to: an address outside AWS, or (None) AWS in a region."""


def endpoint_of(ref: RegistryRef) -> Endpoint:
    """The endpoint that serves a registry."""
    return (ref.endpoint, ref.region)


def threads_of(endpoint: Endpoint) -> Executor:
    """Threads for one endpoint; started when needed, ended when nobody holds them any more."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=f"store-{endpoint[0] or 'aws'}")


class Lane:
    """The threads of one endpoint, and how long a pass may still wait for it."""

    def __init__(self, threads: Executor, clock: Callable[[], float]) -> None:
        self._threads = threads
        self._clock = clock
        self._begun: dict[object, float] = {}

    async def run(self, act: Callable[[], _T]) -> _T:
        """What `act` returns, run in a thread of this endpoint as soon as one is free."""
        call = object()
        self._begun[call] = self._clock()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, act)
        finally:
            del self._begun[call]

    async def ends_soon(self, work: asyncio.Task[Any]) -> bool:
        """Whether `work` ends while one is patient: not at all once any call has waited that long."""
        now = self._clock()
        oldest = next(iter(self._begun.values()), now)
        await asyncio.wait({work}, timeout=max(0.0, oldest + _PATIENCE_SECONDS - now))
        return work.done()


class Lanes:
    """One lane per endpoint in use."""

    def __init__(self, clock: Callable[[], float], threads_of: Callable[[Endpoint], Executor] = threads_of) -> None:
        self._clock = clock
        self._threads_of = threads_of
        # Weak: threads end with the last registry of their endpoint, but never under a call that still runs.
        self._lanes: WeakValueDictionary[Endpoint, Lane] = WeakValueDictionary()

    def to(self, endpoint: Endpoint) -> Lane:
        """The lane to an endpoint; it lives as long as somebody holds it."""
        lane = self._lanes.get(endpoint)
        if lane is None:
            lane = self._lanes[endpoint] = Lane(self._threads_of(endpoint), self._clock)
        return lane
