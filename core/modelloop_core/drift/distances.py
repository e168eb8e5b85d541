"""How far two distributions over the same cells lie apart: P is the current one, Q the reference's.

Each takes counts [..., cells], finite and not negative, and gives numbers [...]: finite, or NaN where a side is empty.
Cells that are empty on both sides count for nothing, so that columns of fewer cells may be filled up with zeros: numpy
is called once for all columns, which costs a tenth of calling it for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s

SMOOTHING = 0.5


def psi(current: Float64s, reference: Float64s) -> Float64s:
    """Population stability index, sum of (P-Q) ln(P/Q) in nats, by the zero rule; symmetric."""
    p, q, logarithm = _smoothed(current, reference)
    return _sum((p - q) * logarithm)


def kl(current: Float64s, reference: Float64s) -> Float64s:
    """Kullback-Leibler divergence of the current from the reference, sum of P ln(P/Q) in nats, by the zero rule."""
    p, _, logarithm = _smoothed(current, reference)
    # Rounding may leave equal distributions a hair below zero.
    return np.maximum(_sum(p * logarithm), 0.0)


def js_distance(current: Float64s, reference: Float64s) -> Float64s:
    """Jensen-Shannon distance: the square root of the divergence to base 2, in [0, 1], unsmoothed."""
    p, q = _shares(current), _shares(reference)
    mean = (p + q) / 2
    divergence = (_relative_entropy(p, mean) + _relative_entropy(q, mean)) / 2
    return np.sqrt(np.clip(divergence, 0.0, 1.0))


def hellinger(current: Float64s, reference: Float64s) -> Float64s:
    """Hellinger distance, sqrt(1/2 sum (sqrt P - sqrt Q)^2), in [0, 1], unsmoothed."""
    return np.sqrt(_sum((np.sqrt(_shares(current)) - np.sqrt(_shares(reference))) ** 2) / 2)


def l_infinity(current: Float64s, reference: Float64s) -> tuple[Float64s, Int64s]:
    """The largest difference of a share, and the cell that has it (the first of several)."""
    gaps = np.abs(_shares(current) - _shares(reference))
    return gaps.max(axis=-1), gaps.argmax(axis=-1)


def _shares(counts: Float64s) -> Float64s:
    with np.errstate(invalid="ignore"):
        shares: Float64s = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _smoothed(current: Float64s, reference: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """P, Q and ln(P/Q) by the zero rule: half a row more on both sides, but not in cells that are empty on both."""
    used = (current > 0) | (reference > 0)
    # An empty side stays empty, and so has no share.
    halves = [np.where(used & side.any(axis=-1, keepdims=True), side + SMOOTHING, 0.0) for side in (current, reference)]
    p, q = (_shares(side) for side in halves)
    return p, q, np.log(np.where(used, p, 1.0) / np.where(used, q, 1.0))


def _relative_entropy(p: Float64s, mean: Float64s) -> Float64s:
    present = p > 0
    return _sum(p * np.log2(np.where(present, p, 1.0) / np.where(present, mean, 1.0)))


def _sum(terms: Any) -> Float64s:
    total: Float64s = terms.sum(axis=-1)
    return total
