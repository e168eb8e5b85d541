"""What a version was asked in a window: what was missing, unknown, refused or came twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from modelloop_core.drift.bins import LevelBins
from modelloop_core.drift.quality_intervals import wilson
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.wire.minutes import MinuteCounts
from modelloop_core.wire.reports import DataQuality, Interval, Window
from modelloop_monitor.counts import Counted, CountedColumn
from modelloop_monitor.quality.times import moment
from modelloop_monitor.store.quality import QualityKey
from modelloop_monitor.store.quality_rows import WindowCounts

_MOST_NAMES = 10


def data_quality(
    key: QualityKey,
    counted: Counted,
    columns: Mapping[str, ColumnReference],
    minutes: Iterable[MinuteCounts],
    logged: WindowCounts,
) -> DataQuality:
    """Shares of one window, each with Wilson's interval; features without any nulls or unseen levels are left out."""
    requests, invalid, invalid_by = _requests(minutes)
    unseen = {name: _unseen(column, columns.get(name)) for name, column in counted.features.items()}
    return DataQuality(
        version=key.version,
        window=Window(since=moment(key.since), until=moment(key.until)),
        rows=counted.rows,
        requests=requests,
        invalid=wilson(invalid, requests),
        invalid_by={kind: wilson(count, requests) for kind, count in sorted(invalid_by.items())},
        duplicates=wilson(logged.again, logged.predictions + logged.again),
        nulls={
            name: wilson(column.profile.null, column.profile.rows)
            for name, column in counted.features.items()
            if column.profile.null
        },
        unseen={name: share for name, share in unseen.items() if share is not None},
        unseen_levels={
            name: tuple(column.unseen)[:_MOST_NAMES]
            for name, column in counted.features.items()
            if column.unseen and unseen[name] is not None
        },
    )


def _requests(minutes: Iterable[MinuteCounts]) -> tuple[int, int, Mapping[str, int]]:
    """All live requests, those refused included, those that were refused for what they asked, and these by kind."""
    asked = refused = 0
    kinds: Counter[str] = Counter()
    for minute in minutes:
        asked += minute.requests
        refused += minute.invalid
        kinds.update(minute.invalid_by)
    return asked, min(refused, asked), {kind: min(count, asked) for kind, count in kinds.items() if count}


def _unseen(column: CountedColumn, reference: ColumnReference | None) -> Interval | None:
    if reference is None or not isinstance(reference.bins, LevelBins) or not column.profile.counts[-1]:
        return None
    return wilson(int(column.profile.counts[-1]), column.profile.rows)
