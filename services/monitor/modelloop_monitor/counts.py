"""What a window holds: each column's profile and the names of levels that no bin has; packed small for the database."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from modelloop_core.drift.profile import ColumnProfile, Profile
from modelloop_core.drift.reference import Reference
from modelloop_core.wire.profiles import MOST_UNSEEN, ColumnDelta, ProfilePost

_MOST_COUNT = 2**60
_LARGEST = float(np.finfo(np.float64).max)
_LEVEL = 1


@dataclass(frozen=True, eq=False)
class CountedColumn:
    """One column's counts, and its most frequent unseen levels by name."""

    profile: ColumnProfile
    unseen: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, delta: ColumnDelta) -> CountedColumn:
        """What a post says of a column."""
        counts = np.array(delta.counts, dtype=np.int64)
        profile = ColumnProfile(
            counts=counts,
            sums=np.array(delta.sums, dtype=np.float64) if delta.sums else np.zeros(len(counts)),
            null=delta.null,
            positive_infinite=delta.positive_infinite,
            negative_infinite=delta.negative_infinite,
        )
        return cls(profile, delta.unseen)

    def __add__(self, other: CountedColumn) -> CountedColumn:
        """Both together; a liar's huge numbers stay numbers."""
        with np.errstate(over="ignore"):
            profile = self.profile + other.profile
        np.minimum(profile.counts, _MOST_COUNT, out=profile.counts)
        np.clip(profile.sums, -_LARGEST, _LARGEST, out=profile.sums)
        names = {name: self.unseen.get(name, 0) + other.unseen.get(name, 0) for name in {**self.unseen, **other.unseen}}
        most = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:MOST_UNSEEN]
        return CountedColumn(profile, dict(most))


@dataclass(frozen=True, eq=False)
class Counted:
    """Columns by name, features and outputs apart; a column that is missing held nothing."""

    features: Mapping[str, CountedColumn] = field(default_factory=dict)
    outputs: Mapping[str, CountedColumn] = field(default_factory=dict)

    @classmethod
    def of(cls, post: ProfilePost) -> Counted:
        """What one post counted."""
        return cls(
            {name: CountedColumn.of(delta) for name, delta in post.features.items()},
            {name: CountedColumn.of(delta) for name, delta in post.outputs.items()},
        )

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


def _added(ours: Mapping[str, CountedColumn], theirs: Mapping[str, CountedColumn]) -> dict[str, CountedColumn]:
    total = dict(ours)
    for name, column in theirs.items():
        total[name] = total[name] + column if name in total else column
    return total


def _filled(empty: Mapping[str, ColumnProfile], counted: Mapping[str, CountedColumn]) -> dict[str, ColumnProfile]:
    return {name: counted[name].profile if name in counted else nothing for name, nothing in empty.items()}
