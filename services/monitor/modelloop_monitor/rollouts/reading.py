"""Two versions' counted intervals as arrays, both in the same intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from modelloop_core.drift.bins import Bins, Int64s
from modelloop_core.evidence.observed import Observed
from modelloop_core.evidence.series import BUCKETS, Series
from modelloop_core.evidence.wording import NO_REFERENCE
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.minutes import CLIENT_GONE, DEADLINE_EXCEEDED, MinuteCounts
from modelloop_monitor.checking import References
from modelloop_monitor.rollouts.experiments import tried_metric
from modelloop_monitor.rollouts.tallies import Tallies
from modelloop_monitor.rollouts.worth import events_of, quality_of, span_of
from modelloop_monitor.store import traffic, windows
from modelloop_monitor.store.models import Model

MOST_INTERVALS = 20_160
"""The last two weeks of minutes: what a rollout had before that is not judged any more."""


@dataclass(frozen=True)
class Interval:
    """What one version was counted in the interval that begins at `at`."""

    at: int
    counts: MinuteCounts


@dataclass(frozen=True)
class Outputs:
    """The bins of outputs that both versions count alike, and why there are none.

    `unreferenced` names a version that will never have any.
    """

    bins: Mapping[str, Bins] = field(default_factory=dict)
    note: str = ""
    unreferenced: str = ""


def read_observed(
    connection: Connection,
    references: References,
    tallies: Tallies,
    model: Model,
    query: EvidenceQuery,
    *,
    width: int,
    until: float,
) -> Observed:
    """Both versions since the rollout began, in whole intervals of `width` seconds that ended by `until`."""
    since = max(query.since.timestamp(), until - MOST_INTERVALS * width)
    first, end = math.ceil(since / width) * width, math.floor(until / width) * width
    found = {version: _intervals(connection, model, version, first, end) for version in (query.version, query.against)}
    starts = np.array(sorted({one.at for intervals in found.values() for one in intervals}), dtype=np.int64)
    # Fallbacks have latencies, too, and no output.
    answered = {
        name: any(sum(one.counts.latency) > one.counts.fallbacks for one in some) for name, some in found.items()
    }
    # Answers to copies are compared one by one.
    outputs = Outputs() if query.mirrored else comparable(connection, references, model, answered)
    ours, theirs = found[query.version], found[query.against]
    ours = copied(ours) if query.mirrored else ours
    step = query.step_since or query.since
    span = span_of(model, query, since=since, until=until, width=width)
    named = query.quality_metric
    quality = None if named is None else quality_of(connection, references, span, named)
    events = events_of(connection, tallies, span, query.asked_events)
    counted = [{one.at // width: one.counts for one in found[version]} for version in span.versions]
    return Observed(
        candidate=series(ours, starts, outputs.bins, against=query.against),
        stable=series(theirs, starts, outputs.bins),
        starts=starts,
        width=width,
        since=since,
        until=max(float(end), since),
        step=int(np.searchsorted(starts, math.ceil(step.timestamp() / width) * width)),
        heard=_heard(found[query.version], width),
        stable_heard=_heard(found[query.against], width),
        outputs_note=outputs.note,
        unreferenced=outputs.unreferenced,
        quality=quality,
        events=events,
        tried=tried_metric(connection, references, span, query, quality=quality, events=events, counted=counted),
    )


def comparable(connection: Connection, references: References, model: Model, answered: Mapping[str, bool]) -> Outputs:
    """The outputs that both versions count in the same bins, by the references of their last windows.

    A version that has `answered` and named no reference has none.
    """
    columns, versions = [], list(answered)
    for version in versions:
        digest = windows.last_reference(connection, model, version)
        if digest is None and answered[version]:
            return Outputs(note=NO_REFERENCE.format(version=version), unreferenced=version)
        reference = None if digest is None else references.whole(digest)
        if reference is None:
            return Outputs(note=f"{version} has told no answers in the bins of a reference yet")
        columns.append({name: column.bins for name, column in reference.outputs.items()})
    ours, theirs = columns
    shared = {name: bins for name, bins in ours.items() if theirs.get(name) == bins}
    return Outputs(shared, "" if shared else f"{versions[0]} and {versions[1]} count their answers in different bins")


def copied(intervals: Sequence[Interval]) -> list[Interval]:
    """What was counted of copies of requests alone."""
    return [Interval(one.at, one.counts.mirrored or MinuteCounts()) for one in intervals]


def series(intervals: Sequence[Interval], starts: Int64s, bins: Mapping[str, Bins], against: str = "") -> Series:
    """The counts of one version at `starts`, outputs by coarse bin; where it has no interval, zeros.

    Answers that were compared are those compared with the version `against`.
    """
    places = np.searchsorted(starts, [one.at for one in intervals])
    counts = [one.counts for one in intervals]
    gone = [one.errors.get(CLIENT_GONE, 0) for one in counts]
    plain = {
        "rows": [one.rows for one in counts],
        "errors": [sum(one.errors.values()) - left for one, left in zip(counts, gone, strict=True)],
        "timeouts": [one.errors.get(DEADLINE_EXCEEDED, 0) for one in counts],
        "gone": gone,
        "fallbacks": [one.fallbacks for one in counts],
        "refused": [one.invalid for one in counts],
        "compared": [one.compared.get(against, 0) for one in counts],
        "differing": [one.differing.get(against, 0) for one in counts],
    }
    size = len(starts)
    found = Series.of(
        _placed([one.requests for one in counts], places, size),
        _placed([one.latency for one in counts], places, size, BUCKETS),
        **{name: _placed(values, places, size) for name, values in plain.items()},
    )
    return found.with_outputs({name: _coarse(name, one, counts, places, size) for name, one in bins.items()})


def _intervals(connection: Connection, model: Model, version: str, first: int, end: int) -> list[Interval]:
    rows = traffic.between(connection, *model, since=first, until=end, version=version)
    return [Interval(key.minute, counts) for key, counts in rows]


def _coarse(name: str, bins: Bins, counts: Sequence[MinuteCounts], places: Int64s, size: int) -> Int64s:
    """An output's counts [T, coarse bins]; those of other bins, from before the reference changed, are left out."""
    nothing = (0,) * bins.size
    fine = [one.outputs.get(name, nothing) for one in counts]
    whole = _placed([one if len(one) == bins.size else nothing for one in fine], places, size, bins.size)
    into = np.zeros((bins.size, max(bins.coarse) + 1), dtype=np.int64)
    into[np.arange(bins.size), bins.coarse] = 1
    return np.asarray(whole @ into, dtype=np.int64)


def _placed(values: Sequence[object], places: Int64s, size: int, *bins: int) -> Int64s:
    total = np.zeros((size, *bins), dtype=np.int64)
    if values:
        total[places] = np.array(values, dtype=np.int64)
    return total


def _heard(intervals: Sequence[Interval], width: int) -> float | None:
    return float(intervals[-1].at + width) if intervals else None
