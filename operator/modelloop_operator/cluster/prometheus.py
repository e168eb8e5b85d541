"""Prometheus as the operator sees it: a port of one verb, and its adapter by HTTP."""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

import aiohttp

from modelloop_operator.decide.measures import UNREACHABLE, UNREADABLE

REQUEST_SECONDS = 5.0
"""Longest that one question may take."""

_MOST_ANSWER_BYTES = 1 << 20


class PrometheusError(Exception):
    """There is no number; `reason` is one word for conditions."""

    reason = UNREADABLE


class PrometheusAway(PrometheusError):
    """No answer, or none that a Prometheus gives."""

    reason = UNREACHABLE


class Prometheus(Protocol):
    """What is asked of Prometheus; each question is bounded in time and size, and raises only PrometheusError."""

    async def value(self, promql: str) -> float:
        """The one number that an expression has now."""
        ...


class HttpPrometheus:
    """The Prometheus at an address; `session` is closed by whoever made it."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str = "", *, seconds: float = REQUEST_SECONDS
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def value(self, promql: str) -> float:
        """See Prometheus."""
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        asked = f"{self._url}/api/v1/query"
        try:
            async with self._session.post(
                asked, data={"query": promql}, headers=self._headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await _bounded(answer)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"no answer within {self._seconds:g} s" if isinstance(error, TimeoutError) else str(error)
            raise PrometheusAway(f"Prometheus at {self._url} cannot be asked: {why}") from error
        return number(_result(answer.status, content, self._url))


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    content = b""
    async for chunk in answer.content.iter_chunked(1 << 14):
        content += chunk
        if len(content) > _MOST_ANSWER_BYTES:
            raise PrometheusError(f"the answer has more than {_MOST_ANSWER_BYTES:,} bytes, and one number is needed")
    return content


def _result(status: int, content: bytes, url: str) -> dict[str, Any]:
    """The data of an answer; Prometheus says in words what it does not like of a question."""
    try:
        document = json.loads(content)
        if document["status"] == "success":
            data: dict[str, Any] = document["data"]
            return data
        told = str(document["error"])[:300]
    except (ValueError, KeyError, TypeError) as error:
        shown = content[:100].decode(errors="replace")
        raise PrometheusAway(f"{url} answered {status} with what no Prometheus does: {shown!r}") from error
    raise PrometheusError(f"Prometheus cannot answer it: {told}")


def number(data: dict[str, Any]) -> float:
    """The one number of a result; raises PrometheusError for none, several, and what is no number."""
    kind, result = data.get("resultType"), data.get("result")
    if kind == "vector" and isinstance(result, list):
        if not result:
            raise PrometheusError("it has no data: no series, or none lately")
        if len(result) > 1:
            raise PrometheusError(f"it has {len(result)} series, and one is needed: sum(…) or max(…) makes one")
        result = result[0].get("value")
    elif kind != "scalar":
        raise PrometheusError(f"its result is a {kind}, and one number is needed")
    try:
        found = float(result[1])  # type: ignore[index]  # whatever is not indexed so is told below
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise PrometheusError(f"its result {str(result)[:100]!r} holds no number") from error
    if not math.isfinite(found):
        raise PrometheusError(f"it is {result[1]}, which is no number")  # type: ignore[index]
    return found
