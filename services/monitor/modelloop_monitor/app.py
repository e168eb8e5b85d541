"""Puts the pages together."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from modelloop_monitor.answers import add_problem_handlers
from modelloop_monitor.dashboard.mounting import add_dashboard
from modelloop_monitor.dashboard.visit import refuse_other_sites
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import Documented
from modelloop_monitor.pages.erasures import add_erasures
from modelloop_monitor.pages.model_settings import add_model_settings
from modelloop_monitor.pages.outcomes import add_outcomes
from modelloop_monitor.pages.posting import add_posting
from modelloop_monitor.pages.probes import add_probes
from modelloop_monitor.pages.quality import add_quality
from modelloop_monitor.pages.reports import add_reports
from modelloop_monitor.pages.rollouts import add_rollouts
from modelloop_monitor.pages.silences import add_silences

_ABOUT = "Keeps what predictors count, judges it window by window, and tells what has changed."


def create_app(monitor: Monitor) -> FastAPI:
    """The ASGI application over `monitor`; it starts nothing."""
    app = Documented(title="ModelLoop monitor", description=_ABOUT, docs_url=None, redoc_url=None)
    # Without a token any page could have a browser inside the network ask for changes.
    router = APIRouter(dependencies=[Depends(refuse_other_sites)])
    add_posting(router, monitor)
    add_reports(router, monitor)
    add_rollouts(router, monitor)
    add_model_settings(router, monitor)
    add_erasures(router, monitor)
    add_silences(router, monitor)
    add_outcomes(router, monitor)
    add_quality(router, monitor)
    add_probes(router, monitor)
    app.include_router(router)
    add_dashboard(app, monitor)
    add_problem_handlers(app)
    return app
