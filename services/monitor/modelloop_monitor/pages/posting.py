"""`POST /v1/profiles` and `PUT /v1/references/{digest}`: what predictors call."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from modelloop_core.wire.predictions import Problem
from modelloop_core.wire.profiles import MOST_BODY_BYTES, PROFILES_PATH, REFERENCES_PATH, ProfilePost, ProfileReceipt
from modelloop_monitor.answers import PROBLEMS, json_answer, problem_of
from modelloop_monitor.bodies import Body, read_body
from modelloop_monitor.ingest import check
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of

_LARGE_BYTES = 1 << 20
_LARGE_AT_ONCE = 4
_RESPONSES = {**PROBLEMS, 428: {"model": Problem}}


def add_posting(router: APIRouter, monitor: Monitor) -> None:
    """Add what predictors call."""
    # A body of numbers is many times its size as objects: few of the large ones at a time bound the memory.
    large = asyncio.Semaphore(_LARGE_AT_ONCE)

    @router.post(
        PROFILES_PATH,
        summary="Add counts, exactly once",
        response_model=ProfileReceipt,
        responses=_RESPONSES,
        openapi_extra=body_of(ProfilePost),
    )
    async def post_profile(request: Request) -> Response:
        """Apply one post; answered only when it is kept. The same again is answered with `applied` false."""
        started = time.perf_counter()
        try:
            body = await _body(request, monitor)
            if len(body.plain) > _LARGE_BYTES:
                async with large:
                    applied = await _apply(request, body, monitor)
            else:
                applied = await _apply(request, body, monitor)
        except Exception as error:
            monitor.metrics.posted(problem_of(error, request.method, request.url.path).kind.reason)
            raise
        monitor.metrics.posted("applied" if applied else "replayed")
        monitor.metrics.post_seconds.observe(time.perf_counter() - started)
        return json_answer(ProfileReceipt(applied=applied))

    @router.put(REFERENCES_PATH + "/{digest}", summary="Bring a reference", status_code=204, responses=PROBLEMS)
    async def put_reference(request: Request, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
        """Keep the bytes of a reference.json, which have this SHA-256; the same again changes nothing."""
        monitor.access.caller(request.headers)
        async with large:
            body = await _body(request, monitor)
            await run_in_threadpool(monitor.references.put, digest, body.plain, monitor.now())
        return Response(status_code=204)


async def _apply(request: Request, body: Body, monitor: Monitor) -> bool:
    caller = monitor.access.caller(request.headers)
    checked = await run_in_threadpool(check, body, monitor.references, monitor.clock, monitor.now())
    caller.require(checked.namespace, write=True)
    if checked.clock_ahead:
        monitor.metrics.clock_ahead.inc()
    return await asyncio.wrap_future(monitor.ingest.submit(checked))


async def _body(request: Request, monitor: Monitor) -> Body:
    # Before the body: nobody without a token has the monitor read megabytes.
    monitor.access.caller(request.headers)
    return await read_body(request, max_bytes=MOST_BODY_BYTES, seconds=monitor.settings.read_seconds)
