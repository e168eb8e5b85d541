"""What was said of windows."""

from __future__ import annotations

import zlib

from sqlalchemy import ColumnElement, Connection, and_, func, select

from modelloop_core.wire.reports import Level
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import REPORTS
from modelloop_monitor.store.upsert import upsert


def save(connection: Connection, model: Model, judged: JudgedWindow, now: float) -> None:
    """Keep it, in place of what was said of the same window before."""
    row = {
        "namespace": model[0],
        "name": model[1],
        "reference": judged.reference,
        "since": judged.since,
        "until": judged.until,
        "version": judged.version,
        "verdict": judged.verdict,
        "rows": judged.rows,
        "document": zlib.compress(judged.model_dump_json(exclude_defaults=True).encode(), 6),
        "generated": now,
    }
    upsert(connection, REPORTS, [row])


def before(connection: Connection, model: Model, reference: str, since: int) -> JudgedWindow | None:
    """What was said of the last window of this reference that ended by then."""
    query = select(REPORTS.c.document).where(*_of(model), REPORTS.c.reference == reference, REPORTS.c.until <= since)
    found = connection.execute(query.order_by(REPORTS.c.until.desc()).limit(1)).scalar()
    return None if found is None else _unpack(found)


def following(connection: Connection, model: Model, reference: str, until: int) -> list[JudgedWindow]:
    """What was said of the windows of this reference that begin from then on, oldest first."""
    query = select(REPORTS.c.document).where(*_of(model), REPORTS.c.reference == reference, REPORTS.c.since >= until)
    return [_unpack(row.document) for row in connection.execute(query.order_by(REPORTS.c.since))]


def leading(connection: Connection, model: Model) -> JudgedWindow | None:
    """Of the last window the report with most rows: that of the version which serves most."""
    query = select(REPORTS.c.document).where(*_of(model))
    query = query.order_by(REPORTS.c.until.desc(), REPORTS.c.rows.desc(), REPORTS.c.reference).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else _unpack(found)


def between(connection: Connection, model: Model, since: float, until: float, most: int) -> list[JudgedWindow]:
    """The last `most` reports of windows that end after `since` and begin before `until`, oldest first."""
    query = select(REPORTS.c.document).where(*_of(model), REPORTS.c.until > since, REPORTS.c.since < until)
    query = query.order_by(REPORTS.c.since.desc(), REPORTS.c.rows).limit(most)
    return [_unpack(row.document) for row in connection.execute(query)][::-1]


def newer(connection: Connection, generated: float) -> list[tuple[Model, float, JudgedWindow]]:
    """What was said since then, of all models, with when."""
    columns = (REPORTS.c.namespace, REPORTS.c.name, REPORTS.c.generated, REPORTS.c.document)
    query = select(*columns).where(REPORTS.c.generated > generated).order_by(REPORTS.c.generated)
    return [((row.namespace, row.name), row.generated, _unpack(row.document)) for row in connection.execute(query)]


def _of(model: Model) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return REPORTS.c.namespace == model[0], REPORTS.c.name == model[1]


def _unpack(document: bytes) -> JudgedWindow:
    return JudgedWindow.model_validate_json(zlib.decompress(document))


def verdicts(connection: Connection) -> dict[Model, Level]:
    """What the last window of each model says."""
    columns = (REPORTS.c.namespace, REPORTS.c.name)
    last = select(*columns, func.max(REPORTS.c.until).label("until")).group_by(*columns).subquery()
    same = and_(*(REPORTS.c[name] == last.c[name] for name in ("namespace", "name", "until")))
    query = select(*columns, REPORTS.c.verdict).select_from(REPORTS.join(last, same)).order_by(REPORTS.c.rows)
    return {(row.namespace, row.name): Level(row.verdict) for row in connection.execute(query)}
