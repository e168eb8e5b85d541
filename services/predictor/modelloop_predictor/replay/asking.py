"""Asks a version by HTTP, a few requests at a time, marked so that nothing counts them as live traffic."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from modelloop_core.agreement import Answer
from modelloop_core.feature_schema import Output, RegressionOutput
from modelloop_core.wire.predictions import FALLBACK_HEADER, FORCED_HEADER, REQUEST_ID_HEADER
from modelloop_core.wire.runs import UNREACHED, reaches_enough
from modelloop_predictor.replay.captured import Asked

_AT_A_TIME = 4
_TRIES = 5
_PAUSE_SECONDS = 1.0
_MOST_ANSWER_BYTES = 8 << 20


class Unreached(Exception):
    """So many requests came to no pod of the version that the others tell nothing; later they may."""


@dataclass(frozen=True)
class Answered:
    """What came of one request: an answer, or in one word why there is none."""

    answer: Answer | None
    failure: str
    seconds: float


@dataclass(frozen=True)
class Target:
    """Where and whom to ask: the version's own Service, with the run in each request's id."""

    url: str
    version: str
    run: str
    seconds: float
    output: Output

    def ask_all(self, rows: Sequence[Asked]) -> list[Answered]:
        """Ask each row, in order of `rows`; raises Unreached as soon as that is certain."""
        found: list[Answered] = []
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            for answered in [threads.submit(self._ask, *row) for row in enumerate(rows)]:
                found.append(answered.result())
                unreached = sum(one.failure == UNREACHED for one in found)
                if not reaches_enough(unreached, len(rows)):
                    threads.shutdown(cancel_futures=True)
                    told = f"{unreached:,} of the first {len(found):,} of {len(rows):,} requests"
                    raise Unreached(f"{told} came to no pod of {self.version} at {self.url}")
        return found

    def _ask(self, number: int, row: Asked) -> Answered:
        body = json.dumps({"features": dict(row.features)}).encode()
        headers = {
            "content-type": "application/json",
            FORCED_HEADER: self.version,
            REQUEST_ID_HEADER: f"{self.run}-{number}",
        }
        for attempt in range(_TRIES):
            started = time.perf_counter()
            try:
                status, answer, fallback = self._exchange(body, headers)
            except TimeoutError:
                return Answered(None, "NoAnswer", time.perf_counter() - started)
            except (OSError, http.client.HTTPException):
                # A pod that goes, or a Service that is not known everywhere yet: no answer of the version.
                time.sleep(_PAUSE_SECONDS * attempt)
                continue
            seconds = time.perf_counter() - started
            if status == 200 and not fallback:
                return Answered(self._read(answer), "", seconds)
            return Answered(None, "FellBack" if fallback else _reason(status, answer), seconds)
        return Answered(None, UNREACHED, 0.0)

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, bool]:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=self.seconds)
        try:
            connection.request("POST", f"{address.path.rstrip('/')}/predict", body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read(_MOST_ANSWER_BYTES), FALLBACK_HEADER in response.headers
        finally:
            connection.close()

    def _read(self, answer: bytes) -> Answer:
        prediction: Any = json.loads(answer)["prediction"]
        if isinstance(self.output, RegressionOutput) and self.output.names:
            return [prediction[name] for name in self.output.names]
        found: Answer = prediction
        return found


def _reason(status: int, answer: bytes) -> str:
    try:
        return str(json.loads(answer)["reason"])
    except (ValueError, KeyError, TypeError):
        return f"Status{status}"
