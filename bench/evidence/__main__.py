"""How often equal versions are rolled back, and how soon worse ones are: 2,000 simulated days of each kind.

Seeded, so that it gives the same figures each time. The verdict is the monitor's, with every check and its limits.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from bench.evidence.days import QUERY, Day
from bench.report import RESULTS, Goal, publish
from modelloop_core.evidence.verdict import judge
from modelloop_core.wire.evidence import Verdict

ROOT_CACHE = RESULTS.parents[1] / ".cache/bench"
DAYS, WORSE_DAYS, PART = 2000, 200, 50

EQUAL = {
    "10 req/s, 0.5 % errors": Day(10),
    "100 req/s, 0.1 % errors": Day(100, errors=0.001),
    "0.5 req/s, 0.5 % errors": Day(0.5),
    "10 req/s, three outages of both": Day(10, outages=True),
    "10 req/s, errors at the limit": Day(10, errors=0.01, tides=False),
    "10 req/s, errors beyond the limit": Day(10, errors=0.02),
    "10 req/s, down and up again": Day(10, weights=(0.05, 0.5, 0.01, 0.25)),
}
"""Days on which both versions are the same: 8 hours each at 5, 25 and 50 %, or as the last has it."""

_CANARY = {"weights": (0.05,), "tides": False}
WORSE = {
    **{
        f"errors {candidate:.0%}, live version {live:.1%}": Day(10, errors=live, candidate_errors=candidate, **_CANARY)
        for live in (0.001, 0.005)
        for candidate in (0.01, 0.02, 0.05)
    },
    **{f"latency x {times:g}": Day(10, slower=times, **_CANARY) for times in (1.5, 3.0)},
    **{f"outputs shifted by {shift:g} sd": Day(10, shift=shift, **_CANARY) for shift in (0.7, 1.0, 2.0)},
}
"""Days on which the candidate is worse, with 5 % of 10 requests a second throughout."""


class Outcome(NamedTuple):
    """The verdict at the end of a day, and after how many minutes which check was the first to fail."""

    verdict: Verdict
    minute: float | None
    check: str | None


def main() -> int:
    """Measure, print, store; the exit code is 0 when it ran."""
    parser = argparse.ArgumentParser(prog="bench-evidence", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="equal days of each kind (default %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default %(default)s)")
    options = parser.parse_args()
    worse_days = WORSE_DAYS if options.days == DAYS else max(options.days // 10, 1)
    with ProcessPoolExecutor(options.workers) as pool:
        equal = [_equal(pool, name, day, options.days) for name, day in EQUAL.items()]
        worse = [_worse(pool, rate, name, day, worse_days) for rate in (10, 100) for name, day in WORSE.items()]
    folder = RESULTS if options.days == DAYS else ROOT_CACHE
    publish("evidence", equal, _goals(equal), ("numpy", "scipy"), more={"worse": worse}, folder=folder)
    return 0


def outcomes(day: Day, seed: Sequence[int], days: int) -> list[Outcome]:
    """What came of each of so many days.

    A check that has failed stays so; what the end says is what a look at every minute would have found.
    """
    rng = np.random.default_rng(list(seed))
    found = []
    for _ in range(days):
        judgement = judge(QUERY, day.draw(rng))
        ends = sorted(
            ((check.failed_at - QUERY.since).total_seconds() / 60, check.name.value)
            for check in judgement.checks
            if check.failed_at is not None
        )
        found.append(Outcome(judgement.verdict, *(ends[0] if ends else (None, None))))
    return found


def upper_bound(hits: int, n: int) -> float:
    """The one-sided 95 % upper bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if hits >= n else float(stats.beta.ppf(0.95, hits + 1, n - hits))


def _drawn(pool: Executor, name: str, day: Day, days: int) -> list[Outcome]:
    seed = list(name.encode())
    parts = [(part, min(PART, days - part)) for part in range(0, days, PART)]
    drawn = [pool.submit(outcomes, day, [*seed, part], size) for part, size in parts]
    return [outcome for one in drawn for outcome in one.result()]


def _equal(pool: Executor, name: str, day: Day, days: int) -> dict[str, object]:
    found = _drawn(pool, name, day, days)
    verdicts = Counter(one.verdict for one in found)
    return {
        "day": name,
        "days": days,
        "rolled back": verdicts[Verdict.FAILED],
        "upper bound %": 100 * upper_bound(verdicts[Verdict.FAILED], days),
        "passed": verdicts[Verdict.PASSED],
        "held": verdicts[Verdict.INCONCLUSIVE],
    }


def _worse(pool: Executor, rate: float, name: str, day: Day, days: int) -> dict[str, object]:
    found = _drawn(pool, f"{rate} {name}", replace(day, rate=rate), days)
    minutes = [np.inf if one.minute is None else one.minute for one in found]
    median, most = (float(np.quantile(minutes, share, method="higher")) for share in (0.5, 0.9))
    first = {one.check for one in found if one.check}
    return {
        "candidate": name,
        "req/s": rate,
        "days": days,
        "rolled back %": 100 * sum(np.isfinite(minutes)) / days,
        "median min": median if np.isfinite(median) else None,
        "90 % min": most if np.isfinite(most) else None,
        "by": ", ".join(sorted(first)),
    }


def _goals(equal: Sequence[dict[str, object]]) -> list[Goal]:
    worst = max(float(str(row["upper bound %"])) for row in equal)
    limit = 100 * QUERY.false_rollback_rate
    return [
        Goal(
            f"upper 95 % bound of false rollbacks a day of equal versions at {limit:g} %, worst row, %",
            f"<= {limit:g}", worst, worst <= limit,
        )
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
