"""`/v1/models/{namespace}/{name}/settings` and `…/silences`: how a model is watched, and when nobody is told."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, StringConstraints, ValidationError

from modelloop_core.wire.settings import ModelSettings
from modelloop_core.wire.watching import Silence, SilenceList, SilencePost
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.bodies import read_body
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.problems import NOT_FOUND, ProblemError, invalid
from modelloop_monitor.store import models, silences

MODEL_PATH = "/v1/models/{namespace}/{name}"
ModelName = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,253}$")]
_MOST_BYTES = 1 << 20
Body = TypeVar("Body", bound=BaseModel)


def add_model_settings(router: APIRouter, monitor: Monitor) -> None:
    """Add both."""

    @router.put(
        MODEL_PATH + "/settings",
        summary="Set how a model is watched",
        status_code=204,
        responses=PROBLEMS,
        openapi_extra=body_of(ModelSettings),
    )
    async def put_settings(request: Request, namespace: ModelName, name: ModelName) -> Response:
        """Watch the model in this way from now on; the body is the whole of the settings."""
        wanted = await read_wanted(request, monitor, namespace, ModelSettings)

        def keep() -> None:
            with monitor.store.writing() as connection:
                models.set_up(connection, (namespace, name), wanted, monitor.now())

        await run_in_threadpool(keep)
        return Response(status_code=204)

    @router.post(
        MODEL_PATH + "/silences",
        summary="Withhold notifications for some time",
        status_code=201,
        response_model=Silence,
        responses=PROBLEMS,
        openapi_extra=body_of(SilencePost),
    )
    async def post_silence(request: Request, namespace: ModelName, name: ModelName) -> Response:
        """Tell nobody of this model's incidents for so long; what is still open then is told."""
        wanted = await read_wanted(request, monitor, namespace, SilencePost)
        now = monitor.now()
        silence = Silence(
            id=uuid.uuid4().hex, until=_time(now + wanted.seconds), created=_time(now), reason=wanted.reason
        )

        def keep() -> None:
            with monitor.store.writing() as connection:
                silences.add(connection, (namespace, name), silence)

        await run_in_threadpool(keep)
        return json_answer(silence, 201)

    @router.get(MODEL_PATH + "/silences", summary="Silences that have not expired", responses=PROBLEMS)
    def get_silences(request: Request, namespace: ModelName, name: ModelName) -> SilenceList:
        """Those of the model, that which lasts longest first."""
        monitor.access.caller(request.headers).require(namespace)
        with monitor.store.reading() as connection:
            return SilenceList(silences=silences.current(connection, (namespace, name), monitor.now()))

    @router.delete(MODEL_PATH + "/silences/{silence}", summary="End a silence", status_code=204, responses=PROBLEMS)
    def delete_silence(request: Request, namespace: ModelName, name: ModelName, silence: ModelName) -> Response:
        """Tell again what happens."""
        monitor.access.caller(request.headers).require(namespace, write=True)
        with monitor.store.writing() as connection:
            if not silences.remove(connection, (namespace, name), silence):
                raise ProblemError(NOT_FOUND, f"{namespace}/{name} has no silence {silence!r}")
        return Response(status_code=204)


async def read_wanted(request: Request, monitor: Monitor, namespace: str, kind: type[Body]) -> Body:
    """The body of a call that changes something in this namespace; raises ProblemError."""
    monitor.access.caller(request.headers).require(namespace, write=True)
    body, _ = await read_body(request, max_bytes=_MOST_BYTES, seconds=monitor.settings.read_seconds)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
