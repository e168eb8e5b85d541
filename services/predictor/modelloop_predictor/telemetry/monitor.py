"""The monitor as a predictor sees it: posts go there, and what it says to them is one of a few verdicts."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from modelloop_core.wire.profiles import PROFILES_PATH, REFERENCES_PATH, ProfileReceipt

_SECONDS = 10.0
_MOST_ANSWER_BYTES = 64 << 10


class Verdict(Enum):
    """What became of a post: `AGAIN` says that nobody knows, and that the same bytes may be sent again."""

    TAKEN = "taken"
    REFUSED = "refused"
    WANTS_REFERENCE = "wants-reference"
    AGAIN = "again"


@dataclass(frozen=True)
class Reply:
    """A verdict, and in one line what was heard."""

    verdict: Verdict
    message: str


class Monitor(Protocol):
    """Where posts go; every call ends within bounded time and raises nothing."""

    def post(self, body: bytes) -> Reply:
        """Hand over one ProfilePost."""
        ...

    def put_reference(self, digest: str, body: bytes) -> Reply:
        """Hand over the reference that a post was counted against."""
        ...


class HttpMonitor:
    """A Monitor over HTTP; `token` is shown as a bearer token. Each exchange has a connection of its own."""

    def __init__(self, url: str, token: str | None, seconds: float = _SECONDS) -> None:
        address = urlsplit(url)
        self._secure = address.scheme == "https"
        self._host, self._port = address.hostname or "", address.port
        self._path = address.path.rstrip("/")
        self._headers = {"content-type": "application/json"}
        if token and token.strip():
            self._headers["authorization"] = f"Bearer {token.strip()}"
        self._seconds = seconds

    def post(self, body: bytes) -> Reply:
        """Hand over one ProfilePost."""
        status, answer = self._exchange("POST", PROFILES_PATH, body)
        if status == 200:
            try:
                ProfileReceipt.model_validate_json(answer)
            except ValidationError:
                return Reply(Verdict.AGAIN, f"answered 200 with what is no receipt: {answer[:80]!r}")
        return _judged(status, answer)

    def put_reference(self, digest: str, body: bytes) -> Reply:
        """Hand over the reference that a post was counted against."""
        return _judged(*self._exchange("PUT", f"{REFERENCES_PATH}/{digest}", body))

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 and why where there was none."""
        connection = self._connection()
        try:
            with _at_most(self._seconds, connection):
                connection.request(method, f"{self._path}{path}", body, self._headers)
                response = connection.getresponse()
                return response.status, response.read(_MOST_ANSWER_BYTES)
        except ValueError as error:
            # Without its text, which may be that of a header with the token.
            return 0, type(error).__name__.encode()
        except (OSError, http.client.HTTPException) as error:
            return 0, f"{type(error).__name__}: {error}".encode()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._seconds)


def _judged(status: int, answer: bytes) -> Reply:
    heard = " ".join(answer[:200].decode("utf-8", "replace").split())
    message = heard if status == 0 else f"answered {status}: {heard}"
    if 200 <= status < 300:
        return Reply(Verdict.TAKEN, message)
    if status == 428:
        return Reply(Verdict.WANTS_REFERENCE, message)
    # These say that the post itself is bad; any other status may be gone when a person has mended the cause.
    return Reply(Verdict.REFUSED if status in (400, 409, 413, 422) else Verdict.AGAIN, message)


@contextlib.contextmanager
def _at_most(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """End an exchange that takes longer: the socket's own timeout begins anew with every byte."""

    def end() -> None:
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
