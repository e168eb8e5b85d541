"""A chart as values: what the script draws and what the table beside it says are the same numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelloop_monitor.dashboard.wording import moment, number

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """One line by its name; with `low` and `high` a band about it."""

    name: str
    values: Values
    low: Values | None = None
    high: Values | None = None


@dataclass(frozen=True)
class Chart:
    """Lines over times in seconds since 1970 UTC; None is a gap. `limits` are values to keep to, by their names.

    The axis begins at 0 unless `zoom` has it fit the values.
    """

    title: str
    unit: str
    times: tuple[float, ...]
    series: tuple[Series, ...]
    limits: tuple[tuple[str, float], ...] = ()
    zoom: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for one in self.series for value in one.values)

    @property
    def document(self) -> str:
        """What the script draws, as JSON."""
        lines = [
            {"name": one.name, "values": _drawn(one.values), "low": _drawn(one.low), "high": _drawn(one.high)}
            for one in self.series
        ]
        limits = [{"name": name, "value": value} for name, value in self.limits]
        return json.dumps(
            {"unit": self.unit, "times": self.times, "series": lines, "limits": limits, "zoom": self.zoom}
        )

    @property
    def head(self) -> tuple[str, ...]:
        """The heads of the table's columns."""
        return ("Time", *(f"{one.name} ({self.unit})" if self.unit else one.name for one in self.series))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table's rows, newest first; times without any value are left out."""
        found = [
            (moment(at), *(_told(one, place) for one in self.series))
            for place, at in enumerate(self.times)
            if any(one.values[place] is not None for one in self.series)
        ]
        return found[::-1]


def _told(series: Series, place: int) -> str:
    value = series.values[place]
    if value is None:
        return "no data"
    told = "past the last bucket" if math.isinf(value) else number(value)
    if series.low is None or series.high is None or series.low[place] is None:
        return told
    return f"{told} ({number(series.low[place])} to {number(series.high[place])})"


def _drawn(values: Sequence[float | None] | None) -> list[float | None] | None:
    # JSON has no infinity, and a line to it says nothing.
    return None if values is None else [value if value is None or math.isfinite(value) else None for value in values]
