"""`POST /v1/models/{namespace}/{name}/erasures`: end what is kept about one entity."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from modelloop_core.wire.erasure import Erasure, ErasurePost
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.logs import event
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.pages.model_settings import MODEL_PATH, ModelName, read_wanted


def add_erasures(router: APIRouter, monitor: Monitor) -> None:
    """Add it."""

    @router.post(
        MODEL_PATH + "/erasures",
        summary="Erase an entity",
        response_model=Erasure,
        responses=PROBLEMS,
        openapi_extra=body_of(ErasurePost),
    )
    async def post_erasure(request: Request, namespace: ModelName, name: ModelName) -> Response:
        """Remove the logged predictions about an entity, and the labels and events told of them; safe to repeat."""
        wanted = await read_wanted(request, monitor, namespace, ErasurePost)
        found = await run_in_threadpool(monitor.eraser.erase, (namespace, name), wanted.entity, monitor.now())
        # Without whom: that would be kept in the log.
        event("erased", reason="Asked", model=f"{namespace}/{name}", **found.model_dump())
        return json_answer(found)
