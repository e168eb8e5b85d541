"""A model's minutes, added up to periods that a chart can show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.store import traffic
from modelloop_monitor.store.models import Model


@dataclass(frozen=True)
class Stretch:
    """Time from `since` in `steps` equal periods of `step` seconds."""

    since: int
    step: int
    steps: int

    @property
    def until(self) -> int:
        """Its end, exclusive."""
        return self.since + self.step * self.steps

    @classmethod
    def ending(cls, now: float, step: int, steps: int) -> Stretch:
        """The last such periods, that in which `now` lies among them."""
        return cls((int(now // step) + 1 - steps) * step, step, steps)


@dataclass(frozen=True)
class Traffic:
    """Counts by version, then by the period's number; what is missing was not told of."""

    stretch: Stretch
    versions: Mapping[str, Mapping[int, MinuteCounts]]


def read_traffic(connection: Connection, model: Model, stretch: Stretch) -> Traffic:
    """What all versions of a model did in these periods."""
    totals: dict[str, dict[int, MinuteCounts]] = defaultdict(dict)
    minutes = traffic.between(connection, *model, since=stretch.since, until=stretch.until)
    for key, counts in minutes:
        place, mine = (key.minute - stretch.since) // stretch.step, totals[key.version]
        mine[place] = mine[place] + counts if place in mine else counts
    return Traffic(stretch, dict(totals))
