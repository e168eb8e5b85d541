"""A model's drift page, and one column in one window: as a page of its own, or put into the drift page."""

from __future__ import annotations

from fastapi.responses import Response

from modelloop_monitor.checking import References
from modelloop_monitor.dashboard.answering import page
from modelloop_monitor.dashboard.queries.drift import read_column, read_windows
from modelloop_monitor.dashboard.queries.model import read_model
from modelloop_monitor.dashboard.views.column import column_view
from modelloop_monitor.dashboard.views.heat_map import heat_map
from modelloop_monitor.dashboard.views.spans import SPANS
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.problems import NOT_FOUND, ProblemError
from modelloop_monitor.store.engine import Store


class DriftPages:
    """The pages about drift."""

    def __init__(self, store: Store, references: References) -> None:
        self._store = store
        self._references = references

    def drift(self, visit: Visit) -> Response:
        """The heat map."""
        model = visit.model
        chosen = visit.chosen("windows", SPANS, "24")
        with self._store.reading() as connection:
            about = read_model(connection, model)
            judged = read_windows(connection, model, SPANS[chosen].windows)
        view = heat_map(
            judged,
            most=SPANS[chosen].windows,
            reference=visit.query.get("reference", ""),
            whole=visit.query.get("rows") == "all",
        )
        return page("drift.html", visit, about=about, view=view, spans=SPANS, chosen=chosen)

    def column(self, visit: Visit) -> Response:
        """One column in one window."""
        model, place = visit.model, visit.place
        if not place["since"].isdecimal() or len(place["since"]) > 12:
            raise ProblemError(NOT_FOUND, f"{place['since']!r} is no window's beginning in seconds since 1970")
        with self._store.reading() as connection:
            about = read_model(connection, model)
            found = read_column(
                connection,
                self._references,
                model,
                since=int(place["since"]),
                digest=place["reference"],
                part=place["part"],
                name=place["column"],
            )
        template = "column.html" if visit.is_fragment else "column_page.html"
        return page(template, visit, about=about, window=found.window, view=column_view(found))
