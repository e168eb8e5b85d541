"""Requests at a constant rate over a few connections; a request's time counts from the moment it was meant to leave.

A client that waits for an answer before it sends the next request would leave out just the requests that a slow server
keeps from being sent. Here they are late, and their lateness counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

ANSWER_SECONDS = 10.0
OK = 200


@dataclass
class Stretch:
    """One stretch of load: seconds from the meant moment to the answer, and how late each request left."""

    waits: list[float] = field(default_factory=list)
    lates: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    own_cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests that brought a prediction, in a second."""
        return len(self.waits) / self.seconds

    def wait_ms(self, percent: float) -> float | None:
        """The time that so many percent of the answers took at the most."""
        return percentile_ms(self.waits, percent)

    def late_ms(self, percent: float) -> float | None:
        """The time that so many percent of the requests left late at the most."""
        return percentile_ms(self.lates, percent)


def percentile_ms(seconds: Sequence[float], percent: float) -> float | None:
    """The smallest value that so many percent do not exceed, in milliseconds; None of nothing."""
    if not seconds:
        return None
    rank = -(-len(seconds) * percent // 100)
    return sorted(seconds)[max(0, int(rank) - 1)] * 1e3


def drive(
    address: tuple[str, int], requests: Sequence[bytes], *, rate: float, seconds: float, connections: int
) -> Stretch:
    """Send `rate * seconds` requests in turn, each when it is due or as soon as a connection is free."""
    return uvloop.run(_Pace(address, requests, rate, round(rate * seconds)).run(connections))


class _Pace:
    def __init__(self, address: tuple[str, int], requests: Sequence[bytes], rate: float, count: int) -> None:
        self._address = address
        self._requests = requests
        self._rate = rate
        self._numbers = iter(range(count))
        self._stretch = Stretch()
        self._began = 0.0

    async def run(self, connections: int) -> Stretch:
        opened = await asyncio.gather(*(asyncio.open_connection(*self._address) for _ in range(connections)))
        cpu, self._began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(self._client(*streams) for streams in opened))
        self._stretch.seconds = time.perf_counter() - self._began
        self._stretch.own_cpu_seconds = time.process_time() - cpu
        return self._stretch

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in self._numbers:
            meant = self._began + number / self._rate
            await asyncio.sleep(meant - time.perf_counter())
            left = time.perf_counter()
            try:
                if writer.is_closing():
                    reader, writer = await asyncio.open_connection(*self._address)
                writer.write(self._requests[number % len(self._requests)])
                status, body = await asyncio.wait_for(read_answer(reader), ANSWER_SECONDS)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self._stretch.failures.append(repr(error))
                writer.close()
                continue
            if status != OK:
                self._stretch.failures.append(f"{status} {body[:200]!r}")
                continue
            # The loop's clock has milliseconds: a request may leave a fraction of one early, which is no gain.
            self._stretch.waits.append(time.perf_counter() - min(meant, left))
            self._stretch.lates.append(max(0.0, left - meant))


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one answer; raises EOFError for half of one, ValueError for one without a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((line[15:] for line in lines if line.startswith(b"content-length:")), None)
    if length is None:
        raise ValueError(f"an answer without content-length: {head!r}")
    return int(lines[0].split(b" ", 2)[1]), await reader.readexactly(int(length))
