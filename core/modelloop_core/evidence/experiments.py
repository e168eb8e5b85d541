"""An A/B test: which of two versions does better by one metric, looked at as often as one likes."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.evidence import wording
from modelloop_core.evidence.asked import LARGEST
from modelloop_core.evidence.blocks import Blocks
from modelloop_core.evidence.observed import Observed, moment
from modelloop_core.wire.evidence import EvidenceQuery, Experiment


def experiment_of(query: EvidenceQuery, observed: Observed) -> Experiment | None:
    """How the test stands; None where none was asked for.

    Two one-sided tests against "no better" and "no worse", each at half of the rate.
    """
    metric = observed.tried
    if query.ab_metric is None or metric is None:
        return None
    needed = 2 / query.ab_false_positive_rate
    told = metric.compared(needed).model_dump()
    if metric.blocks is None:
        return Experiment(**told, needed=needed, message=metric.note or "there is nothing to compare yet")
    better, worse = metric.blocks.better_by(0.0), metric.blocks.worse_by(0.0)
    place, winner = _decided(better, worse, needed)
    found = Experiment(
        **told,
        needed=needed,
        e_better=_largest(better),
        e_worse=_largest(worse),
        winner=None if place is None else ("candidate" if winner else "stable"),
        decided_at=None if place is None else _end(metric.blocks, place, observed.width),
        message="",
    )
    return found.model_copy(update={"message": wording.experiment(found, query)})


def _decided(better: Float64s, worse: Float64s, needed: float) -> tuple[int | None, bool]:
    """The first block after which one of both is shown, and whether that is the better one."""
    ends = [_first(grown, needed) for grown in (better, worse)]
    known = [end for end in ends if end is not None]
    return (min(known), ends[0] == min(known)) if known else (None, False)


def _first(grown: Float64s, needed: float) -> int | None:
    places = np.flatnonzero(grown >= math.log(needed))
    return int(places[0]) if len(places) else None


def _largest(grown: Float64s) -> float:
    return math.exp(min(float(grown.max(initial=0.0)), LARGEST))


def _end(blocks: Blocks, place: int, width: int) -> datetime:
    return moment(float(blocks.interval[place] + 1) * width)
