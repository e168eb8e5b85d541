"""Posts documents to the monitor, and tries again where that can help; the options that say which monitor."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any

import typer

from modelloop_cli.errors import Refused

_TIMEOUT_SECONDS = 60.0
_TRIES = 5
_LONGEST_PAUSE = 30.0
_MOST_BYTES = 16 << 20


def monitor_url(text: str | None) -> str | None:
    """The address of a monitor as it was given; raises BadParameter for what is none."""
    if text is None:
        return None
    if not text.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{text!r} is no address of a monitor: it begins with http:// or https://")
    return text.rstrip("/")


NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="The MLModel's namespace.")]
TokenOption = Annotated[
    str | None, typer.Option(envvar="MODELLOOP_MONITOR_TOKEN", help="The monitor's token, where it asks for one.")
]
MonitorCAOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Certificates that sign the monitor's (PEM).")
]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would take the token along, to wherever it is sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


class MonitorRefused(Refused):
    """The monitor did not take what was posted, and why."""


class MonitorClient:
    """One monitor, which has `seconds` for each answer; `pause` waits so many seconds."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        ca_file: Path | None = None,
        seconds: float = _TIMEOUT_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._seconds = seconds
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
        self._pause = pause

    def post(self, path: str, document: Mapping[str, Any]) -> bytes:
        """Post until it is taken; what is posted may be posted twice. Raises MonitorRefused."""
        body = json.dumps(document).encode()
        for tries in range(1, _TRIES + 1):
            try:
                return self._once(path, body)
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or tries == _TRIES:
                    said = f"{self._url} answered {error.code}: {_detail(error)}"
                    raise MonitorRefused(said, _hint(error.code)) from error
                self._pause(_after(error))
            except (OSError, HTTPException) as error:
                if tries == _TRIES:
                    said = f"{self._url} does not answer: {getattr(error, 'reason', error)}"
                    raise MonitorRefused(said, "is it the monitor's address?") from error
                self._pause(float(tries))
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, path: str, body: bytes) -> bytes:
        request = urllib.request.Request(self._url + path, body, self._headers)  # noqa: S310 http(s), checked before
        with self._opener.open(request, timeout=self._seconds) as answer:
            found: bytes = answer.read(_MOST_BYTES)
            return found


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        document = json.loads(error.read(1 << 16))
        return str(document.get("detail") or document.get("title") or error.reason)
    except (ValueError, AttributeError, OSError):
        return str(error.reason)


def _after(error: urllib.error.HTTPError) -> float:
    try:
        return min(max(float(error.headers.get("retry-after", "1")), 0.0), _LONGEST_PAUSE)
    except ValueError:
        return 1.0


def _hint(status: int) -> str:
    if status in (401, 403):
        return "give the monitor's token with --token or MODELLOOP_MONITOR_TOKEN"
    return "run it again: what was done is not done twice" if status == 503 else ""
