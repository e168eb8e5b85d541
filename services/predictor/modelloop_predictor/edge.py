"""The outermost layer of every request: its id, the headers on every answer, the access log and the metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelloop_core.wire.predictions import PROBLEM_TYPE, REQUEST_ID_HEADER, TRACE_HEADER, VERSION_HEADER
from modelloop_predictor.body import ClientGone
from modelloop_predictor.logs import event
from modelloop_predictor.parsing import is_request_id, shown
from modelloop_predictor.problems import INTERNAL, ProblemError
from modelloop_predictor.serving import Serving

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PREDICT_PATH = "/predict"
V2_PATH = "/v2"
MODELS_PATH = f"{V2_PATH}/models/"
_CLIENT_GONE = 499
_TRACE = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{0,128})?")


@dataclass
class Exchange:
    """One request on its way: routes may set its id and the reason of its error."""

    request_id: str
    trace: bytes | None
    started: float
    status: int = 0
    reason: str | None = None
    rows: int = 0


class Edge:
    """Wraps the application; after it no error is unanswered and no answer lacks its headers."""

    def __init__(self, app: App, serving: Serving) -> None:
        self._app = app
        self._serving = serving
        self._version_header = (VERSION_HEADER.encode(), serving.served_name.encode())

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _exchange(scope)
        scope.setdefault("state", {})["exchange"] = exchange
        if not is_prediction(scope["path"]):
            await self._serve(scope, receive, send, exchange)
            return
        with self._serving.metrics.in_flight.track_inprogress():
            await self._serve(scope, receive, send, exchange)
        account(self._serving, exchange, scope["method"], scope["path"])

    async def _serve(self, scope: Message, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(exchange)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientGone:
            exchange.status, exchange.reason = _CLIENT_GONE, "ClientGone"
        except Exception as error:  # noqa: BLE001 the top of every request: the client gets a problem, the log the traceback
            event("request-failed", logging.ERROR, error, request_id=exchange.request_id, path=scope["path"])
            if not exchange.status:
                await _send_internal_error(send_with_headers, scope["path"], exchange)
            exchange.reason = INTERNAL.reason

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        headers = [self._version_header, (REQUEST_ID_HEADER.encode(), exchange.request_id.encode())]
        if exchange.trace is not None:
            headers.append((TRACE_HEADER.encode(), exchange.trace))
        if self._serving.readiness.draining:
            headers.append((b"connection", b"close"))
        return headers


def is_prediction(path: str) -> bool:
    """Whether requests to the path are counted and logged as predictions."""
    return path == PREDICT_PATH or (path.startswith(MODELS_PATH) and path.endswith("/infer"))


def account(serving: Serving, exchange: Exchange, method: str, path: str) -> None:
    """Count and log one prediction request that has had its answer."""
    seconds = time.perf_counter() - exchange.started
    serving.metrics.answered(exchange.status, seconds)
    if exchange.reason is not None:
        serving.metrics.failed(exchange.reason)
    event(
        "request",
        request_id=exchange.request_id,
        method=method,
        path=shown(path),
        status=exchange.status,
        rows=exchange.rows,
        milliseconds=round(seconds * 1000, 3),
        reason=exchange.reason or "Answered",
    )


def problem_answer(path: str, problem: ProblemError, request_id: str) -> tuple[bytes, str]:
    """A problem's body and content type, as the protocol of the path has errors."""
    if path == V2_PATH or path.startswith(f"{V2_PATH}/"):
        return orjson.dumps(problem.open_inference_body(request_id)), "application/json"
    return orjson.dumps(problem.body(request_id)), PROBLEM_TYPE


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    """The exchange that a request belongs to."""
    exchange = scope["state"]["exchange"]
    if not isinstance(exchange, Exchange):
        raise TypeError(f"the edge did not see this request: {exchange!r}")
    return exchange


def _exchange(scope: Mapping[str, Any]) -> Exchange:
    request_id, trace = "", None
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER.encode():
            request_id = value.decode("latin-1")
        elif name == TRACE_HEADER.encode() and _TRACE.fullmatch(value):
            trace = value
    # An id that could not be a header or a log field is replaced, not refused: the caller may not have chosen it.
    known = request_id if is_request_id(request_id) else secrets.token_hex(16)
    return Exchange(request_id=known, trace=trace, started=time.perf_counter())


async def _send_internal_error(send: Send, path: str, exchange: Exchange) -> None:
    problem = ProblemError(INTERNAL, "the predictor's log has the cause under this request's id")
    body, content_type = problem_answer(path, problem, exchange.request_id)
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": INTERNAL.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
