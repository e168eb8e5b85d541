"""Real records through the gateway without a pause; every answer is kept with its version, its time and the truth.

Half of the connections speak the predictor's own protocol, half the Open Inference Protocol (V2).
"""

from __future__ import annotations

import abc
import asyncio
import itertools
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

CONNECTIONS = 4
PAUSE_SECONDS = 0.03
ANSWER_SECONDS = 10.0
LONGEST_SECONDS = 900.0


@dataclass(frozen=True)
class Person:
    """What is sent, and what would be right."""

    features: dict[str, int]
    label: int


@dataclass(frozen=True)
class Answer:
    """One request: who was asked about, when, for how long, and what came back; status 0 is no answer at all."""

    person: Person
    part: str
    at: float
    seconds: float
    status: int
    version: str = ""
    probability: float = 0.0
    error: str = ""
    protocol: str = ""
    request_id: str = ""

    @property
    def right(self) -> bool:
        """Whether the model said what is true."""
        return (self.probability >= 0.5) == bool(self.person.label)


class Protocol(abc.ABC):
    """A way to ask for a prediction at `url`."""

    name: str

    def __init__(self, url: str) -> None:
        self.url = url

    @abc.abstractmethod
    def body(self, person: Person, name: str) -> dict[str, Any]:
        """The request about a person, under a name of its own."""

    @abc.abstractmethod
    def probability(self, answer: Any) -> float:
        """What the answer's document says; raises LookupError, TypeError or ValueError when it is no such answer."""


class Predict(Protocol):
    """`POST /predict`, features by name."""

    name = "/predict"

    def body(self, person: Person, name: str) -> dict[str, Any]:
        """One row."""
        return {"request_id": name, "user_id": name, "features": person.features}

    def probability(self, answer: Any) -> float:
        """Its prediction."""
        return float(answer["prediction"])


class OpenInference(Protocol):
    """V2 infer, a tensor for each feature."""

    name = "V2"

    def body(self, person: Person, name: str) -> dict[str, Any]:
        """One row."""
        tensors = [
            {"name": feature, "shape": [1], "datatype": "INT64", "data": [value]}
            for feature, value in person.features.items()
        ]
        return {"id": name, "inputs": tensors, "parameters": {"user_id": name}}

    def probability(self, answer: Any) -> float:
        """Its one output's one value."""
        (output,) = answer["outputs"]
        return float(output["data"][0])


class Traffic:
    """A bounded stream of predictions, in a thread of its own so that nothing the demo does interrupts it."""

    def __init__(self, protocols: Sequence[Protocol], people: Sequence[Person], part: str) -> None:
        self.answers: list[Answer] = []
        self._protocols = protocols
        self._sending = (people, part)
        # A monitor may remember the requests of an earlier run.
        self._run_name = secrets.token_hex(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def open_to(self, people: Sequence[Person], part: str) -> None:
        """From now on send these people, under another name in the figures."""
        self._sending = (people, part)
        # A monitor may remember the requests of an earlier run.
        self._run_name = secrets.token_hex(4)

    @property
    def flows(self) -> bool:
        """Whether requests are being sent."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End, when what is under way is answered."""
        self._stop.set()
        self._thread.join(timeout=2 * ANSWER_SECONDS)

    async def _run(self) -> None:
        numbers = itertools.count()
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=ANSWER_SECONDS) as client:
            speakers = itertools.cycle(self._protocols)
            await asyncio.gather(*(self._send(client, next(speakers), numbers) for _ in range(CONNECTIONS)))

    async def _send(self, client: httpx.AsyncClient, protocol: Protocol, numbers: itertools.count[int]) -> None:
        ends = time.monotonic() + LONGEST_SECONDS
        while not self._stop.is_set() and time.monotonic() < ends:
            people, part = self._sending
            number = next(numbers)
            name = f"demo-{self._run_name}-{number}"
            answer = await _ask(client, protocol, people[number % len(people)], part, name)
            self.answers.append(replace(answer, protocol=protocol.name, request_id=name))
            await asyncio.sleep(PAUSE_SECONDS)


async def _ask(client: httpx.AsyncClient, protocol: Protocol, person: Person, part: str, name: str) -> Answer:
    at, status = time.monotonic(), 0
    try:
        response = await client.post(protocol.url, json=protocol.body(person, name))
        seconds, status = time.monotonic() - at, response.status_code
        if status != 200:
            return Answer(person, part, at, seconds, status, error=response.text[:200])
        version, probability = response.headers["x-model-version"], protocol.probability(response.json())
    except (httpx.HTTPError, LookupError, TypeError, ValueError) as error:
        return Answer(person, part, at, time.monotonic() - at, 0, error=f"status {status}: {error!r}")
    return Answer(person, part, at, seconds, status, version.removeprefix("v"), probability)
