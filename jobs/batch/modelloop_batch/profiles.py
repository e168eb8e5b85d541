"""What the rows of a batch held: from the workers' counters into records, and from records to a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.levels import FrequentNames
from modelloop_core.drift.profile import ColumnProfile, Profile
from modelloop_core.drift.reference import Reference
from modelloop_core.wire.batch import BatchDrift, ShardProfile
from modelloop_core.wire.limits import MOST_UNSEEN
from modelloop_core.wire.profiles import ColumnDelta
from modelloop_core.wire.settings import DriftSettings


class _Reader(Protocol):
    unseen: dict[str, FrequentNames]


class Counting(Protocol):
    """What a worker has counted."""

    @property
    def counter(self) -> ProfileCounter | None:
        """Its counts, where the version has a reference."""
        ...

    @property
    def reader(self) -> _Reader:
        """Where names of unseen levels gather."""
        ...


def of_workers(workers: Sequence[Counting], reference: str | None) -> ShardProfile | None:
    """What all of them counted since the last time, in the bins of the reference with that digest."""
    taken = [worker.counter.take() for worker in workers if worker.counter is not None]
    if reference is None or not taken:
        return None
    total = sum(taken[1:], taken[0])
    unseen = _names(worker.reader.unseen for worker in workers)
    for worker in workers:
        worker.reader.unseen = {}
    return ShardProfile(
        reference=reference,
        features={name: _delta(column, unseen.get(name, {})) for name, column in total.features.items()},
        outputs={name: _delta(column, {}) for name, column in total.outputs.items()},
    )


def judged(reference: Reference, profiles: Sequence[ShardProfile]) -> BatchDrift:
    """The whole batch against the reference, by the defaults of `spec.monitoring.drift`."""
    # Late: it loads scipy, which nothing else here needs.
    from modelloop_core.drift.verdicts import judge

    total = sum((_profile(profile) for profile in profiles), reference.empty_profile)
    names = _names({name: column.unseen for name, column in profile.features.items()} for profile in profiles)
    unseen = {name: sorted(found, key=lambda level: (-found[level], level)) for name, found in names.items()}
    verdict = judge(reference, total, DriftSettings(), unseen=unseen)
    return BatchDrift(verdict=verdict.level, message=verdict.message, columns=verdict.columns)


def _delta(profile: ColumnProfile, unseen: Mapping[str, int]) -> ColumnDelta:
    return ColumnDelta(
        counts=tuple(profile.counts.tolist()),
        sums=tuple(profile.sums.tolist()),
        null=profile.null,
        positive_infinite=profile.positive_infinite,
        negative_infinite=profile.negative_infinite,
        unseen=dict(unseen),
    )


def _profile(shard: ShardProfile) -> Profile:
    return Profile(
        {name: _column(delta) for name, delta in shard.features.items()},
        {name: _column(delta) for name, delta in shard.outputs.items()},
    )


def _column(delta: ColumnDelta) -> ColumnProfile:
    return ColumnProfile(
        counts=np.array(delta.counts, dtype=np.int64),
        sums=np.array(delta.sums, dtype=np.float64),
        null=delta.null,
        positive_infinite=delta.positive_infinite,
        negative_infinite=delta.negative_infinite,
    )


def _names(parts: Iterable[Mapping[str, FrequentNames | Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """The most frequent names of all parts by feature."""
    together: dict[str, FrequentNames] = {}
    for part in parts:
        for feature, found in part.items():
            names = together.setdefault(feature, FrequentNames(MOST_UNSEEN))
            counts = found.counts if isinstance(found, FrequentNames) else found
            for name, count in counts.items():
                if count:
                    names.add(name, count)
    return {feature: names.counts for feature, names in together.items()}
