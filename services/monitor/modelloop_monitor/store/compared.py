"""What a rollout compares beyond traffic: labels in the order in which they came, and events by interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, func, select

from modelloop_core.drift.quality_labels import Label, Prediction
from modelloop_core.wire.settings import BusinessKind
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK
from modelloop_monitor.store.schema import PREDICTIONS

MOST_LABELS = 100_000
"""So many labels of both versions together are read, the first ones: evidence of the last ones would come and go."""


class LabelRow(NamedTuple):
    """One label as it came at `received`, with the prediction of `predicted`."""

    version: str
    request: str
    prediction: Prediction
    label: Label
    predicted: float
    received: float


class Bucket(NamedTuple):
    """Of a version in one interval, by number: so many requests, what they were worth, and the squares of that."""

    version: str
    interval: int
    number: int
    total: float = 0.0
    squares: float = 0.0


class Span(NamedTuple):
    """Predictions of these versions from `since` to before `until`, in intervals of `width` seconds."""

    model: Model
    versions: Sequence[str]
    since: float
    until: float
    width: int


def labels(connection: Connection, span: Span) -> list[LabelRow]:
    """The labels that came by the end of the span for predictions since its beginning, oldest first."""
    table = FEEDBACK.c
    query = select(table.version, table.request_id, table.prediction, table.label, table.predicted, table.received)
    query = query.where(_of(FEEDBACK, span), table.predicted >= span.since, table.received < span.until)
    query = query.order_by(table.received, table.request_id, table.row).limit(MOST_LABELS)
    return [
        LabelRow(row[0], row[1], orjson.loads(row[2]), orjson.loads(row[3]), row[4], row[5])
        for row in connection.execute(query)
    ]


def requests(connection: Connection, span: Span) -> list[Bucket]:
    """How many requests were logged."""
    log = PREDICTIONS.c
    at = _interval(log.at, span)
    query = select(log.version, at, func.count()).where(_inside(PREDICTIONS, log.at, span), log.row == 0)
    return [Bucket(*row) for row in connection.execute(query.group_by(log.version, at))]


def followed(connection: Connection, span: Span, event: str, kind: BusinessKind, delay: float) -> list[Bucket]:
    """What followed the requests within `delay` seconds: how many had an event that is not 0, or the sum of values."""
    events = EVENTS.c
    worth = func.max(case((events.value != 0, 1.0), else_=0.0)) if kind == "rate" else func.sum(events.value)
    each = select(events.version, events.predicted, worth.label("worth"))
    each = each.where(_inside(EVENTS, events.predicted, span), events.event == event)
    each = each.where(events.received <= events.predicted + delay)
    found = each.group_by(events.version, events.predicted, events.request_id).subquery().c
    at = _interval(found.predicted, span)
    query = select(found.version, at, func.count(), func.sum(found.worth), func.sum(found.worth * found.worth))
    return [Bucket(*row) for row in connection.execute(query.group_by(found.version, at))]


def _inside(table: Any, at: Any, span: Span) -> ColumnElement[bool]:
    return and_(_of(table, span), at >= span.since, at < span.until)


def _of(table: Any, span: Span) -> ColumnElement[bool]:
    named = and_(table.c.namespace == span.model[0], table.c.name == span.model[1])
    return and_(named, table.c.version.in_(span.versions))


def _interval(at: Any, span: Span) -> ColumnElement[int]:
    """Its number, counted from 1970."""
    return cast(func.floor(at / span.width), BigInteger)
