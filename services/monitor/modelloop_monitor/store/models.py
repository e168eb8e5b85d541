"""Every model that the monitor knows of, and how it is to be watched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, literal, select, tuple_, update

from modelloop_core.wire.settings import AlertSettings, ModelSettings
from modelloop_monitor.store.schema import MODELS
from modelloop_monitor.store.upsert import upsert

Model = tuple[str, str]
_KEY = (MODELS.c.namespace, MODELS.c.name)


def heard(connection: Connection, times: Mapping[Model, float]) -> None:
    """Keep when each was last heard of."""
    rows = [{"namespace": model[0], "name": model[1], "last_post": at} for model, at in times.items()]
    upsert(connection, MODELS, rows)


class Known(NamedTuple):
    """One model: when it was last heard of, and when its settings were last put."""

    model: Model
    last_post: float | None
    settings_at: float | None


def all_of(connection: Connection) -> list[Known]:
    """Every model, by namespace and name."""
    query = select(*_KEY, MODELS.c.last_post, MODELS.c.settings_at).order_by(*_KEY)
    return [Known((row.namespace, row.name), row.last_post, row.settings_at) for row in connection.execute(query)]


def find(connection: Connection, model: Model) -> Known | None:
    """What is known of one, if anything is."""
    query = select(MODELS.c.last_post, MODELS.c.settings_at).where(tuple_(*_KEY) == tuple_(*map(literal, model)))
    row = connection.execute(query).one_or_none()
    return None if row is None else Known(model, row.last_post, row.settings_at)


def window_seconds(connection: Connection, wanted: Collection[Model]) -> dict[Model, int]:
    """How long the windows of each are."""
    return {model: chosen.window_seconds for model, chosen in settings(connection, wanted).items()}


def settings(connection: Connection, wanted: Collection[Model]) -> dict[Model, ModelSettings]:
    """How each is watched: as it was set, or by default."""
    query = select(*_KEY, MODELS.c.settings).where(tuple_(*_KEY).in_(sorted(wanted)), MODELS.c.settings.is_not(None))
    found = {(row.namespace, row.name): row.settings for row in connection.execute(query)}
    default = ModelSettings()
    return {model: ModelSettings.model_validate_json(found[model]) if model in found else default for model in wanted}


def forget_alerts(connection: Connection, before: float) -> int:
    """Of models that nobody has set up or heard of since then: forget whom to tell and with which keys; how many."""
    idle = func.coalesce(MODELS.c.settings_at, 0) < before, func.coalesce(MODELS.c.last_post, 0) < before
    rows = connection.execute(select(*_KEY, MODELS.c.settings).where(*idle, MODELS.c.settings.is_not(None))).all()
    changed = 0
    for row in rows:
        settings = ModelSettings.model_validate_json(row.settings)
        quiet = settings.model_copy(update={"alerts": AlertSettings(severity=settings.alerts.severity)})
        if quiet != settings:
            same = MODELS.c.namespace == row.namespace, MODELS.c.name == row.name
            connection.execute(update(MODELS).where(*same).values(settings=quiet.model_dump_json()))
            changed += 1
    return changed


def set_up(connection: Connection, model: Model, wanted: ModelSettings, now: float) -> None:
    """Watch a model in this way from now on."""
    row = {"namespace": model[0], "name": model[1], "settings": wanted.model_dump_json(), "settings_at": now}
    upsert(connection, MODELS, [row])
