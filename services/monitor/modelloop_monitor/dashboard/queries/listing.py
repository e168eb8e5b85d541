"""A page of the models that somebody may see: those with an open incident first, the others by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select, tuple_

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import INCIDENTS, MODELS, REPORTS, TRAFFIC
from modelloop_monitor.store.traffic import unpack

PAGE = 50


@dataclass(frozen=True)
class Judged:
    """The last window that was judged, and how."""

    verdict: str
    until: float


@dataclass(frozen=True)
class Open:
    """An incident that is not over."""

    opened: float
    level: str


@dataclass(frozen=True)
class Listed:
    """One model; `traffic` is of the minutes asked for, by version."""

    model: Model
    last_post: float | None
    judged: Judged | None = None
    incident: Open | None = None
    traffic: Mapping[str, MinuteCounts] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """A page of models; of all that match there are `total`, and `alarmed` with an open incident."""

    total: int
    alarmed: int
    models: tuple[Listed, ...]


def read_listing(
    connection: Connection, visible: frozenset[str] | None, *, search: str, page: int, since: float, until: float
) -> Listing:
    """Page number `page` (from 0) of the models whose name has `search` in it, traffic from `since` to `until`."""
    wanted = _matching(visible, search)
    unwell = _unwell()
    order = (unwell.desc(), MODELS.c.namespace, MODELS.c.name)
    rows = connection.execute(wanted.order_by(*order).limit(PAGE).offset(PAGE * page)).all()
    models = [(row.namespace, row.name) for row in rows]
    judged, incidents = read_judged(connection, models), open_incidents(connection, models)
    traffic = _traffic(connection, models, since, until)
    return Listing(
        total=connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one(),
        alarmed=connection.execute(select(func.count()).select_from(wanted.where(unwell).subquery())).scalar_one(),
        models=tuple(
            Listed(
                model,
                row.last_post,
                judged=judged.get(model),
                incident=incidents.get(model),
                traffic=traffic.get(model, {}),
            )
            for model, row in zip(models, rows, strict=True)
        ),
    )


def _matching(visible: frozenset[str] | None, search: str) -> Select[Any]:
    query = select(MODELS.c.namespace, MODELS.c.name, MODELS.c.last_post)
    if visible is not None:
        query = query.where(MODELS.c.namespace.in_(sorted(visible)))
    for word in search.split():
        query = query.where((MODELS.c.namespace + "/" + MODELS.c.name).icontains(word, autoescape=True))
    return query


def _unwell() -> Any:
    own = and_(INCIDENTS.c.namespace == MODELS.c.namespace, INCIDENTS.c.name == MODELS.c.name)
    return exists().where(own, INCIDENTS.c.closed.is_(None))


def read_judged(connection: Connection, models: list[Model]) -> dict[Model, Judged]:
    """The last judged window of each model, if there is one."""
    key = (REPORTS.c.namespace, REPORTS.c.name)
    last = select(*key, func.max(REPORTS.c.since).label("since")).where(tuple_(*key).in_(models)).group_by(*key)
    newest = last.subquery()
    query = select(*key, REPORTS.c.verdict, REPORTS.c.until, REPORTS.c.rows).join(
        newest,
        and_(key[0] == newest.c.namespace, key[1] == newest.c.name, REPORTS.c.since == newest.c.since),
    )
    # Of versions with references of their own the one with the most rows comes last, and is kept.
    found = connection.execute(query.order_by(REPORTS.c.rows)) if models else ()
    return {(row.namespace, row.name): Judged(row.verdict, row.until) for row in found}


def open_incidents(connection: Connection, models: list[Model]) -> dict[Model, Open]:
    """The open incident of each model, if there is one."""
    key = (INCIDENTS.c.namespace, INCIDENTS.c.name)
    query = select(*key, INCIDENTS.c.opened, INCIDENTS.c.level)
    query = query.where(INCIDENTS.c.closed.is_(None), tuple_(*key).in_(models)).order_by(INCIDENTS.c.opened.desc())
    found = connection.execute(query) if models else ()
    return {(row.namespace, row.name): Open(row.opened, row.level) for row in found}


def _traffic(
    connection: Connection, models: list[Model], since: float, until: float
) -> dict[Model, dict[str, MinuteCounts]]:
    key = (TRAFFIC.c.namespace, TRAFFIC.c.name)
    query = select(*key, TRAFFIC.c.version, TRAFFIC.c.counts)
    query = query.where(tuple_(*key).in_(models), TRAFFIC.c.minute >= since, TRAFFIC.c.minute < until)
    totals: dict[Model, dict[str, MinuteCounts]] = defaultdict(dict)
    for row in connection.execute(query) if models else ():
        mine, counts = totals[(row.namespace, row.name)], unpack(row.counts)
        mine[row.version] = mine[row.version] + counts if row.version in mine else counts
    return totals
