"""How large a distance gets by chance alone: a window whose chance reaches the moderate band says nothing.

With B cells, PSI / (1/N + 1/M) is chi-squared with B-1 degrees of freedom when nothing changed (Yurdakul 2018). Of two
close distributions the squared Jensen-Shannon distance to base 2 is the same sum divided by 8 ln 2.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import assert_never

from scipy import special, stats

from modelloop_core.wire.settings import Method

CHANCE = 0.001
"""So rarely may a quiet window lie above the quantile."""


def null_quantile(method: Method, cells: int, n_eff: float) -> float:
    """What the distance exceeds in one of 1,000 quiet windows, over `cells` cells at effective size `n_eff`."""
    if cells < 2:
        return 0.0
    if n_eff <= 0:
        return math.inf
    return _quantile(method, cells, n_eff)


@lru_cache(maxsize=65536)
def _quantile(method: Method, cells: int, n_eff: float) -> float:
    scaled = float(special.chdtri(cells - 1, CHANCE)) / n_eff
    match method:
        case "psi":
            return scaled
        case "js":
            return math.sqrt(scaled / (8 * math.log(2)))
        case "ks":
            return float(stats.kstwo.isf(CHANCE, max(round(n_eff), 1)))
        case _:
            assert_never(method)
