"""What can be wrong with the database; nothing was stored when one of these is raised.

StoreError
├── StoreBusy   locked by another, or lost a race: try again
├── StoreFull   no room; passes when room is made
├── StoreUnfit  a value that no column takes: trying again does not help
└── StoreGone   not reachable, replaced or broken
"""

from __future__ import annotations

from sqlalchemy import exc


class StoreError(Exception):
    """The database did not do what was asked."""


class StoreBusy(StoreError):
    """Locked by another transaction for too long, or lost a race with one."""


class StoreFull(StoreError):
    """There is no room for more."""


class StoreUnfit(StoreError):
    """A value was given that no column takes, as a number that is too large."""


class StoreGone(StoreError):
    """The database is not reachable, or not the one that was opened."""


_DISK_FULL, _RACES = "53100", {"40001", "40P01", "55P03", "57014"}


def translated(error: exc.SQLAlchemyError) -> StoreError:
    """The driver's error as one of ours."""
    words = str(getattr(error, "orig", None) or error).strip().replace("\n", "; ")
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, exc.IntegrityError) or state in _RACES or "database is locked" in words:
        return StoreBusy(f"the database is busy: {words}")
    if state == _DISK_FULL or "is full" in words:
        return StoreFull(f"the database has no room: {words}")
    if isinstance(error, exc.DataError):
        return StoreUnfit(f"the database cannot hold a value: {words}")
    return StoreGone(f"the database does not answer as it should: {words}")
