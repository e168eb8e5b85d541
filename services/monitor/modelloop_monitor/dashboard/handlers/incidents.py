"""A model's incidents, and the forms that withhold their notifications."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from fastapi.responses import Response
from pydantic import ValidationError

from modelloop_core.wire.watching import Silence, SilencePost
from modelloop_monitor.dashboard.answering import page, see_other
from modelloop_monitor.dashboard.queries.model import read_model
from modelloop_monitor.dashboard.visit import Visit
from modelloop_monitor.problems import FORBIDDEN, NOT_FOUND, ProblemError, invalid
from modelloop_monitor.store import incidents, silences
from modelloop_monitor.store.engine import Store

_MOST = 50
SILENCES: Mapping[str, str] = {"3600": "1 hour", "28800": "8 hours", "86400": "1 day", "604800": "7 days"}


class IncidentPages:
    """The pages about incidents."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def incidents(self, visit: Visit) -> Response:
        """What is wrong now, what was, and until when nobody is told."""
        model = visit.model
        with self._store.reading() as connection:
            about = read_model(connection, model)
            found = incidents.latest(connection, model, _MOST)[::-1]
            silenced = silences.current(connection, model, visit.now)
        opened = [one for one in found if one.closed is None]
        closed = [one for one in found if one.closed is not None]
        return page(
            "incidents.html", visit, about=about, opened=opened, closed=closed, silences=silenced, choices=SILENCES
        )

    def silence(self, visit: Visit) -> Response:
        """Withhold notifications for some time."""
        model = _changing(visit)
        try:
            wanted = SilencePost.model_validate(
                {"seconds": visit.form.get("seconds", ""), "reason": self._reason(visit)}, strict=False
            )
        except ValidationError as error:
            raise invalid(error) from error
        silence = Silence(
            id=uuid.uuid4().hex,
            until=datetime.fromtimestamp(visit.now + wanted.seconds, UTC),
            created=datetime.fromtimestamp(visit.now, UTC),
            reason=wanted.reason,
        )
        with self._store.writing() as connection:
            about = read_model(connection, model)
            silences.add(connection, model, silence)
        return see_other(f"{about.address}/incidents")

    def tell_again(self, visit: Visit) -> Response:
        """End a silence."""
        model = _changing(visit)
        with self._store.writing() as connection:
            about = read_model(connection, model)
            if not silences.remove(connection, model, visit.place["silence"]):
                raise ProblemError(NOT_FOUND, "that silence has ended already")
        return see_other(f"{about.address}/incidents")

    def _reason(self, visit: Visit) -> str:
        """Why, and who says so."""
        reason = visit.form.get("reason", "").strip()
        return f"{reason} ({visit.viewer.name})" if reason and visit.viewer.name else reason


def _changing(visit: Visit) -> tuple[str, str]:
    model = visit.model
    if not visit.viewer.may_change:
        raise ProblemError(FORBIDDEN, "whoever changes something has to sign in: set up a token or a proxy for that")
    return model
