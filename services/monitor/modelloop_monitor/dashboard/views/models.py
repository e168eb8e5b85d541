"""The list of models, as it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_core.wire.reports import Level
from modelloop_monitor.dashboard.queries.listing import PAGE, Listed, Listing

TRAFFIC_SECONDS = 300
SILENT_SECONDS = 600


@dataclass(frozen=True)
class VersionShare:
    """A version that answers, and its share of the requests."""

    version: str
    share: float


@dataclass(frozen=True)
class ModelRow:
    """One model; `level` and `judged_until` are of the last window that was judged."""

    namespace: str
    name: str
    versions: tuple[VersionShare, ...]
    requests_per_second: float | None
    level: Level
    judged_until: float | None
    incident_since: float | None
    last_post: float | None
    is_silent: bool


@dataclass(frozen=True)
class ModelsView:
    """A page of rows; `page` counts from 1."""

    rows: tuple[ModelRow, ...]
    total: int
    alarmed: int
    page: int
    pages: int


def models_view(listing: Listing, page: int, now: float) -> ModelsView:
    """What the list shows of page number `page`, from 0."""
    return ModelsView(
        rows=tuple(_row(listed, now) for listed in listing.models),
        total=listing.total,
        alarmed=listing.alarmed,
        page=page + 1,
        pages=max(math.ceil(listing.total / PAGE), 1),
    )


def _row(listed: Listed, now: float) -> ModelRow:
    requests = sum(counts.requests for counts in listed.traffic.values())
    silent = listed.last_post is None or listed.last_post < now - SILENT_SECONDS
    return ModelRow(
        namespace=listed.model[0],
        name=listed.model[1],
        versions=shares(listed.traffic),
        # Whoever is not heard of has no known traffic; that is not the same as none.
        requests_per_second=None if silent and not requests else requests / TRAFFIC_SECONDS,
        level=Level.NO_DATA if listed.judged is None else Level(listed.judged.verdict),
        judged_until=None if listed.judged is None else listed.judged.until,
        incident_since=None if listed.incident is None else listed.incident.opened,
        last_post=listed.last_post,
        is_silent=silent,
    )


def shares(traffic: Mapping[str, MinuteCounts]) -> tuple[VersionShare, ...]:
    """Versions with requests, that with the most first."""
    total = sum(counts.requests for counts in traffic.values())
    found = [VersionShare(version, counts.requests / total) for version, counts in traffic.items() if counts.requests]
    return tuple(sorted(found, key=lambda one: (-one.share, one.version)))
