"""`PUT /v1/models/{namespace}/{name}/settings`: how a model is watched."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, StringConstraints, ValidationError

from modelloop_core.wire.settings import ModelSettings
from modelloop_monitor.answers import PROBLEMS
from modelloop_monitor.bodies import read_body
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.problems import invalid
from modelloop_monitor.store import models

MODEL_PATH = "/v1/models/{namespace}/{name}"
ModelName = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,253}$")]
_MOST_BYTES = 1 << 20
Body = TypeVar("Body", bound=BaseModel)


def add_model_settings(router: APIRouter, monitor: Monitor) -> None:
    """Add the settings of a model."""

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


async def read_wanted(request: Request, monitor: Monitor, namespace: str, kind: type[Body]) -> Body:
    """The body of a call that changes something in this namespace; raises ProblemError."""
    monitor.access.caller(request.headers).require(namespace, write=True)
    body, _ = await read_body(request, max_bytes=_MOST_BYTES, seconds=monitor.settings.read_seconds)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
