"""`/v1/models/{namespace}/{name}/silences`: when nobody is told of a model's incidents."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from modelloop_core.wire.watching import Silence, SilenceList, SilencePost
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.pages.model_settings import MODEL_PATH, ModelName, read_wanted
from modelloop_monitor.problems import NOT_FOUND, ProblemError
from modelloop_monitor.store import silences

_SILENCES = MODEL_PATH + "/silences"


def add_silences(router: APIRouter, monitor: Monitor) -> None:
    """Add all that is done with them."""
    _add_post(router, monitor)
    _add_get(router, monitor)
    _add_delete(router, monitor)


def _add_post(router: APIRouter, monitor: Monitor) -> None:
    @router.post(
        _SILENCES,
        summary="Withhold notifications for some time",
        status_code=201,
        response_model=Silence,
        responses=PROBLEMS,
        openapi_extra=body_of(SilencePost),
    )
    async def post_silence(request: Request, namespace: ModelName, name: ModelName) -> Response:
        """Tell nobody of this model's incidents for so long; what is still open then is told."""
        wanted = await read_wanted(request, monitor, namespace, SilencePost)
        silence = _silence(wanted, monitor.now())

        def keep() -> None:
            with monitor.store.writing() as connection:
                silences.add(connection, (namespace, name), silence)

        await run_in_threadpool(keep)
        return json_answer(silence, 201)


def _add_get(router: APIRouter, monitor: Monitor) -> None:
    @router.get(_SILENCES, summary="Silences that have not expired", responses=PROBLEMS)
    def get_silences(request: Request, namespace: ModelName, name: ModelName) -> SilenceList:
        """Those of the model, that which lasts longest first."""
        monitor.access.caller(request.headers).require(namespace)
        with monitor.store.reading() as connection:
            return SilenceList(silences=silences.current(connection, (namespace, name), monitor.now()))


def _add_delete(router: APIRouter, monitor: Monitor) -> None:
    @router.delete(_SILENCES + "/{silence}", summary="End a silence", status_code=204, responses=PROBLEMS)
    def delete_silence(request: Request, namespace: ModelName, name: ModelName, silence: ModelName) -> Response:
        """Tell again what happens."""
        monitor.access.caller(request.headers).require(namespace, write=True)
        with monitor.store.writing() as connection:
            if not silences.remove(connection, (namespace, name), silence):
                raise ProblemError(NOT_FOUND, f"{namespace}/{name} has no silence {silence!r}")
        return Response(status_code=204)


def _silence(wanted: SilencePost, now: float) -> Silence:
    created, until = (datetime.fromtimestamp(at, UTC) for at in (now, now + wanted.seconds))
    return Silence(id=uuid.uuid4().hex, until=until, created=created, reason=wanted.reason)
