"""What a window holds: each column's profile and the names of levels that no bin has; packed small for the database."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.profile import ColumnProfile, Profile, bounded
from modelloop_core.drift.reference import Reference
from modelloop_core.wire.profiles import MOST_UNSEEN, ColumnDelta, ProfilePost

_MOST_COUNT = 2**60
_LEVEL = 1


@dataclass(frozen=True, eq=False)
class CountedColumn:
    """One column's counts, and its most frequent unseen levels by name."""

    profile: ColumnProfile
    unseen: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: CountedColumn) -> CountedColumn:
        """Both together; a liar's huge numbers stay numbers. Raises EdgesDiffer for other bins."""
        profile = self.profile + other.profile
        return CountedColumn(replace(profile, counts=np.minimum(profile.counts, _MOST_COUNT)), self._names(other))

    def joined(self, other: CountedColumn, counts: Int64s, sums: Float64s) -> CountedColumn:
        """As `+`, where counts and sums were added up already."""
        ours, theirs = self.profile, other.profile
        profile = ColumnProfile(
            counts,
            sums,
            ours.null + theirs.null,
            ours.positive_infinite + theirs.positive_infinite,
            ours.negative_infinite + theirs.negative_infinite,
        )
        return CountedColumn(profile, self._names(other))

    def _names(self, other: CountedColumn) -> Mapping[str, int]:
        if not (self.unseen or other.unseen):
            return {}
        names = {name: self.unseen.get(name, 0) + other.unseen.get(name, 0) for name in {**self.unseen, **other.unseen}}
        return dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))[:MOST_UNSEEN])


@dataclass(frozen=True, eq=False)
class Counted:
    """Columns by name, features and outputs apart; a column that is missing held nothing."""

    features: Mapping[str, CountedColumn] = field(default_factory=dict)
    outputs: Mapping[str, CountedColumn] = field(default_factory=dict)

    @classmethod
    def of(cls, post: ProfilePost) -> Counted:
        """What one post counted."""
        return cls(_read(post.features), _read(post.outputs))

    def __add__(self, other: Counted) -> Counted:
        """Both together; they are of one reference."""
        return Counted(_added(self.features, other.features), _added(self.outputs, other.outputs))

    @property
    def rows(self) -> int:
        """How many rows there were: as the column has them that has most."""
        columns = [*self.features.values(), *self.outputs.values()]
        return min(max((column.profile.rows for column in columns), default=0), _MOST_COUNT)

    def profile(self, reference: Reference) -> Profile:
        """The counts with every column that the reference has."""
        empty = reference.empty_profile
        return Profile(_filled(empty.features, self.features), _filled(empty.outputs, self.outputs))

    def pack(self) -> bytes:
        """As bytes: a head that names the columns, then all counts and sums, deflated."""
        parts = (self.features, self.outputs)
        head = json.dumps([{name: _head(column) for name, column in part.items()} for part in parts]).encode()
        columns = [column.profile for part in parts for column in part.values()]
        counts = b"".join(column.counts.astype("<i8").tobytes() for column in columns)
        sums = b"".join(column.sums.astype("<f8").tobytes() for column in columns)
        return zlib.compress(len(head).to_bytes(4, "little") + head + counts + sums, _LEVEL)

    @classmethod
    def unpack(cls, packed: bytes) -> Counted:
        """What `pack` made."""
        plain = zlib.decompress(packed)
        body = 4 + int.from_bytes(plain[:4], "little")
        heads = json.loads(plain[4:body])
        numbers = (len(plain) - body) // 16
        counts = np.frombuffer(plain, "<i8", numbers, body)
        sums = np.frombuffer(plain, "<f8", numbers, body + 8 * numbers)
        place, parts = 0, []
        for head in heads:
            part = {}
            for name, (size, null, positive, negative, unseen) in head.items():
                inside = slice(place, place + size)
                # Copies: what lies in the packed bytes is read-only.
                profile = ColumnProfile(counts[inside].copy(), sums[inside].copy(), null, positive, negative)
                part[name] = CountedColumn(profile, unseen)
                place += size
            parts.append(part)
        return cls(*parts)


def _head(column: CountedColumn) -> list[object]:
    profile = column.profile
    return [len(profile.counts), profile.null, profile.positive_infinite, profile.negative_infinite, column.unseen]


def _read(deltas: Mapping[str, ColumnDelta]) -> dict[str, CountedColumn]:
    """Columns of a post: all numbers at once, as one array for each column takes ten times as long."""
    sizes = [len(delta.counts) for delta in deltas.values()]
    counts = np.fromiter(chain.from_iterable(delta.counts for delta in deltas.values()), np.int64, sum(sizes))
    filled = (delta.sums or (0.0,) * len(delta.counts) for delta in deltas.values())
    sums = np.fromiter(chain.from_iterable(filled), np.float64, sum(sizes))
    return {
        name: CountedColumn(
            ColumnProfile(counts[inside], sums[inside], delta.null, delta.positive_infinite, delta.negative_infinite),
            delta.unseen,
        )
        for (name, delta), inside in zip(deltas.items(), _slices(sizes), strict=True)
    }


def _added(ours: Mapping[str, CountedColumn], theirs: Mapping[str, CountedColumn]) -> dict[str, CountedColumn]:
    sizes = [len(column.profile.counts) for column in ours.values()]
    if not sizes or ours.keys() != theirs.keys():
        return _added_one_by_one(ours, theirs)
    pairs = [(column, theirs[name]) for name, column in ours.items()]
    if any(len(right.profile.counts) != size for (_, right), size in zip(pairs, sizes, strict=True)):
        return _added_one_by_one(ours, theirs)
    counts = np.concatenate([left.profile.counts for left, _ in pairs])
    counts += np.concatenate([right.profile.counts for _, right in pairs])
    np.minimum(counts, _MOST_COUNT, out=counts)
    with np.errstate(over="ignore"):
        sums = np.concatenate([left.profile.sums for left, _ in pairs])
        sums += np.concatenate([right.profile.sums for _, right in pairs])
    sums = bounded(sums)
    return {
        name: left.joined(right, counts[inside], sums[inside])
        for name, (left, right), inside in zip(ours, pairs, _slices(sizes), strict=True)
    }


def _added_one_by_one(
    ours: Mapping[str, CountedColumn], theirs: Mapping[str, CountedColumn]
) -> dict[str, CountedColumn]:
    total = dict(ours)
    for name, column in theirs.items():
        total[name] = total[name] + column if name in total else column
    return total


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _filled(empty: Mapping[str, ColumnProfile], counted: Mapping[str, CountedColumn]) -> dict[str, ColumnProfile]:
    return {name: counted[name].profile if name in counted else nothing for name, nothing in empty.items()}
