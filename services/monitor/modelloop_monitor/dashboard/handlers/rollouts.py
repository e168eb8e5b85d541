"""A model's rollouts: the present one as it goes, and each that is kept."""

from __future__ import annotations

from fastapi.responses import Response

from modelloop_monitor.dashboard.answering import page
from modelloop_monitor.dashboard.queries.model import read_model
from modelloop_monitor.dashboard.queries.rollouts import read_rollout, read_rollouts
from modelloop_monitor.dashboard.views.rollouts import rollout_view, rollouts_view
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.store.engine import Store


class RolloutPages:
    """The pages about rollouts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rollouts(self, visit: Visit) -> Response:
        """What is live and tried, how the newest rollout goes or went, and those before it."""
        model = visit.model
        with self._store.reading() as connection:
            about = read_model(connection, model)
            found = read_rollouts(connection, model)
        return page("rollouts.html", visit, about=about, view=rollouts_view(found, visit.now))

    def rollout(self, visit: Visit) -> Response:
        """One of them."""
        model = visit.model
        with self._store.reading() as connection:
            about = read_model(connection, model)
            found = read_rollout(connection, model, visit.place["version"], visit.place["started"])
        return page("rollout.html", visit, about=about, view=rollout_view(found, visit.now))
