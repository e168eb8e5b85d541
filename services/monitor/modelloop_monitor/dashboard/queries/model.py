"""What every page of one model shows at its head."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from modelloop_monitor.dashboard.queries.listing import Judged, Open, open_incidents, read_judged
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import MODELS


@dataclass(frozen=True)
class About:
    """One model: when it was last heard of, how its last window was judged, and the incident that is open."""

    namespace: str
    name: str
    last_post: float | None
    judged: Judged | None
    incident: Open | None

    @property
    def address(self) -> str:
        """Of its first page."""
        return f"/models/{self.namespace}/{self.name}"


def read_model(connection: Connection, model: Model) -> About:
    """The head of a model's pages; raises ProblemError (404) for one that the monitor never heard of."""
    query = select(MODELS.c.last_post).where(MODELS.c.namespace == model[0], MODELS.c.name == model[1])
    row = connection.execute(query).one_or_none()
    if row is None:
        words = f"{model[0]}/{model[1]} neither posted nor was set up; is its predictor told where the monitor is?"
        raise ProblemError(UNKNOWN_MODEL, words)
    judged, incidents = read_judged(connection, [model]), open_incidents(connection, [model])
    return About(*model, row.last_post, judged.get(model), incidents.get(model))
