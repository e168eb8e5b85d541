"""Tasks that live and end together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def until(stop: asyncio.Event) -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that is cancelled as a whole once `stop` is set."""

    class Stopped(Exception):
        pass

    async def raise_when_stopped() -> None:
        await stop.wait()
        raise Stopped

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(raise_when_stopped())
            yield tasks
    except* Stopped:
        pass


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors themselves, of all groups within."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
