"""Judges the quality of windows that are due: those that have ended, and those whose labels have come."""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from modelloop_core.feature_schema import Output
from modelloop_monitor.checking import References
from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.quality.judging import Seen, judge_version, judge_window
from modelloop_monitor.store import models, quality, quality_rows
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.errors import StoreError
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.quality import Due, QualityKey

_AT_ONCE = 20
_MOST = 500
_BACK_SECONDS = 2 * 86_400.0


class QualityJudge:
    """Judges what is due; several processes may try, one does."""

    def __init__(self, store: Store, references: References, metrics: Metrics, *, grace_seconds: float) -> None:
        self._store = store
        self._references = references
        self._metrics = metrics
        self._grace = grace_seconds

    def judge(self, now: float) -> int:
        """Judge windows until none is due, or many were; returns how many. Raises StoreError."""
        total = 0
        with self._store.alone("quality") as alone:
            if not alone:
                return 0
            with self._store.writing() as connection:
                quality.begin(connection, ended=now - self._grace, since=now - _BACK_SECONDS)
            while total < _MOST and (count := self._some(now)):
                total += count
        return total

    def _some(self, now: float) -> int:
        with self._store.reading() as connection:
            due = quality.due(connection, now, _AT_ONCE)
        for item in due:
            self._try(item, now)
        for model, version in {(item.key.model, item.key.version) for item in due}:
            self._version(model, version, now)
        return len(due)

    def _try(self, item: Due, now: float) -> None:
        try:
            self._window(item, now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 one model's window must not keep those of all others from being judged
            self._metrics.failed("quality")
            event("quality-unjudged", logging.ERROR, error=error, reason="InternalError", window=item.key._asdict())
            with self._store.writing() as connection:
                # Behind all others: it is tried again after its pause.
                quality.postpone(connection, item.key, now)

    def _window(self, item: Due, now: float) -> None:
        with self._store.reading() as connection:
            seen = _seen(connection, item.key)
            settings = models.settings(connection, [item.key.model])[item.key.model]
            reference = quality_rows.reference(connection, item.key.model, item.key.version)
        # Between the transactions, as it takes longest: nobody waits for it.
        report = judge_window(item.key, seen, self._output(reference), settings, now)
        with self._store.writing() as connection:
            quality.save(connection, item, report.model_dump_json(), now)

    def _version(self, model: Model, version: str, now: float) -> None:
        with self._store.reading() as connection:
            labelled, rows = quality_rows.stream(connection, model, version)
            reference = quality_rows.reference(connection, model, version)
        report = judge_version(version, labelled, rows, self._output(reference))
        with self._store.writing() as connection:
            quality.save_version(connection, model, version, report.model_dump_json(), now)

    def _output(self, digest: str | None) -> Output | None:
        """What a version's answers mean, where the monitor has its reference."""
        reference = None if digest is None else self._references.whole(digest)
        return None if reference is None else reference.output


def _seen(connection: Connection, key: QualityKey) -> Seen:
    counts = quality_rows.counts(connection, key)
    labelled, labels = quality_rows.labelled(connection, key)
    return Seen(
        counts=counts,
        labelled=labelled,
        labels=labels,
        predictions=quality_rows.predictions(connection, key, counts.predictions),
        past=quality_rows.labelled_before(connection, key),
        followed=quality_rows.followed(connection, key),
    )
