"""`GET /v1/models/{namespace}/{name}/quality`: how good each version was, window by window."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from modelloop_core.wire.reports import MODELS_PATH, ModelQuality
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.quality.reporting import model_quality

_WINDOWS = 48
_MOST_WINDOWS = 1_000


def add_quality(router: APIRouter, monitor: Monitor) -> None:
    """Add the report."""

    @router.get(
        MODELS_PATH + "/{namespace}/{name}/quality",
        summary="How good predictions were",
        response_model=ModelQuality,
        responses=PROBLEMS,
    )
    def get_quality(
        request: Request,
        namespace: str,
        name: str,
        windows: Annotated[int, Query(ge=1, le=_MOST_WINDOWS, description="So many of the last ones.")] = _WINDOWS,
        version: Annotated[str | None, Query(max_length=253, description="Of this version alone.")] = None,
    ) -> Response:
        """Each version's measures in each window with intervals, how labels come, and what was asked."""
        monitor.access.caller(request.headers).require(namespace)
        with monitor.store.reading() as connection:
            found = model_quality(
                connection,
                monitor.references,
                (namespace, name),
                most=windows,
                version=version,
                now=monitor.now(),
            )
        if found is None:
            raise ProblemError(UNKNOWN_MODEL, f"nothing is known of model {namespace}/{name}")
        return json_answer(found)
