"""A bounded load generator: a few keep-alive clients, each request recorded with its times and its answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import httpx

CLIENTS = 4
MOST_REQUESTS = 20_000
LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One request: when it left, when it was answered, by which version; status 0 is no answer at all."""

    sent: float
    answered: float
    status: int
    version: str
    error: str = ""


@dataclass
class Load:
    """Requests in a thread of its own while the test acts; entering waits until the first hundred are answered.

    Each one sends `body`, or the next of `bodies`.
    """

    url: str
    host: str
    body: Mapping[str, object] = field(default_factory=lambda: {"features": [1, 2, 3]})
    bodies: Iterator[Mapping[str, object]] | None = None
    pause: float = 0.0
    longest: float = LONGEST_SECONDS
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self.wait_for(100)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def wait_for(self, more: int, deadline: float = 30) -> None:
        """Wait until so many more requests were answered."""
        wanted, end = len(self.answers) + more, time.monotonic() + deadline
        while len(self.answers) < wanted:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.answers)} of {wanted} requests answered in {deadline} s")
            self._stop.wait(0.01)

    @property
    def failed(self) -> list[Answer]:
        """All that a caller would have noticed."""
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def versions(self) -> Counter[str]:
        """How many answers came from which version."""
        return Counter(answer.version for answer in self.answers if answer.status == 200)

    @property
    def slowest(self) -> float:
        """The longest answer in seconds."""
        return max(answer.answered - answer.sent for answer in self.answers)

    @property
    def rate(self) -> float:
        """Requests per second over the whole run."""
        return len(self.answers) / (self.answers[-1].answered - self.answers[0].sent)

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
        async with httpx.AsyncClient(
            base_url=self.url, headers={"host": self.host}, limits=limits, trust_env=False
        ) as client:
            await asyncio.gather(*(self._ask(client) for _ in range(CLIENTS)))

    async def _ask(self, client: httpx.AsyncClient) -> None:
        end = time.monotonic() + self.longest
        while not self._stop.is_set() and len(self.answers) < MOST_REQUESTS and time.monotonic() < end:
            body = self.body if self.bodies is None else next(self.bodies)
            self.answers.append(await ask(client, body))
            await asyncio.sleep(self.pause)


async def ask(client: httpx.AsyncClient, body: Mapping[str, object]) -> Answer:
    """One prediction; a broken connection is an answer with status 0."""
    sent = time.monotonic()
    try:
        response = await client.post("/predict", json=body, timeout=10)
    except httpx.HTTPError as error:
        return Answer(sent, time.monotonic(), 0, "", repr(error))
    version = response.headers.get("x-model-version", "")
    return Answer(sent, time.monotonic(), response.status_code, version, "" if response.is_success else response.text)
