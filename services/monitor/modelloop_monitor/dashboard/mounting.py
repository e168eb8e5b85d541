"""Puts the pages into the monitor's application."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from modelloop_monitor.dashboard.answering import SECURITY, Pages
from modelloop_monitor.dashboard.handlers.drift import DriftPages
from modelloop_monitor.dashboard.handlers.incidents import IncidentPages
from modelloop_monitor.dashboard.handlers.models import ModelPages
from modelloop_monitor.dashboard.handlers.quality import QualityPages
from modelloop_monitor.dashboard.handlers.rollouts import RolloutPages
from modelloop_monitor.dashboard.handlers.signing import add_signing
from modelloop_monitor.dashboard.rendering import STATIC
from modelloop_monitor.dashboard.signing import Gate
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.problems import NOT_FOUND, ProblemError

_MODEL = "/models/{namespace}/{name}"


def add_dashboard(app: FastAPI, monitor: Monitor) -> None:
    """Add all pages and their files."""
    router = APIRouter()
    gate = Gate(monitor.access, monitor.settings.anonymous)
    pages = Pages(router, gate, monitor.now)
    add_signing(router, pages, gate, monitor.now)
    models = ModelPages(monitor.store, monitor.references)
    pages.get("/", models.models)
    pages.get(_MODEL, models.model)
    rollouts = RolloutPages(monitor.store)
    pages.get(f"{_MODEL}/rollouts", rollouts.rollouts)
    pages.get(f"{_MODEL}/rollouts/{{version}}/{{started}}", rollouts.rollout)
    drift = DriftPages(monitor.store, monitor.references)
    pages.get(f"{_MODEL}/drift", drift.drift)
    pages.get(f"{_MODEL}/drift/{{since}}/{{reference}}/{{part}}/{{column:path}}", drift.column)
    pages.get(f"{_MODEL}/quality", QualityPages(monitor.store, monitor.references).quality)
    incidents = IncidentPages(monitor.store)
    pages.get(f"{_MODEL}/incidents", incidents.incidents)
    pages.post(f"{_MODEL}/silences", incidents.silence)
    pages.post(f"{_MODEL}/silences/{{silence}}/end", incidents.tell_again)
    pages.get(f"{_MODEL}/card", models.card)
    pages.get("/models/{path:path}", _nowhere)
    app.include_router(router)
    app.mount(f"/{STATIC}", _Files(packages=[("modelloop_monitor.dashboard", STATIC)]), name=STATIC)


def _nowhere(visit: Visit) -> Response:
    raise ProblemError(NOT_FOUND, f"there is no {visit.path!r}; all models are listed at /")


class _Files(StaticFiles):
    """Static files; their addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.update({**SECURITY, "cache-control": "public, max-age=31536000, immutable"})
        return answer
