"""`/v1/models` and what is reported of each: drift, history, minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from modelloop_core.wire.minutes import Minutes
from modelloop_core.wire.reports import MODELS_PATH, DriftReport
from modelloop_core.wire.watching import DriftHistory, ModelList
from modelloop_monitor import reporting
from modelloop_monitor.answers import PROBLEMS
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.pages.model_settings import MODEL_PATH, ModelName
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.store import models
from modelloop_monitor.store.models import Model

_HOUR, _DAY = 3_600.0, 86_400.0
_MOST_WINDOWS = 2_000
Answer = TypeVar("Answer")
_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2900, 1, 1, tzinfo=UTC)
Moment = Annotated[
    Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST)] | None, Query(description="With its offset from UTC.")
]


def add_reports(router: APIRouter, monitor: Monitor) -> None:
    """Add them."""
    _add_models(router, monitor)
    _add_drift(router, monitor)
    _add_history(router, monitor)
    _add_minutes(router, monitor)


def _add_models(router: APIRouter, monitor: Monitor) -> None:
    @router.get(MODELS_PATH, summary="All models", responses=PROBLEMS)
    def get_models(request: Request) -> ModelList:
        """Those of the namespaces that the caller may see."""
        caller = monitor.access.caller(request.headers)
        with monitor.store.reading() as connection:
            return reporting.list_models(connection, caller, monitor.now())


def _add_drift(router: APIRouter, monitor: Monitor) -> None:
    @router.get(MODEL_PATH + "/drift", summary="What the last judged window says", responses=PROBLEMS)
    def get_drift(request: Request, namespace: ModelName, name: ModelName) -> DriftReport:
        """Of the version with most traffic, each column with its numbers; and the open incident of drift."""

        def read(connection: Connection) -> DriftReport:
            grace = monitor.settings.grace_seconds
            return reporting.drift_report(connection, (namespace, name), grace=grace, now=monitor.now())

        return _of_model(monitor, request, (namespace, name), read)


def _add_history(router: APIRouter, monitor: Monitor) -> None:
    @router.get(MODEL_PATH + "/history", summary="Judged windows and incidents", responses=PROBLEMS)
    def get_history(
        request: Request,
        namespace: ModelName,
        name: ModelName,
        since: Moment = None,
        until: Moment = None,
        most: Annotated[int, Query(ge=1, le=_MOST_WINDOWS)] = 200,
    ) -> DriftHistory:
        """The last `most` windows between two times (30 days by default), oldest first."""
        now = monitor.now()
        end = until.timestamp() if until else now
        start = since.timestamp() if since else end - 30 * _DAY

        def read(connection: Connection) -> DriftHistory:
            return reporting.history(connection, (namespace, name), since=start, until=end, most=most, now=now)

        return _of_model(monitor, request, (namespace, name), read)


def _add_minutes(router: APIRouter, monitor: Monitor) -> None:
    @router.get(MODEL_PATH + "/minutes", summary="One version minute by minute", responses=PROBLEMS)
    def get_minutes(
        request: Request,
        namespace: ModelName,
        name: ModelName,
        version: Annotated[str, Query(min_length=1, max_length=253)],
        since: Moment = None,
        until: Moment = None,
    ) -> Minutes:
        """Requests, errors, latencies and output counts of whole minutes between two times (an hour by default)."""
        now = monitor.now()
        end = until.timestamp() if until else now
        start = since.timestamp() if since else end - _HOUR

        def read(connection: Connection) -> Minutes:
            return reporting.minutes(connection, (namespace, name), version, start, end, now)

        return _of_model(monitor, request, (namespace, name), read)


def _of_model(monitor: Monitor, request: Request, model: Model, read: Callable[[Connection], Answer]) -> Answer:
    """What is read of one model; raises ProblemError for one that is not the caller's, or not known."""
    monitor.access.caller(request.headers).require(model[0])
    with monitor.store.reading() as connection:
        if models.find(connection, model) is None:
            raise ProblemError(UNKNOWN_MODEL, f"nothing was posted for {'/'.join(model)}, and nobody set it up")
        return read(connection)
