"""How live requests ended since the last post, from what the process counts about itself anyway."""

from __future__ import annotations

from collections import Counter
from typing import Any

from modelloop_core.wire.limits import LATENCY_BOUNDS
from modelloop_predictor import problems
from modelloop_predictor.metrics import Outcomes

_INVALID = frozenset(
    kind.reason for kind in vars(problems).values() if isinstance(kind, problems.Kind) and kind.status < 500
)
"""Reasons for which a request is refused for what it asks; all others are ours, or the caller left."""


class TrafficMeter:
    """Differences of counters that the event loop goes on changing: what one take misses, the next one has."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._last = _Reading(outcomes)

    def take(self) -> dict[str, Any]:
        """A TrafficDelta without `dropped_rows`."""
        last, self._last = self._last, _Reading(self._outcomes)
        now = self._last
        # Each reason as it is or gone: Counter's own difference leaves out what did not grow.
        refused = now.errors - last.errors
        faults = now.faults - last.faults
        return {
            # As plain text: the writer of JSON takes no enum for a key.
            **({"invalid_by": {str(fault): count for fault, count in faults.items()}} if faults else {}),
            "requests": now.requests - last.requests,
            "rows": now.rows - last.rows,
            "errors": {reason: count for reason, count in refused.items() if reason not in _INVALID},
            "invalid": sum(count for reason, count in refused.items() if reason in _INVALID),
            "fallbacks": now.fallbacks - last.fallbacks,
            "latency": [new - old for new, old in zip(now.latency, last.latency, strict=True)],
            "latency_sum": max(now.latency_sum - last.latency_sum, 0.0),
        }


class _Reading:
    """The counters at one moment; requests last, so that no post has more errors than requests."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.errors = Counter(dict(outcomes.errors))
        self.faults = Counter(dict(outcomes.faults))
        self.fallbacks = sum(dict(outcomes.fallbacks).values())
        self.latency = outcomes.answered.counts(LATENCY_BOUNDS)
        self.latency_sum = outcomes.answered.sum
        self.rows = outcomes.rows
        self.requests = sum(dict(outcomes.requests).values())
