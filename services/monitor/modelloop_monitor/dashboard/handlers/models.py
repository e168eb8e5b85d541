"""`/` and a model's first page: who is there, and what traffic there is."""

from __future__ import annotations

from fastapi.responses import Response

from modelloop_monitor.checking import References
from modelloop_monitor.dashboard.answering import page
from modelloop_monitor.dashboard.queries.listing import read_listing
from modelloop_monitor.dashboard.queries.model import read_model
from modelloop_monitor.dashboard.queries.references import read_references
from modelloop_monitor.dashboard.queries.traffic import Stretch, read_traffic
from modelloop_monitor.dashboard.views.models import TRAFFIC_SECONDS, models_view
from modelloop_monitor.dashboard.views.reference import reference_view
from modelloop_monitor.dashboard.views.traffic import PERIODS, traffic_view
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.store import cards
from modelloop_monitor.store.engine import Store

_MINUTE = 60
_MOST_CARDS = 4


class ModelPages:
    """The pages about models as a whole."""

    def __init__(self, store: Store, references: References) -> None:
        self._store = store
        self._references = references

    def models(self, visit: Visit) -> Response:
        """All models that the viewer may see, page by page."""
        search, number = visit.query.get("q", "")[:200], visit.number("page")
        # Whole minutes only, and the current one is not over.
        until = visit.now // _MINUTE * _MINUTE
        with self._store.reading() as connection:
            listing = read_listing(
                connection,
                visit.viewer.caller.namespaces,
                search=search,
                page=number,
                since=until - TRAFFIC_SECONDS,
                until=until,
            )
        view = models_view(listing, number, visit.now)
        template = "models_rows.html" if visit.is_fragment else "models.html"
        return page(template, visit, view=view, search=search)

    def model(self, visit: Visit) -> Response:
        """One model: what its versions were asked and how they answered."""
        model = visit.model
        chosen = visit.chosen("period", PERIODS, "6h")
        period = PERIODS[chosen]
        with self._store.reading() as connection:
            about = read_model(connection, model)
            traffic = read_traffic(connection, model, Stretch.ending(visit.now, period.step, period.steps))
        view = traffic_view(traffic, visit.now)
        return page("model.html", visit, about=about, view=view, periods=PERIODS, chosen=chosen)

    def card(self, visit: Visit) -> Response:
        """The cards of the versions that answered last, and the references that were frozen with them."""
        model = visit.model
        with self._store.reading() as connection:
            about = read_model(connection, model)
            told = cards.latest(connection, model, _MOST_CARDS)
            found = read_references(connection, self._references, model)
        return page("card.html", visit, about=about, cards=told, references=[reference_view(one) for one in found])
