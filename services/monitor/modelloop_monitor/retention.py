"""Forgets what is older than it is kept for, some rows at a time, so that nobody waits for long."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, ColumnElement, Table, and_, delete, func, select, tuple_

from modelloop_monitor.settings import DAY, MonitorSettings
from modelloop_monitor.store import models, references
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK, QUALITY, QUALITY_VERSIONS
from modelloop_monitor.store.rollout_schema import ROLLOUT_EVIDENCE, ROLLOUT_STATES, ROLLOUTS
from modelloop_monitor.store.schema import (
    CARDS,
    INCIDENTS,
    MODELS,
    OUTBOX,
    PREDICTIONS,
    REPORTS,
    SILENCES,
    SOURCES,
    TRAFFIC,
    WINDOWS,
)

# SQLite takes 32,766 parameters at most, and a key has up to six parts.
_ROWS_AT_ONCE = 5_000
_GRACE_DAYS = 7.0
"""So long a reference is kept that no window needs: its first posts may be on their way."""

_SECRETS_DAYS = 7.0


class Pruner:
    """Prunes; several processes may try, one does."""

    def __init__(self, store: Store, settings: MonitorSettings) -> None:
        self._store = store
        self._settings = settings

    def prune(self, now: float) -> int:
        """Delete what is too old; how many rows. Raises StoreError, with part of it deleted."""
        with self._store.alone("prune") as alone:
            if not alone:
                return 0
            with self._store.writing() as connection:
                models.forget_alerts(connection, now - _SECRETS_DAYS * DAY)
            return sum(self._delete(table, old) for table, old in self._rules(now)) + self._forget_references(now)

    def _forget_references(self, now: float) -> int:
        with self._store.reading() as connection:
            counted = references.counted(connection)
        # What was predicted with a reference was counted with it too, so that windows keep it for labels as well,
        # unless predictions are kept for longer than windows.
        longer = max(0.0, self._settings.prediction_days - self._settings.window_days)
        with self._store.writing() as connection:
            references.need(connection, counted, now, before=now - _GRACE_DAYS / 2 * DAY)
            return references.forget(connection, now - (_GRACE_DAYS + longer) * DAY)

    def _rules(self, now: float) -> Iterable[tuple[Table, ColumnElement[bool]]]:
        settings = self._settings
        told = now - settings.report_days * DAY
        yield TRAFFIC, TRAFFIC.c.minute < now - settings.traffic_days * DAY
        yield WINDOWS, WINDOWS.c.since < now - settings.window_days * DAY
        yield CARDS, CARDS.c.told < now - settings.window_days * DAY
        yield ROLLOUT_EVIDENCE, ROLLOUT_EVIDENCE.c.at < now - settings.window_days * DAY
        yield SOURCES, SOURCES.c.last_seen < now - settings.source_days * DAY
        yield REPORTS, REPORTS.c.until < told
        yield INCIDENTS, and_(INCIDENTS.c.closed.is_not(None), INCIDENTS.c.closed < told)
        yield OUTBOX, and_(OUTBOX.c.ended.is_not(None), OUTBOX.c.ended < told)
        yield SILENCES, SILENCES.c.until < told
        yield ROLLOUTS, ROLLOUTS.c.told < told
        yield ROLLOUT_STATES, ROLLOUT_STATES.c.told < told
        # None is never: a model that was only set up, or only posted.
        heard = (func.coalesce(at, 0) for at in (MODELS.c.last_post, MODELS.c.settings_at))
        yield MODELS, and_(*(at < told for at in heard))
        yield QUALITY, QUALITY.c.since < told
        yield QUALITY_VERSIONS, QUALITY_VERSIONS.c.updated < told
        for model, seconds in self._prediction_ages().items():
            own = and_(PREDICTIONS.c.namespace == model[0], PREDICTIONS.c.name == model[1])
            yield PREDICTIONS, and_(own, PREDICTIONS.c.at < now - seconds)
            # They say of an entity what its prediction said, so they go with it.
            for table in (FEEDBACK, EVENTS):
                theirs = and_(table.c.namespace == model[0], table.c.name == model[1])
                yield table, and_(theirs, table.c.predicted < now - seconds)
        for table in (FEEDBACK, EVENTS):
            yield table, and_(table.c.predicted.is_(None), table.c.received < now - settings.prediction_days * DAY)

    def _prediction_ages(self) -> dict[models.Model, float]:
        most = self._settings.prediction_days * DAY
        with self._store.reading() as connection:
            known = [one.model for one in models.all_of(connection)]
            settings = models.settings(connection, known)
        return {model: min(settings[model].retention_seconds, most) for model in known}

    def _delete(self, table: Table, old: ColumnElement[bool]) -> int:
        key: list[Column[object]] = list(table.primary_key)
        total = 0
        while True:
            with self._store.writing() as connection:
                some = [tuple(row) for row in connection.execute(select(*key).where(old).limit(_ROWS_AT_ONCE))]
                if some:
                    connection.execute(delete(table).where(tuple_(*key).in_(some)))
            total += len(some)
            if len(some) < _ROWS_AT_ONCE:
                return total
