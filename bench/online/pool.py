"""Rows with their right answers, and the requests made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.online.plan import Contender, Load
from bench.online.wires import WIRES

TOLERANCE = 1e-4
ONE_ROW_REQUESTS = 512
MANY_ROW_REQUESTS = 64
CHECKED = 64


class NoSuchRoute(Exception):
    """The server does not have the route of this wire format."""


class WrongAnswer(Exception):
    """The server answers something else than the model."""


class Asked(Protocol):
    """A server that can be asked one request; its contender says of which size its model is."""

    contender: Contender

    def ask(self, request: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers in lower case and body of the answer."""


@dataclass(frozen=True)
class Pool:
    """`rows` [n, 20] and, by size of model, `answers` [n]."""

    rows: Any
    answers: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Pool:
        """What `bench.online.models` wrote."""
        with np.load(path) as stored:
            return cls(stored["rows"], {name: stored[name] for name in stored.files if name != "rows"})

    def requests(self, load: Load) -> list[bytes]:
        """Different requests for one load."""
        count = ONE_ROW_REQUESTS if load.rows == 1 else MANY_ROW_REQUESTS
        starts = range(0, count * load.rows, load.rows)
        return [WIRES[load.wire].request(self.rows[start : start + load.rows]) for start in starts]

    def first_request(self, contender: Contender) -> bytes:
        """What a server is asked until it answers."""
        return self.requests(contender.loads[0])[0]

    def check(self, server: Asked, load: Load) -> None:
        """Ask a part of the pool; raises NoSuchRoute or WrongAnswer."""
        wire = WIRES[load.wire]
        for number, request in enumerate(self.requests(load)[:CHECKED]):
            status, headers, body = server.ask(request)
            if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise NoSuchRoute(f"POST {wire.path} answers {status}: no such route")
            if status != HTTPStatus.OK:
                raise WrongAnswer(f"POST {wire.path} answers {status}: {body[:200]!r}")
            if not server.contender.constant:
                expected = self.answers[server.contender.size][number * load.rows : (number + 1) * load.rows]
                _compare(wire.decode(headers, body), expected)


def _compare(found: Any, expected: Any) -> None:
    if found.shape != expected.shape:
        raise WrongAnswer(f"{found.shape} predictions instead of {expected.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise WrongAnswer(f"a prediction is {difference:.2g} from the model's")
