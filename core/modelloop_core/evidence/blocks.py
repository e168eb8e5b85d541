"""Deals what came of both versions into blocks that each have some of both, from the same hours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.evidence import means


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Items [n] of one group: in which interval each came, in order, and of which hour it speaks."""

    interval: Int64s
    hour: Int64s


@dataclass(frozen=True, eq=False)
class Dealt:
    """Into which block each item of each group went (-1: none yet), and the interval that made each block [B]."""

    block: tuple[Int64s, ...]
    interval: Int64s


@dataclass(frozen=True, eq=False)
class Blocks:
    """Means of the candidate and of the live version in each block [B], and the interval that completed it.

    `weights` are how much a block tells: of n and m values n m / (n + m). All values lie in [0, `bound`] where that is
    known. `higher` says whether more is better.
    """

    ours: Float64s
    theirs: Float64s
    weights: Float64s
    interval: Int64s
    higher: bool
    bound: float | None = None

    def worse_by(self, limit: float, *, at_end: bool = False) -> Float64s:
        """ln of the e-value against "the candidate is at most `limit` worse" after each block, or the last alone."""
        return self._beyond(self._worse - limit, limit, at_end=at_end)

    def better_by(self, limit: float, *, at_end: bool = False) -> Float64s:
        """ln of the e-value against "the candidate is at most `limit` better" after each block, or the last alone."""
        return self._beyond(-self._worse - limit, limit, at_end=at_end)

    def less_by(self, part: float) -> Float64s:
        """ln of the e-value against "the candidate lacks at most this `part` of what the live version has"."""
        return self._of((1 - part) * self.theirs - self.ours, max(abs(1 - part), 1.0), at_end=False)

    def kept(self, part: float) -> Float64s:
        """ln of the e-value against "the candidate lacks at least this `part`" after the last block."""
        return self._of(self.ours - (1 - part) * self.theirs, max(abs(1 - part), 1.0), at_end=True)

    @property
    def difference(self) -> float | None:
        """The candidate's mean less the live version's, in the same blocks; None of no block."""
        total = float(self.weights.sum())
        return float(((self.ours - self.theirs) * self.weights).sum()) / total if total else None

    def interval_at(self, needed: float) -> tuple[float | None, float | None]:
        """Ends of the interval for that difference, each of which is wrong with a chance of 1 / `needed` at any time.

        Those limits at which the test does not decide by what is known now: an interval of all times together would be
        narrower, and empty whenever chance once spoke for one version and later for the other.
        """
        at = self.difference
        if at is None:
            return None, None
        better = means.last_shown(
            lambda limit: self.better_by(limit, at_end=True), needed, at if self.higher else -at, self.width
        )
        worse = means.last_shown(
            lambda limit: self.worse_by(limit, at_end=True), needed, -at if self.higher else at, self.width
        )
        low, high = (better, worse) if self.higher else (worse, better)
        return low, None if high is None else -high

    @property
    def width(self) -> float:
        """About how far an interval for the difference reaches to each side."""
        squares = float(np.mean((self.ours - self.theirs) ** 2 * self.weights)) if len(self.ours) else 0.0
        # Never 0: where nothing differed, the bound alone says how far it may be.
        return max(6 * math.sqrt(squares / max(float(self.weights.sum()), 1e-300)), 1e-3 * (self.bound or 1e-6))

    @property
    def _worse(self) -> Float64s:
        return self.theirs - self.ours if self.higher else self.ours - self.theirs

    def _beyond(self, differences: Float64s, limit: float, *, at_end: bool) -> Float64s:
        return self._of(differences, 1.0 + max(limit, 0.0) / (self.bound or 1.0), at_end=at_end)

    def _of(self, differences: Float64s, lowest: float, *, at_end: bool) -> Float64s:
        """None of `differences` is below -`lowest` times the bound."""
        if self.bound is None:
            return means.of_any(differences, self.weights, at_end=at_end)
        return means.of_bounded(differences, lowest * self.bound, at_end=at_end)


def deal(groups: Sequence[Arrivals]) -> Dealt:
    """Make blocks of the items of each hour, as they come: each with at least one item of every group.

    What is dealt stays so whatever comes later, and no value decides where it goes: only so may what a block shows be
    looked at when it is there. Items of the fewest are one to a block, the others spread evenly.
    """
    block = tuple(np.full(len(group.interval), -1, dtype=np.int64) for group in groups)
    made: list[int] = []
    waiting: dict[int, list[list[Int64s]]] = {}
    for (interval, hour), cell in sorted(_cells(groups).items()):
        parts = waiting.setdefault(hour, [[] for _ in groups])
        for part, places in zip(parts, cell, strict=True):
            part += places
        if all(parts):
            _put([np.concatenate(part) for part in parts], block, made, interval)
            del waiting[hour]
    return Dealt(block, np.array(made, dtype=np.int64))


def means_of(values: Float64s, block: Int64s, number: int) -> tuple[Float64s, Float64s]:
    """The mean of what went into each of so many blocks, and how many went."""
    dealt = block >= 0
    count = np.bincount(block[dealt], minlength=number).astype(np.float64)
    total = np.bincount(block[dealt], weights=values[dealt], minlength=number)
    return total / np.maximum(count, 1), count


def _put(parts: Sequence[Int64s], block: tuple[Int64s, ...], made: list[int], interval: int) -> None:
    number, first = min(len(places) for places in parts), len(made)
    for group, places in zip(block, parts, strict=True):
        group[places] = first + np.arange(len(places)) * number // len(places)
    made.extend([interval] * number)


def _cells(groups: Sequence[Arrivals]) -> dict[tuple[int, int], list[list[Int64s]]]:
    """By interval and hour the places of each group's items."""
    cells: dict[tuple[int, int], list[list[Int64s]]] = {}
    for number, group in enumerate(groups):
        order = np.lexsort((group.hour, group.interval))
        ends = np.flatnonzero(np.diff(group.interval[order]) | np.diff(group.hour[order])) + 1
        for places in np.split(order, ends) if len(order) else ():
            key = int(group.interval[places[0]]), int(group.hour[places[0]])
            cells.setdefault(key, [[] for _ in groups])[number].append(places)
    return cells
