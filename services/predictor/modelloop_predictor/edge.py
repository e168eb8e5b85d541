"""The outermost layer of every request: its id, the headers on every answer, the access log and the metrics."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from modelloop_core.wire.predictions import (
    FALLBACK_HEADER,
    PROBLEM_TYPE,
    REQUEST_ID_HEADER,
    TRACE_HEADER,
    VERSION_HEADER,
)
from modelloop_predictor.accounts import CLIENT_GONE, Exchange, identity, new_request_id
from modelloop_predictor.body import ClientGone
from modelloop_predictor.logs import event
from modelloop_predictor.problems import INTERNAL, ProblemError, open_inference_body
from modelloop_predictor.serving import Serving

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PREDICT_PATH = "/predict"
V2_PATH = "/v2"
MODELS_PATH = f"{V2_PATH}/models/"


class Edge:
    """Wraps the application; after it no error is unanswered and no answer lacks its headers."""

    def __init__(self, app: App, serving: Serving) -> None:
        self._app = app
        self._serving = serving

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _exchange(scope, self._serving.mirror_port)
        scope.setdefault("state", {})["exchange"] = exchange
        try:
            await self._answer(scope, receive, send, exchange)
        finally:
            # Only now, as whoever waits for the model still has its body.
            self._serving.bodies.give_back(exchange.reserved)

    async def _answer(self, scope: Message, receive: Receive, send: Send, exchange: Exchange) -> None:
        if not is_prediction(scope["path"]):
            # The server, which has the scope as it was, leaves out the body.
            page = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self._serve(page, receive, send, exchange)
            return
        tally = self._serving.metrics.tally
        tally.in_flight += 1
        try:
            await self._serve(scope, receive, send, exchange)
        finally:
            tally.in_flight -= 1
            self._serving.accounts.close(exchange)

    async def _serve(self, scope: Message, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(exchange)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientGone:
            exchange.status, exchange.reason = CLIENT_GONE, "ClientGone"
        except Exception as error:  # noqa: BLE001 the top of every request: the client gets a problem, the log the traceback
            if exchange.reason is None:
                # Else it has been told already: Starlette raises again what its handler has answered.
                event("request-failed", logging.ERROR, error, request_id=exchange.request_id, path=scope["path"])
            if not exchange.status:
                await _send_internal_error(send_with_headers, scope["path"], exchange)
            exchange.reason = INTERNAL.reason

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        version = exchange.answered_by or self._serving.served_name
        headers = [
            (VERSION_HEADER.encode(), version.encode()),
            (REQUEST_ID_HEADER.encode(), exchange.request_id.encode()),
        ]
        if exchange.trace is not None:
            headers.append((TRACE_HEADER.encode(), exchange.trace))
        if exchange.fallback is not None:
            headers.append((FALLBACK_HEADER.encode(), exchange.fallback.encode()))
        if self._serving.readiness.draining:
            headers.append((b"connection", b"close"))
        return headers


def is_prediction(path: str) -> bool:
    """Whether requests to the path are counted and logged as predictions."""
    return path == PREDICT_PATH or (path.startswith(MODELS_PATH) and path.endswith("/infer"))


def problem_answer(path: str, problem: ProblemError, request_id: str) -> tuple[bytes, str]:
    """A problem's body and content type, as the protocol of the path has errors."""
    if path == V2_PATH or path.startswith(f"{V2_PATH}/"):
        return orjson.dumps(open_inference_body(problem, request_id)), "application/json"
    return orjson.dumps(problem.body(request_id)), PROBLEM_TYPE


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    """The exchange that a request belongs to."""
    exchange = scope["state"]["exchange"]
    if not isinstance(exchange, Exchange):
        raise TypeError(f"the edge did not see this request: {exchange!r}")
    return exchange


def _exchange(scope: Mapping[str, Any], mirror_port: int | None) -> Exchange:
    asker = identity(scope["headers"])
    came_to = scope.get("server")
    live = not asker.forced and (came_to is None or came_to[1] != mirror_port)
    return Exchange(
        asker.request_id or new_request_id(),
        asker.trace,
        scope["path"],
        scope["method"],
        live=live,
        mirrored=not live and not asker.forced and mirror_port is not None,
    )


async def _send_internal_error(send: Send, path: str, exchange: Exchange) -> None:
    problem = ProblemError(INTERNAL, "the predictor's log has the cause under this request's id")
    body, content_type = problem_answer(path, problem, exchange.request_id)
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": INTERNAL.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
