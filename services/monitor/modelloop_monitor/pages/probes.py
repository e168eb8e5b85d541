"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from modelloop_monitor.answers import PROBLEMS
from modelloop_monitor.metrics import CONTENT_TYPE
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.problems import STORE_FAILED, retry_later

_UNWELL: dict[int | str, dict[str, Any]] = {503: PROBLEMS[503]}


def add_probes(router: APIRouter, monitor: Monitor) -> None:
    """Add them."""

    @router.get("/healthz", summary="Whether the process lives", responses=_UNWELL)
    def healthz() -> dict[str, str]:
        """200 unless only a restart can help: the writing thread ended, or the database file was replaced."""
        if not monitor.ingest.is_alive():
            raise retry_later(STORE_FAILED, "the thread that writes has ended")
        monitor.store.check_file()
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether the database answers", responses=_UNWELL)
    def readyz() -> dict[str, str]:
        """200 when a read of the database works."""
        monitor.store.check()
        return {"status": "ready"}

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    def metrics() -> Response:
        """All metrics in Prometheus' text format."""
        return Response(monitor.metrics.page(), media_type=CONTENT_TYPE)
