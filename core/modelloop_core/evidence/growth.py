"""Evidence that grows: e-values that may be looked at after every interval, and stop a rollout at any of them.

An e-value is what a bet against "within the limit" has won: under it, whatever the rates do from interval to interval,
the chance that it ever reaches 1/a is at most a (Ville 1939). Each bet is on one rate (or ratio of rates) beyond the
limit; the stake is spread over BETS of them (Robbins' mixture; Howard et al. 2021), and what each wins multiplies over
intervals and steps. All bets are on the requests that each version really got in an interval, never on the weight
(Lindon and Malek 2022): a share that is not the weight, or changes, favours nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from modelloop_core.drift.bins import Float64s

BETS: Float64s = np.geomspace(1.15, 200.0, 16)
"""By what factor odds, or ratios, of the bets lie beyond the limit."""

CONFIDENCE = 0.95
_STEPS = 20


def against_rate(hits: Float64s, of: Float64s, limit: float) -> Float64s:
    """ln of the e-value against "the rate is at most `limit`" after each interval, from hits among requests [T].

    The likelihood ratio of Bernoulli trials. It is an e-value for trials of differing rates, too: its mean is at most 1
    if each one's expected rate, given what came before, is at most the limit.
    """
    odds = limit / (1 - limit) * BETS
    rate = odds / (1 + odds)
    won = np.outer(np.cumsum(hits), np.log(rate / limit))
    won += np.outer(np.cumsum(of - hits), np.log((1 - rate) / (1 - limit)))
    return _mixed(won)


def against_ratio(hits: Float64s, of: Float64s, their_hits: Float64s, their_of: Float64s, limit: float) -> Float64s:
    """ln of the e-value against "our rate is at most `limit` times theirs, in each interval", after each interval [T].

    Given K hits in an interval, ours are a share q = limit n / (limit n + m) of them at the limit, n and m requests
    each. The bet is the likelihood ratio of Bernoulli(q') against it for each hit. Its mean is at most 1 for any n and
    m, also when hits come in bursts, as long as which version a request goes to is drawn by itself: of binomial counts
    E[A^k B^l] <= exp(n p (A - 1) + m p' (B - 1)), which is 1 at the limit. `their_hits` may be sums of parts of hits.
    """
    won = np.cumsum(_won(hits, of, their_hits, their_of, limit), axis=0)
    return _mixed(won)


def rate_at_least(hits: float, of: float, needed: float) -> float | None:
    """The largest rate against which the e-value of these totals reaches `needed`, or None where that shows nothing."""

    def shown(limit: float) -> bool:
        return bool(against_rate(np.array([hits]), np.array([of]), limit)[0] >= math.log(needed))

    if not hits:
        return None
    return _last(shown, 1e-9, hits / of if hits < of else 1 - 1e-9)


def ratio_at_least(
    hits: Float64s, of: Float64s, their_hits: Float64s, their_of: Float64s, *, needed: float
) -> float | None:
    """The largest ratio against which the e-value after the last interval reaches `needed`, or None."""
    some = hits + their_hits > 0
    together, of, their_of = (hits + their_hits)[some], of[some], their_of[some]
    ours = float(hits.sum())

    def shown(limit: float) -> bool:
        won = ours * np.log(BETS) + together @ _spread(of, their_of, limit)
        return bool(_mixed(won[None, :])[0] >= math.log(needed))

    return _last(shown, 1e-3, 1e6) if ours else None


def rate_at_most(hits: float, of: float) -> float | None:
    """The one-sided 95 % upper bound of a rate (Clopper and Pearson 1934), or None of no requests."""
    if not of:
        return None
    return 1.0 if hits >= of else float(special.betaincinv(hits + 1, of - hits, CONFIDENCE))


def ratio_at_most(hits: Float64s, of: Float64s, their_hits: Float64s, their_of: Float64s) -> float | None:
    """The one-sided 95 % upper bound of the ratio of our rate to theirs, given all hits; None where it has none."""
    together = hits + their_hits
    ours, total = float(hits.sum()), float(together.sum())
    if not their_hits.sum() or not of.sum():
        return None

    def possible(limit: float) -> bool:
        # At most `ours` of all hits; of counts with differing shares the binomial of their mean is the wider one.
        share = float((together * shares(of, their_of, limit)).sum()) / total
        return bool(special.betainc(total - ours, ours + 1, 1 - share) >= 1 - CONFIDENCE)

    return _last(possible, 1e-6, 1e9)


def shares(of: Float64s, their_of: Float64s, limit: float) -> Float64s:
    """Which share of the hits of each interval [T] is ours when our rate is `limit` times theirs."""
    weighted = limit * of
    return weighted / np.maximum(weighted + their_of, 1e-300)


def ratio(hits: Float64s, of: Float64s, their_hits: Float64s, their_of: Float64s) -> float | None:
    """The ratio of our rate to theirs over all intervals (Mantel and Haenszel 1959), or None where theirs is 0.

    Totals would compare our busy hours with their quiet ones when the share has changed.
    """
    both = np.maximum(of + their_of, 1)
    theirs = float((their_hits * of / both).sum())
    return float((hits * their_of / both).sum()) / theirs if theirs else None


def _won(hits: Float64s, of: Float64s, their_hits: Float64s, their_of: Float64s, limit: float) -> Float64s:
    """ln of what each bet [bets] wins in each interval [T, bets]."""
    return np.outer(hits, np.log(BETS)) + (hits + their_hits)[:, None] * _spread(of, their_of, limit)


def _spread(of: Float64s, their_of: Float64s, limit: float) -> Float64s:
    """ln of the factor [T, bets] by which each hit, whosever, lessens what a bet has won."""
    at_limit = limit * of + their_of
    at_bet = np.outer(of, limit * BETS) + their_of[:, None]
    # Where neither was asked anything there is nothing to win.
    return np.log(np.where(at_limit > 0, at_limit, 1.0))[:, None] - np.log(np.where(at_bet > 0, at_bet, 1.0))


def _mixed(won: Float64s) -> Float64s:
    return np.asarray(special.logsumexp(won, axis=1) - math.log(len(BETS)), dtype=np.float64)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """The largest number, to a part in 10,000, for which `holds`, which ends once and for all."""
    if not holds(low):
        return None
    if holds(high):
        return high
    low, high = math.log(low), math.log(high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(math.exp(middle)) else (low, middle)
    return math.exp(low)
