"""Labels and events, and the logged predictions to which they are joined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outcome_schema import FEEDBACK, Ledger
from modelloop_monitor.store.schema import MODELS, PREDICTIONS

_AT_ONCE = 500
"""So many ids in one query: both databases bound the number of a statement's values."""


@dataclass(frozen=True)
class LoggedRow:
    """One row of the prediction log; `prediction` is JSON."""

    row: int
    version: str
    reference: str | None
    entity: str | None
    at: float
    prediction: str


@dataclass(frozen=True)
class Waiting:
    """A label or event without prediction, since `received`; `key` is that of its table."""

    key: Mapping[str, Any]
    received: float

    @property
    def model(self) -> Model:
        """Whose it is."""
        return self.key["namespace"], self.key["name"]


def held(connection: Connection, ledger: Ledger, model: Model, ids: Collection[str]) -> dict[tuple[Any, ...], Any]:
    """What is kept already of these requests, by request id and what makes an entry distinct."""
    table = ledger.table
    columns = [table.c.request_id, *(table.c[name] for name in ledger.distinct)]
    query = select(*columns, table.c[ledger.said]).where(_of(table, model))
    return {
        tuple(row[: len(columns)]): row[len(columns)]
        for some in _batches(ids)
        for row in connection.execute(query.where(table.c.request_id.in_(some)))
    }


def logged(connection: Connection, model: Model, ids: Collection[str]) -> dict[str, list[LoggedRow]]:
    """The logged predictions of these requests, rows in order; they stay as they are until the transaction ends."""
    log = PREDICTIONS.c
    query = select(log.request_id, log.row, log.version, log.reference, log.entity, log.at, log.prediction)
    query = query.where(_of(PREDICTIONS, model)).order_by(log.request_id, log.row)
    # Else a label could be joined to a prediction that is being erased.
    query = query.with_for_update(read=True, key_share=True)
    found: dict[str, list[LoggedRow]] = defaultdict(list)
    for some in _batches(ids):
        for row in connection.execute(query.where(log.request_id.in_(some))):
            found[row.request_id].append(LoggedRow(*row[1:]))
    return found


def owners(connection: Connection, ids: Collection[str]) -> dict[str, set[Model]]:
    """The models that have logged these requests."""
    log = PREDICTIONS.c
    query = select(log.namespace, log.name, log.request_id).distinct()
    # By each model in turn: the log's key begins with it, and an index on ids alone would cost every prediction.
    query = query.select_from(MODELS.join(PREDICTIONS, _same_model(MODELS, PREDICTIONS)))
    found: dict[str, set[Model]] = defaultdict(set)
    for some in _batches(ids):
        for row in connection.execute(query.where(log.request_id.in_(some))):
            found[row.request_id].add((row.namespace, row.name))
    return found


def add(connection: Connection, ledger: Ledger, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep new entries; raises (through the transaction) StoreBusy when another has kept one of them meanwhile."""
    if rows:
        connection.execute(insert(ledger.table), list(rows))


def due(connection: Connection, ledger: Ledger, now: float, most: int) -> list[Waiting]:
    """Entries for whose prediction it is time to look again."""
    table = ledger.table
    names = [column.name for column in table.primary_key]
    query = select(*(table.c[name] for name in names), table.c.received).where(table.c.due <= now)
    query = query.order_by(table.c.due).limit(most)
    return [Waiting(dict(zip(names, row, strict=False)), row.received) for row in connection.execute(query)]


def change(connection: Connection, ledger: Ledger, changes: Sequence[tuple[Waiting, Mapping[str, Any]]]) -> None:
    """Give entries other values; each change has the same columns."""
    if not changes:
        return
    table = ledger.table
    keys = [column.name for column in table.primary_key]
    statement = update(table).where(and_(*(table.c[name] == bindparam(f"key_{name}") for name in keys)))
    statement = statement.values({name: bindparam(name) for name in changes[0][1]})
    rows = [{**{f"key_{name}": value for name, value in item.key.items()}, **new} for item, new in changes]
    connection.execute(statement, rows)


def waiting(connection: Connection, model: Model) -> int:
    """How many labels of a model have no prediction by now."""
    query = select(func.count()).select_from(FEEDBACK).where(_of(FEEDBACK, model), FEEDBACK.c.version.is_(None))
    return connection.execute(query).scalar_one()


def _of(table: Any, model: Model) -> Any:
    return and_(table.c.namespace == model[0], table.c.name == model[1])


def _same_model(left: Any, right: Any) -> Any:
    return and_(left.c.namespace == right.c.namespace, left.c.name == right.c.name)


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
