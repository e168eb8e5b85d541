"""The protocol's pages over HTTP: health, metadata, the index of the one model, and infer."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from modelloop_predictor.body import read_body
from modelloop_predictor.edge import exchange_of
from modelloop_predictor.parsing import known_id
from modelloop_predictor.problems import MALFORMED, NOT_READY, ProblemError, retry_later
from modelloop_predictor.serving import Serving
from modelloop_predictor.v2 import model
from modelloop_predictor.v2.openapi import INDEX, INFER, answers, infer_answers
from modelloop_predictor.v2.rest import JSON_TYPE, LENGTH_HEADER, check_infer_type, in_json_terms, json_length


class _IndexRequest(msgspec.Struct, forbid_unknown_fields=True):
    ready: bool = False


def add_open_inference(router: APIRouter, serving: Serving) -> None:
    """Add everything under `/v2`."""
    _add_health(router, serving)
    _add_models(router, serving)
    _add_infer(router, serving)


def _add_health(router: APIRouter, serving: Serving) -> None:
    @router.get("/v2", summary="The server", responses=answers(model.ServerMetadata))
    async def server() -> Response:
        """Name, version and extensions of this server."""
        return _json(model.server_metadata())

    @router.get("/v2/health/live", summary="Whether the process lives", responses=answers(model.Live, 503))
    async def live() -> Response:
        """200 unless the model hangs in a call, which only a restart ends."""
        if serving.stuck:
            raise ProblemError(NOT_READY, f"{serving.state.reason}: {serving.state.message}")
        return _json(model.Live(live=True))

    @router.get("/v2/health/ready", summary="Whether the model answers", responses=answers(model.Ready, 503))
    async def ready() -> Response:
        """200 once the version is verified, loaded and warmed up; else 503 with the reason."""
        _check_ready(serving)
        return _json(model.Ready(ready=True))


def _add_models(router: APIRouter, serving: Serving) -> None:
    @router.get("/v2/models/{name}", summary="The model's tensors", responses=answers(model.ModelMetadata, 404, 503))
    @router.get("/v2/models/{name}/versions/{version}", responses=answers(model.ModelMetadata, 404, 503))
    async def metadata(name: str, version: str = "") -> Response:
        """The tensors that the model takes and gives."""
        model.check_known(serving, name, version)
        return _json(model.model_metadata(serving.live_version()))

    @router.get("/v2/models/{name}/ready", summary="Whether it answers", responses=answers(model.ModelReady, 404, 503))
    @router.get("/v2/models/{name}/versions/{version}/ready", responses=answers(model.ModelReady, 404, 503))
    async def model_ready(name: str, version: str = "") -> Response:
        """200 once the model answers; else 503 with the reason."""
        model.check_known(serving, name, version)
        _check_ready(serving)
        return _json(model.ModelReady(name=name, ready=True))

    @router.post(
        "/v2/repository/index",
        summary="The models",
        responses=answers(list[model.IndexEntry], 400, 408, 413),
        openapi_extra=INDEX,
    )
    async def index(request: Request) -> Response:
        """The one model of this predictor with its state; `{"ready": true}` leaves it out until it answers."""
        body = await _body(request, serving)
        return _json(model.index(serving, ready_only=_index_request(body).ready))


def _add_infer(router: APIRouter, serving: Serving) -> None:
    @router.post("/v2/models/{name}/infer", summary="Infer", responses=infer_answers(), openapi_extra=INFER)
    @router.post("/v2/models/{name}/versions/{version}/infer", responses=infer_answers(), openapi_extra=INFER)
    async def infer(request: Request, name: str, version: str = "") -> Response:
        """Predict rows given as tensors, in JSON or, after the JSON, as bytes."""
        exchange, headers = exchange_of(request.scope), request.headers
        model.check_known(serving, name, version)
        loaded = serving.live_version()
        length = json_length(headers.get(LENGTH_HEADER))
        check_infer_type(headers.get("content-type"), headers.get("content-encoding"), length)
        parsed = loaded.rest.parse(await _body(request, serving), length)
        exchange.request_id = known_id(parsed.request.id) or exchange.request_id
        with loaded.unseen.heard(exchange.live):
            inference = loaded.rest.read(parsed)
        exchange.count, exchange.entity = len(inference.rows), inference.entity
        scores, by = await model.score(serving, loaded, inference.rows, exchange)
        body, described = by.rest.write(scores, inference, exchange.request_id)
        return Response(body, headers=dict(described))


async def _body(request: Request, serving: Serving) -> bytes:
    settings = serving.settings
    declared = request.headers.get("content-length")
    return await read_body(
        request.receive,
        declared,
        serving.bodies,
        exchange_of(request.scope),
        max_bytes=settings.max_body_bytes,
        seconds=settings.read_seconds,
    )


def _index_request(body: bytes) -> _IndexRequest:
    if not body:
        return _IndexRequest()
    try:
        return msgspec.json.decode(body, type=_IndexRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(MALFORMED, f'expected {{"ready": true}} or nothing: {in_json_terms(str(error))}') from None


def _check_ready(serving: Serving) -> None:
    state = serving.state
    if not state.ready:
        raise retry_later(NOT_READY, f"{state.reason}: {state.message}")


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON_TYPE)
