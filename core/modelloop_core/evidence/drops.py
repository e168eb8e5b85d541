"""The checks of what a version is worth: its quality once labels have come, and business events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.evidence import wording
from modelloop_core.evidence.asked import LARGEST, Asked
from modelloop_core.evidence.blocks import Blocks
from modelloop_core.evidence.means import last_shown
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.observed import moment
from modelloop_core.wire.events import AskedEvent
from modelloop_core.wire.evidence import Check, CheckName

_CONFIDENT = 20.0
"""The e-value that excludes with 95 %, whenever one looks."""

_Grown = Callable[[float], Float64s]


@dataclass(frozen=True)
class _Drop:
    """What was seen of a drop; ln of the e-values against "at most" a limit at any time, and "at least" one now."""

    seen: float
    beyond: _Grown
    below: _Grown
    width: float

    def numbers(self, limit: float, needed: float) -> dict[str, Any]:
        """What a check tells of it."""
        largest = float(self.beyond(limit).max(initial=0.0))
        failed = largest >= math.log(needed)
        excluded = last_shown(lambda other: self.below(-other), _CONFIDENT, -self.seen, self.width)
        return {
            "value": self.seen,
            "at_least": last_shown(self.beyond, needed, self.seen, self.width) if failed else None,
            "at_most": None if excluded is None else -excluded,
            "e_value": math.exp(min(largest, LARGEST)),
            "needed": needed,
        }


def quality_drop(asked: Asked, limit: float) -> Check:
    """By how much the quality metric is worse than the live version's, in its own units."""
    metric = asked.observed.quality or Metric(str(asked.query.quality_metric), "quality")
    missing = _too_few(asked, metric, wording.labelled(asked.query.label_delay_seconds))
    drop = None if metric.blocks is None else _worse(metric.blocks)
    return _concluded(asked, CheckName.QUALITY_DROP, metric, limit, drop, missing)


def business_drop(asked: Asked, event: AskedEvent) -> Check:
    """Which part of the live version's rate, or sum for each request, the candidate lacks."""
    metric = asked.observed.events.get(event.name, Metric(event.name, event.kind))
    missing = _too_few(asked, metric, wording.old_enough(event.delay_seconds))
    drop = None if metric.blocks is None else _lacking(metric.blocks)
    return _concluded(asked, CheckName.BUSINESS_DROP, metric, event.most_drop or 0.0, drop, missing)


def _concluded(asked: Asked, name: CheckName, metric: Metric, limit: float, drop: _Drop | None, missing: str) -> Check:
    if drop is None or metric.blocks is None:
        missing = missing or "there is nothing to compare with yet"
        return asked.concluded(name, limit, missing, within=False, subject=metric.name, hint=metric.note)
    places = np.flatnonzero(drop.beyond(limit) >= math.log(asked.needed))
    end = None
    if len(places):
        end = moment(float(metric.blocks.interval[places[0]] + 1) * asked.observed.width)
    numbers = drop.numbers(limit, asked.needed)
    return asked.concluded(
        name, limit, missing, within=drop.seen <= limit, failed_at=end, subject=metric.name, **numbers
    )


def _worse(blocks: Blocks) -> _Drop | None:
    difference = blocks.difference
    if difference is None:
        return None
    seen = -difference if blocks.higher else difference
    return _Drop(seen, blocks.worse_by, lambda limit: blocks.better_by(-limit, at_end=True), blocks.width)


def _lacking(blocks: Blocks) -> _Drop | None:
    """The part that is lacking; where the live version has nothing itself, nothing can."""
    theirs = float((blocks.theirs * blocks.weights).sum())
    if theirs <= 0:
        return None
    width = blocks.width * float(blocks.weights.sum()) / theirs
    return _Drop(1 - float((blocks.ours * blocks.weights).sum()) / theirs, blocks.less_by, blocks.kept, width)


def _too_few(asked: Asked, metric: Metric, what: str) -> str:
    """Both over the whole rollout: labels and events of a step may come when it is long over."""
    if metric.blocks is None and metric.note:
        return metric.note
    needed = asked.query.min_requests
    for version, side in ((asked.query.version, metric.candidate), (asked.query.against, metric.stable)):
        if side.of < needed:
            return wording.too_few(side.of, needed, version, what)
    return ""
