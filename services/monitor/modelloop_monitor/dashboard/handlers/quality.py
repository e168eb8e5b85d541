"""A model's quality page."""

from __future__ import annotations

from fastapi.responses import Response

from modelloop_monitor.checking import References
from modelloop_monitor.dashboard.answering import page
from modelloop_monitor.dashboard.queries.model import read_model
from modelloop_monitor.dashboard.views.quality import quality_view
from modelloop_monitor.dashboard.views.spans import SPANS
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.quality.reporting import model_quality
from modelloop_monitor.store import models
from modelloop_monitor.store.engine import Store

_VERSIONS = 3


class QualityPages:
    """The page about quality."""

    def __init__(self, store: Store, references: References) -> None:
        self._store = store
        self._references = references

    def quality(self, visit: Visit) -> Response:
        """How good predictions were, and what was asked."""
        model = visit.model
        chosen = visit.chosen("windows", SPANS, "24")
        with self._store.reading() as connection:
            about = read_model(connection, model)
            most = SPANS[chosen].windows * _VERSIONS
            found = model_quality(connection, self._references, model, most=most, version=None, now=visit.now)
            wanted = models.settings(connection, [model])[model].quality
        if found is None:
            raise ProblemError(UNKNOWN_MODEL, f"nothing is known of {model[0]}/{model[1]}")
        view = quality_view(found, wanted)
        return page("quality.html", visit, about=about, view=view, spans=SPANS, chosen=chosen, wanted=wanted)
