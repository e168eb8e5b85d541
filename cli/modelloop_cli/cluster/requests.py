"""A person's command to the operator: written so that no other one is lost, and waited for until it is answered."""

from __future__ import annotations

import contextlib
import getpass
import os
import time
import uuid
from typing import Any

from modelloop_cli.cluster.connection import Connection
from modelloop_cli.cluster.describe import status_of
from modelloop_cli.cluster.refusals import Moved
from modelloop_cli.errors import Refused
from modelloop_core.api import REQUEST_ANNOTATION
from modelloop_core.api.requests import PersonRequest, request_id
from modelloop_core.api.status import HandledRequest

_POLL_SECONDS = 0.3


def ask(connection: Connection, name: str, verb: str, seconds: float) -> HandledRequest:
    """The operator's answer to `verb`; raises Refused when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    request = PersonRequest(id=uuid.uuid4().hex[:16], verb=verb, by=_person())
    _write(connection, name, request, deadline)
    while time.monotonic() < deadline:
        model = connection.model(name)
        if (answer := _answer(model, request.id)) is not None:
            return answer
        if request_id(_annotation(model)) != request.id:
            raise Refused(
                f"{_told(model)} took the place of {verb!r} before its answer was seen here",
                f"ask again; `kubectl mlmodel status {name}` shows what there is",
            )
        time.sleep(_POLL_SECONDS)
    raise Refused(
        f"the operator has not answered {verb!r} within {seconds:g} s; it will when it runs",
        f"kubectl mlmodel doctor {name}",
    )


def _write(connection: Connection, name: str, request: PersonRequest, deadline: float) -> None:
    """Put the request where no unanswered one stands: the annotation holds one, and what it held would be lost."""
    while True:
        model = connection.model(name)
        waits = _annotation(model) != "" and not _answered(model)
        following = request.following(_annotation(model), status_of(model).handledRequest)
        if not waits and _written(connection, name, following, model["metadata"]["resourceVersion"]):
            return
        if time.monotonic() >= deadline:
            why = f"{_told(model)} still waits for the operator's answer" if waits else "the MLModel keeps changing"
            raise Refused(f"{request.verb!r} was not asked, because {why}", f"kubectl mlmodel doctor {name}")
        time.sleep(_POLL_SECONDS)


def _written(connection: Connection, name: str, request: PersonRequest, revision: str) -> bool:
    try:
        connection.request(name, request, revision)
    except Moved:
        return False  # by the operator or by another person: look at what stands there now
    return True


def _annotation(model: dict[str, Any]) -> str:
    return str(model["metadata"].get("annotations", {}).get(REQUEST_ANNOTATION, ""))


def _answered(model: dict[str, Any]) -> bool:
    handled = status_of(model).handledRequest
    return handled is not None and handled.id == request_id(_annotation(model))


def _answer(model: dict[str, Any], identity: str) -> HandledRequest | None:
    """The answer to one request, in status or carried along by the requests that followed it."""
    found = [status_of(model).handledRequest]
    with contextlib.suppress(ValueError):
        found.extend(PersonRequest.parse(_annotation(model)).after)
    return next((answer for answer in found if answer is not None and answer.id == identity), None)


def _told(model: dict[str, Any]) -> str:
    try:
        found = PersonRequest.parse(_annotation(model))
    except ValueError:
        return f"the request {_annotation(model)[:100]!r}"
    return f"{found.verb!r} by {found.by or 'somebody'}"


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have a number and no name.
        return f"uid {os.getuid()}"
