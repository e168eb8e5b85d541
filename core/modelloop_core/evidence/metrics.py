"""A metric of two versions as it is judged and told: quality, business events and answers alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import ndtri

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality_intervals import CONFIDENCE
from modelloop_core.evidence.blocks import Blocks
from modelloop_core.wire.evidence import Comparison, Measured
from modelloop_core.wire.reports import Interval

Kind = Literal["quality", "rate", "sum", "output"]


@dataclass(frozen=True, eq=False)
class Metric:
    """What was seen of both versions; `blocks` is None where there is nothing to compare, and `note` says why."""

    name: str
    kind: Kind
    blocks: Blocks | None = None
    candidate: Measured = field(default_factory=Measured)
    stable: Measured = field(default_factory=Measured)
    note: str = ""
    higher: bool = True

    def compared(self, needed: float) -> Comparison:
        """As it is told, with an interval whose ends are each wrong with a chance of 1 / `needed` at any time."""
        low, high = self.blocks.interval_at(needed) if self.blocks is not None else (None, None)
        return Comparison(
            metric=self.name,
            kind=self.kind,
            higher=self.higher if self.blocks is None else self.blocks.higher,
            candidate=self.candidate,
            stable=self.stable,
            difference=self.blocks.difference if self.blocks is not None else None,
            low=low,
            high=high,
            confidence=1 - 2 / needed,
            note=self.note,
        )


def normal_interval(values: Float64s) -> Interval:
    """The mean of values [n] with its normal interval; null of none."""
    if not len(values):
        return Interval(value=None)
    return interval_of_sums(len(values), float(values.sum()), float(np.square(values).sum()))


def interval_of_sums(number: int, total: float, squares: float) -> Interval:
    """The same from how many there are, their sum, and that of their squares."""
    if not number:
        return Interval(value=None)
    mean = total / number
    if number < 2:
        return Interval(value=mean)
    variance = max(squares / number - mean * mean, 0.0) * number / (number - 1)
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * math.sqrt(variance / number)
    return Interval(value=mean, low=mean - half, high=mean + half)
