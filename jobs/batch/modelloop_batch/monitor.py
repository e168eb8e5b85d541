"""Tells a monitor what each shard held: a post is known by its run and shard, so that a second one changes nothing.

What a batch held is a series of its own, `NAME:batch` beside `NAME`: a nightly million rows among the live ones would
hide what callers send, and what a rollout is judged by.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

from modelloop_core.wire.batch import Plan, ShardRecord
from modelloop_core.wire.profiles import PROFILES_PATH, REFERENCES_PATH, ProfilePost, TrafficDelta

SERIES = "batch"
_SECONDS = 30.0
_ATTEMPTS = 5
_NEEDS_REFERENCE = 428
_AGAIN = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Receipt:
    """How a monitor took what was posted: how many shards, and why not all."""

    shards: int = 0
    problem: str = ""


@dataclass(frozen=True)
class MonitorAddress:
    """Which monitor, and the model for which it keeps the batch."""

    url: str
    namespace: str
    name: str
    token: str | None = None
    ca_file: Path | None = None
    series: str = SERIES


class _Refused(Exception):
    """The monitor did not take it; trying again now cannot help."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would take the token along, to wherever it is sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


class MonitorPosts:
    """Posts to one monitor; `pause` waits so many seconds."""

    def __init__(
        self, address: MonitorAddress, *, now: Callable[[], datetime], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._address, self._now, self._pause = address, now, pause
        self._headers = {"content-type": "application/json"}
        if address.token:
            self._headers["authorization"] = f"Bearer {address.token}"
        context = ssl.create_default_context(cafile=str(address.ca_file)) if address.ca_file else None
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))

    def tell(self, plan: Plan, records: Iterable[ShardRecord], reference: bytes) -> Receipt:
        """Post what the shards held, those that were posted before too; never raises for what the monitor says."""
        told = 0
        for record in records:
            if record.profile is not None:
                try:
                    self._post(self._document(plan, record), record.profile.reference, reference)
                except _Refused as error:
                    return Receipt(told, f"{self._address.url} {error}")
                told += 1
        return Receipt(told)

    def _document(self, plan: Plan, record: ShardRecord) -> bytes:
        now, profile = self._now(), record.profile
        assert profile is not None  # noqa: S101 told of none without
        post = ProfilePost(
            source=f"batch:{plan.run}",
            epoch=f"shard-{record.shard:05}",
            sequence=0,
            namespace=self._address.namespace,
            name=f"{self._address.name}:{self._address.series}",
            version=plan.version,
            reference=profile.reference,
            # Of now, and not of when it was scored: a monitor takes nothing of a window that it has closed.
            since=now,
            until=now,
            features=profile.features,
            outputs=profile.outputs,
            traffic=TrafficDelta(rows=record.scored),
        )
        return post.model_dump_json().encode()

    def _post(self, document: bytes, digest: str, reference: bytes) -> None:
        status, said = self._asked("POST", PROFILES_PATH, document)
        if status == _NEEDS_REFERENCE:
            status, said = self._asked("PUT", f"{REFERENCES_PATH}/{digest}", reference)
            if status < 300:
                status, said = self._asked("POST", PROFILES_PATH, document)
        if status >= 300:
            raise _Refused(f"answered {status}: {said}")

    def _asked(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                status, said = self._once(method, path, body)
                if status not in _AGAIN or attempt == _ATTEMPTS:
                    return status, said
            except (OSError, HTTPException) as error:
                if attempt == _ATTEMPTS:
                    raise _Refused(f"does not answer: {getattr(error, 'reason', error)}") from error
            self._pause(float(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        url = self._address.url.rstrip("/") + path
        request = urllib.request.Request(url, body, self._headers, method=method)  # noqa: S310 http(s), checked before
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, _detail(error)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        document = json.loads(error.read(1 << 16))
        return str(document.get("detail") or document.get("title") or error.reason)
    except (ValueError, AttributeError, OSError):
        return str(error.reason)
