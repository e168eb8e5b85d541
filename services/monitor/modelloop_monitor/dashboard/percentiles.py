"""Latencies from their buckets: what can be said of them without having kept any single one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from modelloop_core.wire.profiles import LATENCY_BOUNDS


def percentile(latency: Sequence[int], share: float) -> float | None:
    """The seconds within which this share was answered: linear inside a bucket, inf past the last bound, None of none.

    `latency` has a count for each bound of LATENCY_BOUNDS, and one for what took longer.
    """
    total = sum(latency)
    if not total:
        return None
    wanted, below, low = share * total, 0, 0.0
    for counted, high in zip(latency, (*LATENCY_BOUNDS, math.inf), strict=True):
        if counted and below + counted >= wanted:
            return high if math.isinf(high) else low + (high - low) * max(wanted - below, 0.0) / counted
        below, low = below + counted, high
    return math.inf
