"""Windows whose quality is due, and what was said of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, literal, select, tuple_, update

from modelloop_monitor.store import models
from modelloop_monitor.store.outcome_schema import QUALITY, QUALITY_VERSIONS
from modelloop_monitor.store.schema import WINDOWS
from modelloop_monitor.store.upsert import insert_missing, upsert

_BATCH = 1_000
_PAUSE_SECONDS = 60.0


class QualityKey(NamedTuple):
    """One window of one version: it begins at `since` and is `seconds` long."""

    namespace: str
    name: str
    version: str
    seconds: int
    since: int

    @property
    def until(self) -> int:
        """Its end, exclusive."""
        return self.since + self.seconds

    @property
    def model(self) -> models.Model:
        """Whose it is."""
        return self.namespace, self.name


class Due(NamedTuple):
    """A window to judge; `marks` is up to where."""

    key: QualityKey
    marks: int


_KEY = tuple(QUALITY.c[name] for name in QualityKey._fields)


def mark(connection: Connection, joined: Iterable[Mapping[str, Any]]) -> None:
    """Have the windows judged (again) that hold these predictions, each with `predicted`."""
    entries = list(joined)
    widths = models.window_seconds(connection, {(entry["namespace"], entry["name"]) for entry in entries})
    # In order, so that two processes that mark the same windows wait for each other and never in a circle.
    keys = sorted({_window(entry, widths) for entry in entries})
    _begin(connection, keys)
    for start in range(0, len(keys), _BATCH):
        some = tuple_(*_KEY).in_(keys[start : start + _BATCH])
        connection.execute(update(QUALITY).where(some).values(marks=QUALITY.c.marks + 1))


def begin(connection: Connection, *, ended: float, since: float) -> int:
    """Have each counted window judged that begins after `since` and has ended by `ended`, unless it was; how many."""
    same = and_(*(QUALITY.c[name] == WINDOWS.c[name] for name in QualityKey._fields))
    query = select(*(WINDOWS.c[name] for name in QualityKey._fields)).distinct()
    query = query.select_from(WINDOWS.outerjoin(QUALITY, same)).where(QUALITY.c.since.is_(None))
    query = query.where(WINDOWS.c.since >= since, WINDOWS.c.since + WINDOWS.c.seconds <= ended).limit(_BATCH)
    keys = [QualityKey(*row) for row in connection.execute(query)]
    _begin(connection, keys, marks=1)
    return len(keys)


def due(connection: Connection, now: float, most: int) -> list[Due]:
    """Windows to judge, those first that have waited longest; one that was judged just now waits for more labels."""
    pause = case((QUALITY.c.seconds < 4 * _PAUSE_SECONDS, QUALITY.c.seconds / 4.0), else_=_PAUSE_SECONDS)
    query = select(*_KEY, QUALITY.c.marks).where(QUALITY.c.marks > QUALITY.c.judged)
    query = query.where(QUALITY.c.updated + pause <= now).order_by(QUALITY.c.updated).limit(most)
    return [Due(QualityKey(*row[:5]), row.marks) for row in connection.execute(query)]


def save(connection: Connection, judged: Due, document: str, now: float) -> None:
    """Keep what was said of a window; what was marked meanwhile stays due."""
    values = {"document": _packed(document), "judged": judged.marks, "updated": now}
    connection.execute(update(QUALITY).where(tuple_(*_KEY) == tuple_(*map(literal, judged.key))).values(values))


def postpone(connection: Connection, key: QualityKey, now: float) -> None:
    """Leave a window due, after its pause."""
    connection.execute(update(QUALITY).where(tuple_(*_KEY) == tuple_(*map(literal, key))).values(updated=now))


def latest(
    connection: Connection,
    model: models.Model,
    most: int,
    *,
    version: str | None = None,
    ended: float | None = None,
) -> list[str]:
    """The documents of a model's last windows, or of those that had ended by then; oldest first."""
    query = select(QUALITY.c.document).where(*_of(QUALITY, model), QUALITY.c.document.is_not(None))
    if version is not None:
        query = query.where(QUALITY.c.version == version)
    if ended is not None:
        query = query.where(QUALITY.c.since + QUALITY.c.seconds <= ended)
    query = query.order_by(QUALITY.c.since.desc(), QUALITY.c.version.desc()).limit(most)
    return [_plain(row.document) for row in connection.execute(query)][::-1]


def save_version(connection: Connection, model: models.Model, version: str, document: str, now: float) -> None:
    """Keep what was said of a version as a whole."""
    row = {"namespace": model[0], "name": model[1], "version": version}
    upsert(connection, QUALITY_VERSIONS, [{**row, "document": _packed(document), "updated": now}])


def versions(connection: Connection, model: models.Model) -> list[str]:
    """The documents of a model's versions."""
    table = QUALITY_VERSIONS
    query = select(table.c.document).where(*_of(table, model)).order_by(table.c.version)
    return [_plain(row.document) for row in connection.execute(query)]


def newest(connection: Connection, judged: float) -> dict[tuple[models.Model, str], str]:
    """The document of each version's last window, by model and version, of windows that were judged since then."""
    query = select(QUALITY.c.namespace, QUALITY.c.name, QUALITY.c.version, QUALITY.c.document)
    query = query.where(QUALITY.c.updated >= judged, QUALITY.c.since >= judged, QUALITY.c.document.is_not(None))
    rows = connection.execute(query.order_by(QUALITY.c.since))
    packed = {((row.namespace, row.name), row.version): row.document for row in rows}
    return {key: _plain(document) for key, document in packed.items()}


def newest_versions(connection: Connection, updated: float) -> dict[tuple[models.Model, str], str]:
    """What was said of each version as a whole since then, by model and version."""
    table = QUALITY_VERSIONS
    query = select(table.c.namespace, table.c.name, table.c.version, table.c.document)
    rows = connection.execute(query.where(table.c.updated >= updated))
    return {((row.namespace, row.name), row.version): _plain(row.document) for row in rows}


def _begin(connection: Connection, keys: Sequence[QualityKey], marks: int = 0) -> None:
    rows = [{**key._asdict(), "marks": marks, "judged": 0, "updated": 0.0} for key in keys]
    insert_missing(connection, QUALITY, rows)


def _window(entry: Mapping[str, Any], widths: Mapping[models.Model, int]) -> QualityKey:
    width = widths[(entry["namespace"], entry["name"])]
    since = int(entry["predicted"] // width) * width
    return QualityKey(entry["namespace"], entry["name"], entry["version"], width, since)


def _of(table: Any, model: models.Model) -> tuple[Any, Any]:
    return table.c.namespace == model[0], table.c.name == model[1]


def _packed(document: str) -> bytes:
    return zlib.compress(document.encode(), 6)


def _plain(document: bytes) -> str:
    return zlib.decompress(document).decode()
