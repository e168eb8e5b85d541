"""`GET …/quality`: what was said of the last windows, with what is counted of them now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from modelloop_core.wire.reports import DataQuality, ModelQuality, QualityReport, VersionFeedback
from modelloop_monitor.checking import References
from modelloop_monitor.counts import Counted
from modelloop_monitor.quality.data import data_quality
from modelloop_monitor.quality.times import moment
from modelloop_monitor.store import models, outcomes, quality, quality_rows, traffic, windows
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.quality import QualityKey
from modelloop_monitor.store.windows import WindowKey

_MINUTE = 60
MOST_DATA = 12
"""So many of the last windows are told with what was asked in them: their counts are read for it."""


def model_quality(
    connection: Connection, references: References, model: Model, *, most: int, version: str | None, now: float
) -> ModelQuality | None:
    """The last `most` windows of a model, or of one of its versions; None when nothing is known of the model."""
    known = models.find(connection, model)
    said = quality.latest(connection, model, most, version=version)
    reports = [QualityReport.model_validate_json(text) for text in said]
    if known is None and not reports:
        return None
    feedback = [VersionFeedback.model_validate_json(text) for text in quality.versions(connection, model)]
    return ModelQuality(
        namespace=model[0],
        name=model[1],
        reports=tuple(reports),
        feedback=tuple(item for item in feedback if version in (None, item.version)),
        data=tuple(_data(connection, references, model, reports[-MOST_DATA:])),
        waiting=outcomes.waiting(connection, model),
        silent_seconds=None if known is None or known.last_post is None else max(now - known.last_post, 0.0),
        generated=moment(now),
    )


def _data(
    connection: Connection, references: References, model: Model, reports: Sequence[QualityReport]
) -> list[DataQuality]:
    found = []
    for report in reports:
        since, until = int(report.window.since.timestamp()), int(report.window.until.timestamp())
        key = QualityKey(*model, report.version, until - since, since)
        digest = quality_rows.reference(connection, model, report.version)
        reference = None if digest is None else references.whole(digest)
        counted = windows.counted_in(connection, WindowKey(*model, report.version, digest or "", key.seconds, since))
        # Whole minutes: what was asked in a window that is shorter lies in those around it.
        around = since // _MINUTE * _MINUTE, -(-until // _MINUTE) * _MINUTE
        minutes = traffic.between(connection, *model, since=around[0], until=around[1], version=report.version)
        columns = {} if reference is None else reference.features
        logged = quality_rows.counts(connection, key)
        found.append(data_quality(key, counted or Counted(), columns, [counts for _, counts in minutes], logged))
    return found
