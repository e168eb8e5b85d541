"""The monitor as the operator sees it: a port of four verbs, and its adapter by HTTP."""

from __future__ import annotations

from typing import Protocol, TypeVar
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, ValidationError

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, evidence_path
from modelloop_core.wire.reports import MODELS_PATH, DriftReport
from modelloop_core.wire.rollouts import ModelRollouts, rollouts_path
from modelloop_core.wire.settings import ModelSettings, settings_path
from modelloop_operator.decide.observation import AWAY, REFUSED

REQUEST_SECONDS = 5.0
"""Longest that one request may take."""

_LARGEST_REPORT_BYTES = 8 << 20
_Told = TypeVar("_Told", bound=BaseModel)
_AWAY = frozenset({429, 502, 503, 504})


class MonitorError(Exception):
    """The monitor could not be asked; `reason` is one word for conditions."""

    reason = AWAY


class MonitorAway(MonitorError):
    """No answer, or one that says "later": it concerns every model."""


class MonitorRefused(MonitorError):
    """An answer that this model's request will get again: refused, failed at, or no report at all."""

    reason = REFUSED


class Monitor(Protocol):
    """What the operator asks of the monitor; each request is bounded in time and size, and raises only MonitorError."""

    async def put_settings(self, namespace: str, name: str, settings: ModelSettings) -> None:
        """Have it watch a model with these settings."""
        ...

    async def put_rollouts(self, namespace: str, name: str, rollouts: ModelRollouts) -> None:
        """Tell it of a model's rollouts."""
        ...

    async def drift(self, namespace: str, name: str) -> DriftReport | None:
        """Its last report about a model, or None when it has none yet."""
        ...

    async def evidence(self, namespace: str, name: str, query: EvidenceQuery) -> RolloutEvidence | None:
        """How a version does beside the live one, or None when it cannot tell of this model at all."""
        ...


class HttpMonitor:
    """The monitor at an address, asked for `seconds` at most; `session` is closed by whoever made it."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str = "", *, seconds: float = REQUEST_SECONDS
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def put_settings(self, namespace: str, name: str, settings: ModelSettings) -> None:
        """See Monitor."""
        await self._answer("PUT", settings_path(namespace, name), settings.model_dump_json().encode())

    async def put_rollouts(self, namespace: str, name: str, rollouts: ModelRollouts) -> None:
        """See Monitor."""
        await self._answer("PUT", rollouts_path(namespace, name), rollouts.model_dump_json().encode())

    async def drift(self, namespace: str, name: str) -> DriftReport | None:
        """See Monitor."""
        return await self._read(f"{MODELS_PATH}/{namespace}/{name}/drift", DriftReport, "drift report")

    async def evidence(self, namespace: str, name: str, query: EvidenceQuery) -> RolloutEvidence | None:
        """See Monitor."""
        asked = f"{evidence_path(namespace, name)}?{urlencode(query.parameters())}"
        return await self._read(asked, RolloutEvidence, "evidence")

    async def _read(self, path: str, kind: type[_Told], called: str) -> _Told | None:
        content = await self._answer("GET", path)
        if content is None:
            return None
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            found = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            raise MonitorRefused(f"GET {self._url}{path} answered what is no {called} ({found})") from error

    async def _answer(self, verb: str, path: str, body: bytes | None = None) -> bytes | None:
        """The answer's content, None for 404 to a GET."""
        asked = f"{verb} {self._url}{path}"
        headers = {**self._headers, **({"Content-Type": "application/json"} if body else {})}
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        try:
            async with self._session.request(
                verb, self._url + path, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await _bounded(answer, asked)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"no answer within {self._seconds:g} s" if isinstance(error, TimeoutError) else str(error)
            raise MonitorAway(f"the monitor at {self._url} cannot be reached: {why}") from error
        return _judged(answer.status, content, asked, may_lack=verb == "GET")


async def _bounded(answer: aiohttp.ClientResponse, asked: str) -> bytes:
    content = b""
    async for chunk in answer.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > _LARGEST_REPORT_BYTES:
            raise MonitorRefused(f"{asked} answered more than {_LARGEST_REPORT_BYTES} bytes")
    return content


def _judged(status: int, content: bytes, asked: str, *, may_lack: bool) -> bytes | None:
    if status in _AWAY:
        raise MonitorAway(f"{asked} answered {status}")
    if status == 404 and may_lack:
        return None
    if status >= 300:
        raise MonitorRefused(f"{asked} answered {status}: {content[:200].decode(errors='replace')}")
    return content
