"""What predictions were worth to the business: rates with Wilson's interval, sums with a bootstrap over entities."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality_intervals import CONFIDENCE, percentiles, resample, wilson
from modelloop_core.wire.reports import BusinessReport, Interval
from modelloop_core.wire.settings import BusinessKind


@dataclass(frozen=True)
class Followed:
    """What followed one request: whose it was, and the values of its events of one name."""

    request: Hashable
    entity: Hashable | None
    values: tuple[float, ...]


def business_rate(followed: Sequence[Followed], *, requests: int, confidence: float = CONFIDENCE) -> BusinessReport:
    """The share of `requests` that an event with a value other than 0 followed."""
    hits = sum(any(value != 0 for value in item.values) for item in followed)
    events = sum(len(item.values) for item in followed)
    return BusinessReport(kind="rate", requests=requests, events=events, rate=wilson(hits, requests, confidence))


def business_sum(
    followed: Sequence[Followed], *, requests: int, units: int, seed: int = 0, confidence: float = CONFIDENCE
) -> BusinessReport:
    """The sum of values, in all and for each of `requests`; `units` is how many entities (or requests) these were.

    Units that nothing followed count as 0; their number is what makes a rare large order uncertain.
    """
    by_unit: dict[Hashable, float] = {}
    for item in followed:
        unit = ("request", item.request) if item.entity is None else ("entity", item.entity)
        by_unit[unit] = by_unit.get(unit, 0.0) + sum(item.values)
    sums = np.zeros((max(units, len(by_unit)), 1))
    sums[: len(by_unit), 0] = list(by_unit.values())
    total = _totals(sums, seed, confidence)
    return BusinessReport(
        kind="sum",
        requests=requests,
        events=sum(len(item.values) for item in followed),
        mean=_divided(total, requests),
        total=total,
    )


def kind_of(followed: Sequence[Followed]) -> BusinessKind:
    """What an event is that no settings speak of: a rate when it only ever was 0 or 1."""
    return "rate" if all(value in (0.0, 1.0) for item in followed for value in item.values) else "sum"


def _totals(sums: Float64s, seed: int, confidence: float) -> Interval:
    return percentiles(_only, sums.sum(axis=0), resample(sums, seed), confidence)


def _only(column: Float64s) -> Float64s:
    return column[:, 0]


def _divided(total: Interval, requests: int) -> Interval:
    if not requests:
        return Interval(value=None, confidence=total.confidence)
    ends = {
        name: None if value is None else value / requests
        for name, value in (("value", total.value), ("low", total.low), ("high", total.high))
    }
    return Interval(**ends, confidence=total.confidence)
