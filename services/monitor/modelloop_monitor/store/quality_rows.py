"""What a window's quality is judged by: counts, labels, events and a sample of predictions, bounded in number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Select, and_, func, literal_column, select

from modelloop_core.drift.quality_business import Followed
from modelloop_core.drift.quality_labels import Label, Prediction
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK
from modelloop_monitor.store.quality import QualityKey
from modelloop_monitor.store.schema import PREDICTIONS, WINDOWS

MOST_LABELLED = 50_000
MOST_ESTIMATED = 10_000
MOST_PAST = 10_000
MOST_STREAM = 20_000
MOST_EVENTS = 200_000


@dataclass(frozen=True)
class WindowCounts:
    """How many predictions of a version were logged in a window, and of how many requests and entities.

    A request without entity stands for itself; `again` is how often a request id came that had been logged before.
    """

    predictions: int = 0
    requests: int = 0
    units: int = 0
    again: int = 0


@dataclass(frozen=True)
class Row:
    """One logged prediction; `unit` is its entity, or its request."""

    prediction: Prediction
    unit: str


@dataclass(frozen=True)
class LabelledRow:
    """One prediction with its label; `predicted` and `told` are when each was."""

    prediction: Prediction
    label: Label
    unit: str
    predicted: float
    told: float


def reference(connection: Connection, model: Model, version: str) -> str | None:
    """The digest of a version's reference, where it is known."""
    for table, newest in ((WINDOWS, WINDOWS.c.since), (FEEDBACK, FEEDBACK.c.predicted)):
        query = select(table.c.reference).where(_of(table, model, version), table.c.reference.is_not(None))
        if (found := connection.execute(query.order_by(newest.desc()).limit(1)).scalar()) is not None:
            return str(found)
    return None


def counts(connection: Connection, key: QualityKey) -> WindowCounts:
    """The counts of one window."""
    log = PREDICTIONS.c
    query = select(
        func.count(),
        func.count(log.request_id.distinct()),
        func.count(_unit(PREDICTIONS).distinct()),
        func.coalesce(func.sum(log.again), 0),
    ).where(_inside(PREDICTIONS, log.at, key))
    return WindowCounts(*(connection.execute(query).one()))


def predictions(connection: Connection, key: QualityKey, total: int) -> list[Row]:
    """The predictions of a window; of very many each n-th, so that all of its time is in it."""
    log = PREDICTIONS.c
    place = func.row_number().over(order_by=(log.at, log.request_id, log.row)).label("place")
    inside = select(log.prediction, _unit(PREDICTIONS).label("unit"), place).where(_inside(PREDICTIONS, log.at, key))
    found = inside.subquery()
    step = -(-total // MOST_ESTIMATED) or 1
    query = select(found.c.prediction, found.c.unit).where(found.c.place % step == 0 if step > 1 else found.c.place > 0)
    return [Row(orjson.loads(row.prediction), row.unit) for row in connection.execute(query.order_by(found.c.place))]


def labelled(connection: Connection, key: QualityKey) -> tuple[int, list[LabelledRow]]:
    """How many predictions of a window have labels, and the newest of these, oldest first."""
    inside = _inside(FEEDBACK, FEEDBACK.c.predicted, key)
    total = connection.execute(select(func.count()).select_from(FEEDBACK).where(inside)).scalar_one()
    return total, _labels(connection, _labelled_query().where(inside), MOST_LABELLED)


def labelled_before(connection: Connection, key: QualityKey) -> list[LabelledRow]:
    """The newest predictions with labels of the same version from before the window, oldest first."""
    before = and_(_of(FEEDBACK, key.model, key.version), FEEDBACK.c.predicted < key.since)
    return _labels(connection, _labelled_query().where(before), MOST_PAST)


def stream(connection: Connection, model: Model, version: str) -> tuple[int, list[LabelledRow]]:
    """How many labels a version has, and its newest predictions that have one, oldest first."""
    own = _of(FEEDBACK, model, version)
    total = connection.execute(select(func.count()).select_from(FEEDBACK).where(own)).scalar_one()
    return total, _labels(connection, _labelled_query().where(own), MOST_STREAM)


def followed(connection: Connection, key: QualityKey) -> dict[str, list[Followed]]:
    """What followed the predictions of a window, by the events' name."""
    events = EVENTS.c
    query = select(events.event, events.request_id, events.entity, events.value)
    query = query.where(_inside(EVENTS, events.predicted, key)).order_by(events.event, events.request_id, events.id)
    found: dict[str, dict[str, Followed]] = {}
    for row in connection.execute(query.limit(MOST_EVENTS)):
        known = found.setdefault(row.event, {})
        before = known.get(row.request_id)
        values = (row.value,) if before is None else (*before.values, row.value)
        known[row.request_id] = Followed(row.request_id, row.entity, values)
    return {name: list(requests.values()) for name, requests in found.items()}


def _labelled_query() -> Select[Any]:
    table = FEEDBACK.c
    unit = _unit(FEEDBACK).label("unit")
    query = select(table.prediction, table.label, unit, table.predicted, table.told)
    return query.order_by(table.predicted.desc(), table.request_id.desc(), table.row.desc())


def _labels(connection: Connection, query: Select[Any], most: int) -> list[LabelledRow]:
    found: Sequence[Any] = connection.execute(query.limit(most)).all()
    return [
        LabelledRow(orjson.loads(row.prediction), orjson.loads(row.label), row.unit, row.predicted, row.told)
        for row in reversed(found)
    ]


def _unit(table: Any) -> Any:
    """An entity and a request may have the same name: they are told apart."""
    entity = literal_column("'e'").concat(table.c.entity)
    return func.coalesce(entity, literal_column("'r'").concat(table.c.request_id))


def _inside(table: Any, at: Any, key: QualityKey) -> Any:
    return and_(_of(table, key.model, key.version), at >= key.since, at < key.until)


def _of(table: Any, model: Model, version: str) -> Any:
    return and_(table.c.namespace == model[0], table.c.name == model[1], table.c.version == version)
