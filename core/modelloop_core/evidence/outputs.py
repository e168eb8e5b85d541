"""Whether the answers of two versions are distributed alike, looked at whenever enough more of them have come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from modelloop_core.drift import distances
from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.evidence.series import balance

LOOK_GROWTH = 1.2
"""By what factor the effective size grows from one look to the next."""

_MOST_LOOKS = 200
_UNSEEN = 0.05
_TINY = 1e-300
_STEPS = 30


@dataclass(frozen=True)
class Shift:
    """The PSI of one output over all intervals, and in which one it was shown to be beyond the limit.

    `sizes` are how many answers of each version count. `at_least` is what the look that shows most does show,
    `at_most` what cannot be excluded yet (95 %).
    """

    psi: float | None
    sizes: tuple[int, int]
    at_least: float | None = None
    at_most: float | None = None
    failed_at: int | None = None


@dataclass(frozen=True)
class _Looks:
    """PSI, degrees of freedom, effective size and chance of each look [L], and the intervals that they follow."""

    places: Int64s
    psi: Float64s
    freedom: Float64s
    effective: Float64s
    chance: Float64s


def shift_of(
    ours: Int64s, theirs: Int64s, independent: tuple[Float64s, Float64s], *, limit: float, rate: float
) -> Shift:
    """Judge counts [T, bins] of both versions; the chance that it ever fails within `limit` is at most `rate`.

    PSI over 1/N + 1/M is chi-squared with one degree of freedom less than bins in use, non-central where the true PSI
    is not 0 (Yurdakul 2018). Look j, each at LOOK_GROWTH times the effective size of the last, gets
    rate / ((j + 1) (j + 2)). `independent` [T] are the parts of the answers that count as such; M is Kish's size of the
    live version's, which weigh as `balance` has it.
    """
    weights = balance(ours.sum(axis=1), theirs.sum(axis=1))
    both = ~np.isnan(weights)
    weights = np.where(both, weights, 0.0)
    current, reference = _cumulated(ours * both[:, None]), _cumulated(theirs * weights[:, None])
    n = np.cumsum(ours.sum(axis=1) * both * independent[0])
    worth = theirs.sum(axis=1) * independent[1]
    m = np.cumsum(worth * weights) ** 2 / np.maximum(np.cumsum(worth * weights**2), _TINY)
    counted = (round(float(n[-1])), round(float(m[-1]))) if len(n) else (0, 0)
    return (
        _judged(current, reference, _effective(n, m), counted, (limit, rate)) if min(counted) else Shift(None, counted)
    )


def _judged(
    current: Float64s, reference: Float64s, effective: Float64s, sizes: tuple[int, int], level: tuple[float, float]
) -> Shift:
    limit, rate = level
    looks = _looks(current, reference, effective, limit=limit, rate=rate)
    chance = stats.ncx2.sf(looks.psi * looks.effective, looks.freedom, limit * looks.effective)
    beyond = np.flatnonzero(chance <= looks.chance)
    psi, freedom = (float(values[0]) for values in _looked(current[-1:], reference[-1:]))
    return Shift(
        psi=psi,
        sizes=sizes,
        at_least=_most_shown(looks, int(beyond[0]) if len(beyond) else None),
        at_most=max(psi, _at_most(psi * effective[-1], freedom) / effective[-1]),
        failed_at=int(looks.places[beyond[0]]) if len(beyond) else None,
    )


def _looks(current: Float64s, reference: Float64s, effective: Float64s, *, limit: float, rate: float) -> _Looks:
    """The first look when chance alone stays below the limit, the others at each further growth."""
    first = float(stats.chi2.isf(rate / 2, max(current.shape[1] - 1, 1))) / limit
    reached = np.searchsorted(effective, first * LOOK_GROWTH ** np.arange(_MOST_LOOKS))
    places = np.unique(reached[reached < len(effective)])
    psi, freedom = _looked(current[places], reference[places])
    number = np.arange(len(places))
    return _Looks(places, psi, freedom, effective[places], rate / ((number + 1) * (number + 2)))


def _looked(current: Float64s, reference: Float64s) -> tuple[Float64s, Float64s]:
    used = np.count_nonzero(current + reference, axis=1)
    psi = distances.psi(current, reference)
    return psi, np.maximum(used - 1, 1).astype(np.float64)


def _most_shown(looks: _Looks, failed: int | None) -> float | None:
    """The largest true PSI that a look excludes from below: at the look that failed, else at the last one."""
    if not len(looks.places):
        return None
    look = failed if failed is not None else len(looks.places) - 1
    seen, freedom, chance = (float(values[look]) for values in (looks.psi, looks.freedom, looks.chance))
    seen *= float(looks.effective[look])
    if stats.chi2.sf(seen, freedom) > chance:
        return None
    shown = _last(lambda value: bool(stats.ncx2.sf(seen, freedom, value) <= chance), 2 * seen + 100)
    return shown / float(looks.effective[look])


def _at_most(seen: float, freedom: float) -> float:
    return _last(lambda value: bool(stats.ncx2.cdf(seen, freedom, value) >= _UNSEEN), 2 * seen + 10 * freedom + 100)


def _last(holds: Callable[[float], bool], high: float) -> float:
    """The largest number for which `holds`, which ends once and for all below `high`."""
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _effective(n: Float64s, m: Float64s) -> Float64s:
    return np.asarray(n * m / np.maximum(n + m, _TINY), dtype=np.float64)


def _cumulated(counts: Int64s | Float64s) -> Float64s:
    return np.cumsum(counts, axis=0, dtype=np.float64)
