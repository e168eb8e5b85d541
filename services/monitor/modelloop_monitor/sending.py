"""Makes one request and says whether it was taken: no redirects, no more than a few seconds, little of the answer."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from modelloop_monitor.notices import Delivery

_SECONDS = 10.0
_MOST_BYTES = 200

Send = Callable[[Delivery], None]


class NotTaken(Exception):
    """The target did not take it; the message says why."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def send(delivery: Delivery) -> None:
    """POST it; raises NotTaken."""
    try:
        request = Request(delivery.url, delivery.body, delivery.headers, method="POST")  # noqa: S310 http(s) by the settings
        with build_opener(_NoRedirects).open(request, timeout=_SECONDS) as answer:
            answer.read(_MOST_BYTES)
    except HTTPError as error:
        raise NotTaken(f"{delivery.url} answered {error.code}: {_words(error)}") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise NotTaken(f"{delivery.url}: {error}") from error


def _words(error: HTTPError) -> str:
    return error.read(_MOST_BYTES).decode(errors="replace")
