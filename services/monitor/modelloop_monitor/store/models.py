"""Every model that the monitor knows of, and how it is to be watched."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select, tuple_

from modelloop_core.wire.settings import ModelSettings
from modelloop_monitor.store.schema import MODELS
from modelloop_monitor.store.upsert import upsert

Model = tuple[str, str]
_KEY = (MODELS.c.namespace, MODELS.c.name)


def heard(connection: Connection, times: Mapping[Model, float]) -> None:
    """Keep when each was last heard of."""
    rows = [{"namespace": model[0], "name": model[1], "last_post": at} for model, at in times.items()]
    upsert(connection, MODELS, rows)


def names(connection: Connection) -> list[Model]:
    """All of them."""
    query = select(MODELS.c.namespace, MODELS.c.name).order_by(MODELS.c.namespace, MODELS.c.name)
    return [(row.namespace, row.name) for row in connection.execute(query)]


def settings(connection: Connection, wanted: Collection[Model]) -> dict[Model, ModelSettings]:
    """How each is watched: as it was set, or by default."""
    query = select(*_KEY, MODELS.c.settings).where(tuple_(*_KEY).in_(sorted(wanted)), MODELS.c.settings.is_not(None))
    found = {(row.namespace, row.name): row.settings for row in connection.execute(query)}
    default = ModelSettings()
    return {model: ModelSettings.model_validate_json(found[model]) if model in found else default for model in wanted}


def set_up(connection: Connection, model: Model, wanted: ModelSettings, now: float) -> None:
    """Watch a model in this way from now on."""
    row = {"namespace": model[0], "name": model[1], "settings": wanted.model_dump_json(), "settings_at": now}
    upsert(connection, MODELS, [row])
