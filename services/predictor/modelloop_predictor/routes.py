"""What each page answers; predicting is composed here from pieces that know no HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from modelloop_core.inference import InferenceError
from modelloop_core.wire.predictions import PredictAnswer, PredictManyAnswer, Problem
from modelloop_predictor.accounts import CLIENT_GONE
from modelloop_predictor.body import ClientGone, read_body
from modelloop_predictor.edge import PREDICT_PATH, exchange_of, problem_answer
from modelloop_predictor.metrics import CONTENT_TYPE
from modelloop_predictor.page import docs_page
from modelloop_predictor.parsing import check_content_type, parse
from modelloop_predictor.predicting import predict
from modelloop_predictor.problems import (
    NOT_FOUND,
    NOT_READY,
    WRONG_METHOD,
    ProblemError,
    retry_later,
)
from modelloop_predictor.serving import Serving
from modelloop_predictor.translation import problem_of

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 408, 413, 415, 422, 500, 503, 504)
}
_UNREADY: dict[int | str, dict[str, Any]] = {503: _PROBLEMS[503]}
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


def add_predict(router: APIRouter, serving: Serving) -> None:
    """Add `POST /predict`."""
    settings = serving.settings

    @router.post(PREDICT_PATH, summary="Predict", responses=_PROBLEMS, response_model=PredictAnswer | PredictManyAnswer)
    async def answer(request: Request) -> Response:
        """Predict one row (`features`) or many (`instances`)."""
        exchange, headers = exchange_of(request.scope), request.headers
        version = serving.live_version()
        check_content_type(headers.get("content-type"), headers.get("content-encoding"))
        body = await read_body(
            request.receive,
            headers.get("content-length"),
            serving.bodies,
            exchange,
            max_bytes=settings.max_body_bytes,
            seconds=settings.read_seconds,
        )
        envelope = parse(body, settings.entity_key)
        exchange.request_id = envelope.request_id or exchange.request_id
        with version.unseen.heard(exchange.live):
            rows = version.rows.read(envelope)
        exchange.count, exchange.entity = len(rows), envelope.entity
        values, by = await predict(serving, version, rows, exchange)
        return _json(by.answers.write(values, many=envelope.many, request_id=exchange.request_id))


def add_probes(router: APIRouter, serving: Serving) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    @router.get("/healthz", summary="Whether the process lives", responses=_UNREADY)
    async def healthz() -> Response:
        """200 unless the model hangs in a call, which only a restart ends."""
        if serving.stuck:
            raise ProblemError(NOT_READY, f"{serving.state.reason}: {serving.state.message}")
        return _json(orjson.dumps({"status": "alive"}))

    @router.get("/readyz", summary="Whether the model answers", responses=_UNREADY)
    async def readyz() -> Response:
        """200 once the version is verified, loaded and warmed up; else 503 with the reason."""
        state = serving.state
        if not state.ready:
            raise retry_later(NOT_READY, f"{state.reason}: {state.message}")
        return _json(orjson.dumps({"status": "ready", "model_version": serving.served_name}))

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """All metrics in Prometheus' text format."""
        return Response(serving.metrics.page(), media_type=CONTENT_TYPE)


def add_pages(router: APIRouter, serving: Serving) -> None:
    """Add `/model` and `/docs`."""

    @router.get("/model", summary="What is served", responses=_UNREADY)
    async def model() -> Response:
        """The version's manifest (signature, metrics, lineage), preprocessing, card and a valid example."""
        version = serving.live_version()
        document = {
            "model_version": serving.served_name,
            "manifest": version.manifest.model_dump(mode="json"),
            "preprocessing": version.preprocessing.model_dump(mode="json"),
            "card": version.card,
            "example": version.example,
            "telemetry": asdict(serving.telemetry),
        }
        return _json(orjson.dumps(document))

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        page = docs_page(serving.served_name, serving.version, serving.state, serving.settings.entity_key)
        return HTMLResponse(page, headers={"content-security-policy": _PAGE_POLICY})


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error as problem details."""

    async def problem(request: Request, error: Exception) -> Response:
        if isinstance(error, ClientGone):
            # Nobody hears of it; the edge accounts for it.
            return Response(status_code=CLIENT_GONE)
        return _problem_answer(request, _translated(request, error))

    for kind in (ProblemError, InferenceError, HTTPException, Exception):
        app.add_exception_handler(kind, problem)


def _translated(request: Request, error: Exception) -> ProblemError:
    match error:
        case HTTPException(status_code=404):
            return ProblemError(NOT_FOUND, f"there is no {request.url.path!r}; see /docs")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "")
            detail = f"{request.url.path} takes {allowed}, not {request.method}"
            return ProblemError(WRONG_METHOD, detail, headers={"allow": allowed})
        case _:
            return problem_of(error, exchange_of(request.scope).request_id)


def _problem_answer(request: Request, error: ProblemError) -> Response:
    exchange = exchange_of(request.scope)
    exchange.refuse(error)
    body, content_type = problem_answer(request.url.path, error, exchange.request_id)
    return Response(body, error.kind.status, dict(error.headers), media_type=content_type)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
