"""By how much a window's rows are worth less than independent ones, as its prediction log shows who they are about."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from modelloop_monitor.store.schema import PREDICTIONS
from modelloop_monitor.store.windows import Group


def design_effect(connection: Connection, group: Group) -> float:
    """Kish's design effect of logged rows by entity; 1 where no row names one. A row without one stands alone."""
    logged = (
        PREDICTIONS.c.namespace == group.namespace,
        PREDICTIONS.c.name == group.name,
        PREDICTIONS.c.reference == group.reference,
        PREDICTIONS.c.at >= group.since,
        PREDICTIONS.c.at < group.until,
    )
    rows = func.count().label("rows")
    entities = select(rows).where(*logged, PREDICTIONS.c.entity.is_not(None)).group_by(PREDICTIONS.c.entity).subquery()
    squares, named = connection.execute(
        select(func.sum(entities.c.rows * entities.c.rows), func.sum(entities.c.rows))
    ).one()
    if not named:
        return 1.0
    alone = connection.execute(select(func.count()).where(*logged, PREDICTIONS.c.entity.is_(None))).scalar_one()
    return max(1.0, float(squares + alone) / float(named + alone))
