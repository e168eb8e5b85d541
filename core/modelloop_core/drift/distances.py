"""How far two distributions over the same cells lie apart: P is the current one, Q the reference's.

Each takes counts [cells], finite and not negative, and gives a finite number; None where either side is empty.
"""

from __future__ import annotations

import numpy as np

from modelloop_core.drift.bins import Float64s

SMOOTHING = 0.5


def psi(current: Float64s, reference: Float64s) -> float | None:
    """Population stability index, sum of (P-Q) ln(P/Q) in nats, by the zero rule; symmetric."""
    p, q = _smoothed(current, reference)
    return None if p is None or q is None else float(((p - q) * np.log(p / q)).sum())


def kl(current: Float64s, reference: Float64s) -> float | None:
    """Kullback-Leibler divergence of the current from the reference, sum of P ln(P/Q) in nats, by the zero rule."""
    p, q = _smoothed(current, reference)
    # Rounding may leave equal distributions a hair below zero.
    return None if p is None or q is None else max(0.0, float((p * np.log(p / q)).sum()))


def js_distance(current: Float64s, reference: Float64s) -> float | None:
    """Jensen-Shannon distance: the square root of the divergence to base 2, in [0, 1], unsmoothed."""
    p, q = _shares(current, reference)
    if p is None or q is None:
        return None
    divergence = (_terms(p, (p + q) / 2) + _terms(q, (p + q) / 2)) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def hellinger(current: Float64s, reference: Float64s) -> float | None:
    """Hellinger distance, sqrt(1/2 sum (sqrt P - sqrt Q)^2), in [0, 1], unsmoothed."""
    p, q = _shares(current, reference)
    return None if p is None or q is None else float(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))


def l_infinity(current: Float64s, reference: Float64s) -> tuple[float, int] | None:
    """The largest difference of a share, and the cell that has it (the first of several)."""
    p, q = _shares(current, reference)
    if p is None or q is None:
        return None
    place = int(np.abs(p - q).argmax())
    return float(abs(p[place] - q[place])), place


def _shares(current: Float64s, reference: Float64s) -> tuple[Float64s, Float64s] | tuple[None, None]:
    n, m = current.sum(), reference.sum()
    return (current / n, reference / m) if n and m else (None, None)


def _smoothed(current: Float64s, reference: Float64s) -> tuple[Float64s, Float64s] | tuple[None, None]:
    """The zero rule: cells empty on both sides do not count, all others get half a row on both sides."""
    if not current.any() or not reference.any():
        return None, None
    used = (current > 0) | (reference > 0)
    return _shares(current[used] + SMOOTHING, reference[used] + SMOOTHING)


def _terms(p: Float64s, mean: Float64s) -> float:
    used = p > 0
    return float((p[used] * np.log2(p[used] / mean[used])).sum())
