"""Sends what the outbox holds, again until it is taken, and keeps alerts alive."""

from __future__ import annotations

import logging

from modelloop_core.wire.settings import AlertSettings
from modelloop_core.wire.watching import Change
from modelloop_monitor.incidents import IncidentState
from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.notices import ALERT_SECONDS, delivery, notification, refreshing
from modelloop_monitor.sending import NotTaken, Send
from modelloop_monitor.store import incidents, models, outbox, silences
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outbox import Letter

_MOST_AT_ONCE = 1_000
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0
_GIVEN_UP_SECONDS = 86_400.0
_REFRESH_SECONDS = ALERT_SECONDS / 4


class Notifier:
    """Tells targets; several processes may try, one does."""

    def __init__(self, store: Store, metrics: Metrics, send: Send) -> None:
        self._store = store
        self._metrics = metrics
        self._send = send
        self._refreshed = 0.0

    def notify(self, now: float) -> int:
        """Send all that is due; how many were taken. Raises StoreError."""
        taken = 0
        with self._store.alone("notify") as alone:
            if alone:
                taken = self._letters(now)
                self._refresh(now)
        return taken

    def _letters(self, now: float) -> int:
        taken = 0
        # Each letter that is taken may uncover the next of its incident.
        while letters := self._due(now):
            outcomes = [self._deliver(letter, alerts, now) for letter, alerts in letters]
            taken += sum(outcomes)
            if not any(outcomes):
                break
        return taken

    def _due(self, now: float) -> list[tuple[Letter, AlertSettings]]:
        with self._store.reading() as connection:
            letters = outbox.due(connection, now, _MOST_AT_ONCE)
            settings = models.settings(connection, {letter.model for letter in letters})
        return [(letter, settings[letter.model].alerts) for letter in letters]

    def _deliver(self, letter: Letter, alerts: AlertSettings, now: float) -> bool:
        request = delivery(letter, alerts, now)
        if request is None:
            return self._ended(letter, now, "unwanted", "the settings name no such target any more")
        try:
            self._send(request)
        except NotTaken as error:
            if now - letter.created > _GIVEN_UP_SECONDS:
                return self._ended(letter, now, "given-up", str(error))
            self._metrics.notified("failed")
            event("notification-failed", logging.WARNING, reason="NotTaken", message=str(error), notification=letter.id)
            with self._store.writing() as connection:
                outbox.later(connection, letter, now + _pause(letter.attempts), str(error)[:500])
            return False
        return self._ended(letter, now, "sent", "")

    def _ended(self, letter: Letter, now: float, outcome: str, words: str) -> bool:
        with self._store.writing() as connection:
            outbox.end(connection, letter, now, f"{outcome} {words}".strip()[:500])
        self._metrics.notified(outcome)
        event("notification-ended", reason=outcome, message=words, notification=letter.id)
        return True

    def _refresh(self, now: float) -> None:
        if now - self._refreshed < _REFRESH_SECONDS:
            return
        self._refreshed = now
        for model, incident, alerts in self._alive(now):
            told = notification(model, incident, Change.OPENED, alerts, now)
            request = refreshing(told, alerts, now)
            try:
                if request is not None:
                    self._send(request)
            except NotTaken as error:
                event("refresh-failed", logging.WARNING, reason="NotTaken", message=str(error), incident=incident.id)

    def _alive(self, now: float) -> list[tuple[Model, IncidentState, AlertSettings]]:
        with self._store.reading() as connection:
            found = [(model, incident) for model, incident in incidents.open_ones(connection) if incident.told]
            settings = models.settings(connection, {model for model, _ in found})
            return [
                (model, incident, settings[model].alerts)
                for model, incident in found
                if settings[model].alerts.alertmanager and silences.until(connection, model, now) is None
            ]


def _pause(attempts: int) -> float:
    return float(min(_FIRST_PAUSE_SECONDS * 2 ** min(attempts, 10), _LONGEST_PAUSE_SECONDS))
