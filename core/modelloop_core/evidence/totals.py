"""Metrics that are told as sums by interval: business events, and answers by their bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_intervals import wilson
from modelloop_core.evidence.blocks import Blocks
from modelloop_core.evidence.metrics import Metric, interval_of_sums
from modelloop_core.wire.events import AskedEvent
from modelloop_core.wire.evidence import Measured


@dataclass(frozen=True, eq=False)
class Totals:
    """Of a version in each of T intervals: how many requests, and the sum of what each was worth.

    `squares` is the sum of the squares of that over all of them.
    """

    of: Int64s
    total: Float64s
    squares: float


def blocks_of(ours: Totals, theirs: Totals, known: Int64s, *, higher: bool) -> Blocks:
    """A block of each interval in which both versions had requests; `known` [T] is when that was complete."""
    both = (ours.of > 0) & (theirs.of > 0)
    n, m = (side.of[both].astype(np.float64) for side in (ours, theirs))
    return Blocks(
        ours.total[both] / np.maximum(n, 1),
        theirs.total[both] / np.maximum(m, 1),
        n * m / np.maximum(n + m, 1),
        known[both],
        higher=higher,
    )


def event_metric(event: AskedEvent, ours: Totals, theirs: Totals, known: Int64s) -> Metric:
    """A business event of both versions; more of it is better."""
    candidate, stable = (_measured(side, share=event.kind == "rate") for side in (ours, theirs))
    return Metric(event.name, event.kind, blocks_of(ours, theirs, known, higher=True), candidate, stable)


def output_metric(name: str, ours: Totals, theirs: Totals, known: Int64s, *, higher: bool, share: bool) -> Metric:
    """The mean of what the answers of both versions count, or the `share` of those that count 1."""
    candidate, stable = (_measured(side, share=share) for side in (ours, theirs))
    return Metric(name, "output", blocks_of(ours, theirs, known, higher=higher), candidate, stable)


def _measured(side: Totals, *, share: bool) -> Measured:
    number, total = int(side.of.sum()), float(side.total.sum())
    return Measured(of=number, value=wilson(total, number) if share else interval_of_sums(number, total, side.squares))
