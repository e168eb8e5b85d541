"""What the monitor knows of the versions that answered last: the references that were frozen with them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from modelloop_core.drift.reference import Reference
from modelloop_monitor.checking import References
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.schema import WINDOWS

_MOST = 4


@dataclass(frozen=True)
class UsedReference:
    """A reference and the versions that were counted in its bins; when last, in seconds since 1970."""

    digest: str
    versions: tuple[str, ...]
    last: float
    reference: Reference


def read_references(connection: Connection, references: References, model: Model) -> list[UsedReference]:
    """The last references of a model, newest first."""
    last = func.max(WINDOWS.c.since + WINDOWS.c.seconds)
    query = select(WINDOWS.c.reference, WINDOWS.c.version, last.label("last"))
    query = query.where(WINDOWS.c.namespace == model[0], WINDOWS.c.name == model[1])
    rows = connection.execute(query.group_by(WINDOWS.c.reference, WINDOWS.c.version).order_by(last.desc())).all()
    found = []
    for digest in list(dict.fromkeys(row.reference for row in rows))[:_MOST]:
        reference = references.whole(digest)
        mine = [row for row in rows if row.reference == digest]
        if reference is not None:
            found.append(UsedReference(digest, tuple(row.version for row in mine), mine[0].last, reference))
    return found
