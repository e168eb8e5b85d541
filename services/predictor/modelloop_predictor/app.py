"""Puts the pages together; the OpenAPI document speaks of the loaded version's own features."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from modelloop_predictor.edge import Edge
from modelloop_predictor.openapi import describe_request
from modelloop_predictor.routes import add_pages, add_predict, add_probes, add_problem_handlers
from modelloop_predictor.serving import Serving
from modelloop_predictor.v2.routes import add_open_inference


class _Documented(FastAPI):
    """FastAPI whose document is made anew until the version is loaded."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        about = f"Predictions of model version {serving.served_name}."
        super().__init__(
            title="ModelLoop predictor",
            version=serving.served_name,
            description=about,
            docs_url=None,
            redoc_url=None,
            # It would lead to where the request's own host header says.
            redirect_slashes=False,
        )

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the request's schema from the signature once it is known."""
        document = super().openapi()
        describe_request(document, self._serving.version, self._serving.settings.entity_key)
        if self._serving.version is None:
            self.openapi_schema = None
        return document


def create_app(serving: Serving) -> Edge:
    """The ASGI application over `serving`; it starts nothing."""
    app = _Documented(serving)
    router = APIRouter()
    add_predict(router, serving)
    add_probes(router, serving)
    add_pages(router, serving)
    add_open_inference(router, serving)
    app.include_router(router)
    add_problem_handlers(app)
    return Edge(app, serving)
