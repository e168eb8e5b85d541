"""A cache that processes share, in Redis. Its loss costs what it saved and nothing else: no request waits for it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from modelloop_predictor.answers import Values
from modelloop_predictor.logs import event

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LONGEST_CONNECT_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_WIDTH_BYTES = 4


class Entry(NamedTuple):
    """An answer and how many seconds it has left."""

    key: bytes
    values: Values
    seconds: float


class SharedAnswers(Protocol):
    """The port of a shared cache."""

    async def exchange(self, keys: Sequence[bytes], entries: Sequence[Entry]) -> list[Entry | None]:
        """Store `entries`, and say what is there for each of `keys`; it never raises, and is bounded in time."""
        ...


class RedisAnswers:
    """Answers in Redis below `prefix`, waited for at most `seconds`; what goes wrong is told to `on_error`.

    While the connection is not known to be good nothing is asked: a task tries it, once a second.
    """

    def __init__(self, client: Redis, prefix: str, seconds: float, on_error: Callable[[], None]) -> None:
        self._client = client
        self._seconds = seconds
        self._prefix = prefix.encode()
        self._on_error = on_error
        self._good = False
        self._told = False
        self._trial: asyncio.Task[None] | None = None

    async def exchange(self, keys: Sequence[bytes], entries: Sequence[Entry]) -> list[Entry | None]:
        """Store and look up in one round trip of at most `seconds`; None for each key while Redis is lost."""
        if not self._good:
            if self._trial is None:
                self._trial = asyncio.get_running_loop().create_task(self._try())
            return [None] * len(keys)
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._ask(keys, entries)
        except Exception as error:  # noqa: BLE001 whatever it is, requests must go on without it
            await self._lose(error)
            return [None] * len(keys)
        return [self._entry(key, found[2 * at], found[2 * at + 1]) for at, key in enumerate(keys)]

    async def _ask(self, keys: Sequence[bytes], entries: Sequence[Entry]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            name = self._name(key)
            pipe.get(name)
            pipe.pttl(name)
        for entry in entries:
            pipe.set(self._name(entry.key), _written(entry), px=max(1, math.floor(entry.seconds * 1000)))
        found: list[Any] = await pipe.execute()
        return found

    def _entry(self, key: bytes, data: bytes | None, left: int) -> Entry | None:
        if data is None or left <= 0:
            return None
        values = _read(key, data)
        if values is None:
            self._on_error()
            return None
        return Entry(key, values, left / 1000)

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()

    async def _lose(self, error: Exception) -> None:
        self._good = False
        self._on_error()
        if not self._told:
            self._told = True
            message = f"{type(error).__name__}: {error}"
            event("cache-lost", logging.WARNING, reason="RedisLost", message=message)
        # What was asked and not read would otherwise be the answer to what is asked next.
        await self._client.connection_pool.disconnect(inuse_connections=True)
        self._trial = asyncio.get_running_loop().create_task(self._try(after=_PAUSE_SECONDS))

    async def _try(self, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        try:
            async with asyncio.timeout(_LONGEST_CONNECT_SECONDS):
                await self._client.ping()
        except Exception as error:  # noqa: BLE001 as above: a cache that cannot be reached is no reason to fail
            await self._lose(error)
            return
        self._trial, self._good = None, True
        if self._told:
            self._told = False
            event("cache-back", reason="RedisBack")


def _written(entry: Entry) -> bytes:
    """The key, how many numbers a row has (0: one without a list), and the numbers."""
    numbers = np.asarray(entry.values, dtype="<f8")
    width = numbers.shape[1] if numbers.ndim == 2 else 0
    # The key, so that a reply that is another one's is never taken for an answer.
    return entry.key + width.to_bytes(_WIDTH_BYTES, "little") + numbers.tobytes()


def _read(key: bytes, data: bytes) -> Values | None:
    start = len(key) + _WIDTH_BYTES
    width = int.from_bytes(data[len(key) : start], "little")
    numbers = data[start:]
    if data[: len(key)] != key or not numbers or len(numbers) % (8 * max(width, 1)):
        return None
    rows = np.frombuffer(numbers, dtype="<f8")
    if not np.isfinite(rows).all():
        return None
    values: Values = (rows.reshape(-1, width) if width else rows).tolist()
    return values


def redis_answers(
    url: str,
    *,
    username: str | None,
    password: str | None,
    prefix: str,
    seconds: float,
    on_error: Callable[[], None],
) -> RedisAnswers:
    """Answers in the Redis at `url`; nothing is sent before the first question."""
    # Here and not above: it costs memory and time of every start that does not need it.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    client = Redis.from_url(url, username=username, password=password, retry=Retry(NoBackoff(), 0), max_connections=4)
    return RedisAnswers(client, prefix, seconds, on_error)
