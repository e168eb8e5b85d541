"""Simulated days of a live version and a candidate beside it, as a monitor would have counted them by the minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy import stats

from modelloop_core.evidence.observed import Observed
from modelloop_core.evidence.series import Series
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.limits import LATENCY_BOUNDS

MINUTES = 1440
START = datetime(2026, 3, 2, tzinfo=UTC)
QUERY = EvidenceQuery(
    version="1.1.0",
    against="1.0.0",
    since=START,
    max_error_rate=0.01,
    max_error_increase=1.25,
    max_latency_p95_seconds=0.1,
    max_latency_increase=1.25,
    max_prediction_psi=0.2,
)
"""The limits by default, and one on latency, so that every check takes its part of the rate."""

ARRAY = np.ndarray[Any, Any]
_EDGES = np.arange(1, 10) / 10


@dataclass(frozen=True)
class Day:
    """What a day is like; the live version has what is left of the candidate's `weights`, by the length of its parts.

    Requests come at `rate` a second on average, more by day than by night where there are `tides`, and
    latencies, errors and outputs are others then, of both versions. `skew` is by how much the realised share strays
    from the weight (its logarithm's sd, half an hour each time). In `outages`, three of up to half an hour, a fifth of
    all requests fails, whoever they go to. Latencies are lognormal about 20 ms.
    """

    rate: float
    errors: float = 0.005
    weights: tuple[float, ...] = (0.05, 0.25, 0.5)
    tides: bool = True
    skew: float = 0.3
    outages: bool = False
    candidate_errors: float | None = None
    slower: float = 1.0
    shift: float = 0.0
    refused: float = 0.02

    def draw(self, rng: np.random.Generator) -> Observed:
        """One such day."""
        tide = 1 + 0.6 * np.sin(np.linspace(0, 2 * np.pi, MINUTES)) if self.tides else np.ones(MINUTES)
        asked = rng.poisson(60 * self.rate * tide)
        ours = rng.binomial(asked, self._shares(rng))
        outage = self._outage(rng)
        mood = tide - 1
        errors = self.errors if self.candidate_errors is None else self.candidate_errors
        candidate = self._series(rng, ours, errors * tide + outage, tide, self.slower, mood + self.shift)
        stable = self._series(rng, asked - ours, self.errors * tide + outage, tide, 1.0, mood)
        begin = int(START.timestamp())
        end = float(begin + 60 * MINUTES)
        return Observed(
            candidate, stable, begin + 60 * np.arange(MINUTES), 60, float(begin), end, heard=end, stable_heard=end
        )

    def _shares(self, rng: np.random.Generator) -> ARRAY:
        weights = np.repeat(self.weights, MINUTES // len(self.weights))
        strays = np.repeat(rng.normal(0, self.skew, MINUTES // 30), 30)
        return np.minimum(weights * np.exp(strays), 0.95)

    def _outage(self, rng: np.random.Generator) -> ARRAY:
        failing = np.zeros(MINUTES)
        for begin in rng.integers(0, MINUTES, 3) if self.outages else ():
            failing[begin : begin + rng.integers(5, 31)] = 0.2
        return failing

    def _series(
        self, rng: np.random.Generator, requests: ARRAY, errors: ARRAY, tide: ARRAY, slower: float, shift: ARRAY
    ) -> Series:
        refused = rng.binomial(requests, self.refused)
        failed = rng.binomial(requests - refused, errors)
        answered = requests - refused - failed
        # Slower by a tenth in the busiest hours.
        median = 0.02 * slower * (1 + 0.1 * (tide - 1) / 0.6)
        latency = rng.multinomial(
            answered, _steps(stats.norm.cdf(np.log(LATENCY_BOUNDS), np.log(median)[:, None], 0.5))
        )
        below = stats.norm.cdf(np.log(_EDGES / (1 - _EDGES)), shift[:, None] - 1.0, 1.0)
        outputs = rng.multinomial(answered, _steps(below))
        series = Series.of(requests, latency, errors=failed, refused=refused, rows=answered)
        return series.with_outputs({"prediction": outputs})


def _steps(below: ARRAY) -> ARRAY:
    """The chance of each bin from that of lying below each edge."""
    return np.diff(below, axis=1, prepend=0.0, append=1.0)
