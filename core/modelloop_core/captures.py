"""Where logged predictions and features lie in a registry: `captures/KIND/dt=2026-11-27/hour=19/NAME.parquet`.

A file is written once under a name that its writer never uses for other rows; an erasure puts one with the rest of its
rows beside it, under a name that begins the same, before it goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

ROOT = "captures/"
REQUEST_ID, ROW, ENTITY, AT, VERSION = "request_id", "row", "entity", "at", "version"
"""Columns that files of either kind have."""

PREDICTION, VALUES, FEATURES = "prediction", "values", "features"
"""What was answered; the probabilities of the classes, or the several values; and the features by name."""

_KEY = re.compile(r"captures/(predictions|features)/dt=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/([^/]+)\.parquet")


class Kind(StrEnum):
    """What a file holds."""

    PREDICTIONS = "predictions"
    FEATURES = "features"


@dataclass(frozen=True)
class Captured:
    """A file's place: its kind, the hour (UTC) of all its rows, and its name without `.parquet`."""

    kind: Kind
    hour: datetime
    name: str

    @property
    def stem(self) -> str:
        """What the keys of this file, and of what is left of it, begin with."""
        return f"{ROOT}{self.kind}/dt={self.hour:%Y-%m-%d}/hour={self.hour:%H}/{self.name}"

    @property
    def key(self) -> str:
        """The object's key."""
        return f"{self.stem}.parquet"

    @property
    def until(self) -> datetime:
        """Before then all of its rows were predicted."""
        return self.hour + timedelta(hours=1)


def captured_at(key: str) -> Captured | None:
    """The file under a key; None for what is none of them."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    try:
        hour = datetime.strptime(f"{found[2]} {found[3]}", "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Captured(Kind(found[1]), hour, found[4])
