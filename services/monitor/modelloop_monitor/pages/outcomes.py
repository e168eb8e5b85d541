"""`POST /v1/feedback` and `POST /v1/events`: what callers tell of predictions, one at a time, many, or as a file."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from modelloop_core.wire.feedback import (
    EVENTS_PATH,
    FEEDBACK_PATH,
    PARQUET_TYPE,
    EventsPost,
    FeedbackPost,
    Receipt,
    SingleEvent,
    SingleFeedback,
)
from modelloop_core.wire.profiles import MOST_BODY_BYTES
from modelloop_monitor.access import Caller
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.bodies import read_body
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.outcomes.items import Posted, model_of, read_events, read_feedback
from modelloop_monitor.outcomes.parquet import read_parquet
from modelloop_monitor.problems import WRONG_TYPE, ProblemError
from modelloop_monitor.store.outcome_schema import FOLLOWED, LABELS, Ledger

_AT_ONCE = 4
_Part = Annotated[str | None, Query(min_length=1, max_length=253, description="For files, which do not say it.")]


def add_outcomes(router: APIRouter, monitor: Monitor) -> None:
    """Add what tells of labels and events."""
    # Ten thousand labels are many times their size as objects, and the database takes one writer at a time anyway.
    slots = asyncio.Semaphore(_AT_ONCE)

    @router.post(
        FEEDBACK_PATH,
        summary="Tell the truth about predictions",
        response_model=Receipt,
        responses=PROBLEMS,
        openapi_extra=body_of(FeedbackPost, SingleFeedback, others=(PARQUET_TYPE,)),
    )
    async def post_feedback(request: Request, namespace: _Part = None, name: _Part = None) -> Response:
        """Keep labels, joined to their predictions by request id and row; the same again changes nothing."""
        caller, body = await _read(request, monitor)
        kind = _content_type(request, "application/json", PARQUET_TYPE)
        async with slots:
            if kind == PARQUET_TYPE:
                posted = await run_in_threadpool(read_parquet, body, model_of(namespace, name))
            else:
                posted = await run_in_threadpool(read_feedback, body)
            return await _take(monitor, LABELS, posted, caller)

    @router.post(
        EVENTS_PATH,
        summary="Tell what followed predictions",
        response_model=Receipt,
        responses=PROBLEMS,
        openapi_extra=body_of(EventsPost, SingleEvent),
    )
    async def post_events(request: Request) -> Response:
        """Keep business events, joined to their request; the same again counts once."""
        caller, body = await _read(request, monitor)
        _content_type(request, "application/json")
        async with slots:
            return await _take(monitor, FOLLOWED, await run_in_threadpool(read_events, body), caller)


async def _read(request: Request, monitor: Monitor) -> tuple[Caller, bytes]:
    # Before the body: nobody without a token has the monitor read megabytes.
    caller = monitor.access.caller(request.headers)
    body, _ = await read_body(request, max_bytes=MOST_BODY_BYTES, seconds=monitor.settings.read_seconds)
    return caller, body


async def _take(monitor: Monitor, ledger: Ledger, posted: Posted, caller: Caller) -> Response:
    caller.require_writes()
    if posted.model is not None:
        caller.require(posted.model[0])
    receipt = await run_in_threadpool(monitor.taker.take, ledger, posted, caller.may, monitor.now())
    monitor.metrics.told(ledger.table.name, receipt)
    return json_answer(receipt)


def _content_type(request: Request, *taken: str) -> str:
    kind = request.headers.get("content-type", taken[0]).partition(";")[0].strip().lower()
    if kind not in taken:
        raise ProblemError(WRONG_TYPE, f"the body is {' or '.join(taken)}, not {kind!r}")
    return kind
