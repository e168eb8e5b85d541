"""How often A/B tests of equal versions decide, and how soon those of differing ones do: 2,000 simulated tests each.

Seeded, so that it gives the same figures each time. Every minute of a test is a look, as every block is. Beside them
the limit on quality: how often it fails a version that is exactly as much worse as it may be.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.evidence.__main__ import ROOT_CACHE, upper_bound
from bench.report import RESULTS, Goal, publish
from modelloop_core.evidence.blocks import Blocks
from modelloop_core.evidence.quality import Labelled, quality_metric
from modelloop_core.evidence.totals import Totals, blocks_of
from modelloop_core.feature_schema import BinaryOutput, RegressionOutput

TESTS, PART = 2000, 50
LEVEL, LIMIT_LEVEL, LIMIT = 0.05, 0.01 / 7, 0.02
ARRAY = np.ndarray[Any, Any]
Draw = Callable[["Test", np.random.Generator], Blocks]


@dataclass(frozen=True)
class Test:
    """A test of so many `days`; the candidate has `split` of `rate` requests a second, and differs by `effect`.

    The share that it really gets strays from the split for half an hour each time, load and values are others by day
    than by night, of both versions.
    """

    draw: Draw
    split: float = 0.5
    rate: float = 10.0
    days: int = 1
    base: float = 0.05
    effect: float = 0.0

    def blocks(self, rng: np.random.Generator) -> Blocks:
        """One such test, at its end; what was known at any time before is in it."""
        return self.draw(self, rng)

    def asked(self, rng: np.random.Generator) -> tuple[ARRAY, ARRAY, ARRAY]:
        """Requests of both versions by the minute, and the mood of the hour."""
        minutes = 1440 * self.days
        tide = 1 + 0.6 * np.sin(np.linspace(0, 2 * np.pi * self.days, minutes))
        strays = np.repeat(rng.normal(0, 0.3, minutes // 30), 30)
        asked = rng.poisson(60 * self.rate * tide)
        ours = rng.binomial(asked, np.minimum(self.split * np.exp(strays), 0.95))
        return ours, asked - ours, 1 + 0.3 * (tide - 1)


def rates(test: Test, rng: np.random.Generator) -> Blocks:
    """A share of requests: a business event, or positive answers."""
    ours, theirs, mood = test.asked(rng)
    hits = rng.binomial(ours, test.base * (1 + test.effect) * mood), rng.binomial(theirs, test.base * mood)
    return _of_totals(ours, hits[0], theirs, hits[1])


def orders(test: Test, rng: np.random.Generator) -> Blocks:
    """An amount that follows few requests, and is lognormal: a tenth of the orders has a third of the money."""
    ours, theirs, mood = test.asked(rng)
    sums = [
        _amounts(rng, rng.binomial(side, test.base * (1 + more) * mood))
        for side, more in ((ours, test.effect), (theirs, 0.0))
    ]
    return _of_totals(ours, sums[0], theirs, sums[1])


def accuracy(test: Test, rng: np.random.Generator) -> Blocks:
    """Labels that come up to a day late; `base` is the share of wrong answers."""
    return _of_labels(test, rng, "accuracy", lambda wrong: (np.where(wrong, 0.2, 0.8), np.ones(len(wrong))))


def area(test: Test, rng: np.random.Generator) -> Blocks:
    """AUC of scores that are a mixture, wrong ones from the other class; a fifth of the labels is positive."""

    def scored(wrong: ARRAY) -> tuple[ARRAY, ARRAY]:
        labels = (rng.random(len(wrong)) < 0.2).astype(np.float64)
        shown = np.where(wrong, 1 - labels, labels)
        return np.clip(rng.normal(0.3 + 0.4 * shown, 0.15), 0, 1), labels

    return _of_labels(test, rng, "auc", scored)


def errors(test: Test, rng: np.random.Generator) -> Blocks:
    """Mean absolute errors that are lognormal, without a bound; a request is wrong by ten times as much if it is."""

    def values(wrong: ARRAY) -> tuple[ARRAY, ARRAY]:
        return rng.lognormal(0, 1, len(wrong)) * np.where(wrong, 10.0, 1.0), np.zeros(len(wrong))

    return _of_labels(test, rng, "mae", values)


EQUAL: Mapping[str, Test] = {
    "rate 5 %, 10 req/s": Test(rates),
    "rate 5 %, 10 req/s, 20 % split": Test(rates, split=0.2),
    "rate 0.5 %, 1 req/s": Test(rates, rate=1.0, base=0.005),
    "rate 30 %, 100 req/s": Test(rates, rate=100.0, base=0.3),
    "orders after 3 %, 10 req/s": Test(orders, base=0.03),
    "orders after 3 %, 10 req/s, 20 % split": Test(orders, base=0.03, split=0.2),
    "orders after 3 %, 0.5 req/s": Test(orders, base=0.03, rate=0.5),
    "accuracy 90 %, 0.03 labels/s": Test(accuracy, rate=0.03, base=0.1),
    "accuracy 90 %, 0.03 labels/s, 20 % split": Test(accuracy, rate=0.03, base=0.1, split=0.2),
    "auc, 0.03 labels/s": Test(area, rate=0.03, base=0.1),
    "mae, 0.03 labels/s": Test(errors, rate=0.03, base=0.1),
    "mae, 0.03 labels/s, 20 % split": Test(errors, rate=0.03, base=0.1, split=0.2),
}
"""Tests of a day in which both versions are the same."""

AT_LIMIT: Mapping[str, Test] = {
    f"accuracy {LIMIT:g} less, {split:.0%} of 0.15 labels/s": Test(
        accuracy, rate=0.15, base=0.1, split=split, effect=LIMIT / 0.1
    )
    for split in (0.05, 0.5)
}
"""Days of a canary that is as much worse as maxQualityDrop allows, all day long."""

DIFFERING: Mapping[str, Test] = {
    **{f"rate 5 %, {effect:+.0%}": Test(rates, effect=effect, days=14) for effect in (0.02, 0.05, 0.1, 0.2)},
    **{f"orders after 3 %, {effect:+.0%}": Test(orders, base=0.03, effect=effect, days=14) for effect in (0.05, 0.1)},
    **{
        f"accuracy 90 % against {1 - 0.1 * (1 + effect):.0%}, 0.1 labels/s": Test(
            accuracy, rate=0.1, base=0.1, effect=effect, days=3
        )
        for effect in (0.2, 0.5)
    },
}
"""Tests of versions that differ by so much."""


def main() -> int:
    """Measure, print, store; the exit code is 0 when it ran."""
    parser = argparse.ArgumentParser(prog="bench-ab", description=__doc__)
    parser.add_argument("--tests", type=int, default=TESTS, help="tests of each kind (default %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default %(default)s)")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        equal = [_equal(pool, name, test, options.tests) for name, test in EQUAL.items()]
        limits = [_at_limit(pool, name, test, options.tests) for name, test in AT_LIMIT.items()]
        tests = max(options.tests // 10, 1)
        differing = [_differing(pool, name, test, tests) for name, test in DIFFERING.items()]
    folder = RESULTS if options.tests == TESTS else ROOT_CACHE
    more = {"limits": limits, "differing": differing}
    publish("ab", equal, _goals(equal, limits), ("numpy", "scipy"), more=more, folder=folder)
    return 0


def decided(test: Test, seed: Sequence[int], tests: int) -> list[tuple[str, float]]:
    """Who was called better in each of so many tests, and after how many hours."""
    rng = np.random.default_rng(list(seed))
    needed = np.log(2 / LEVEL)
    return [_first(blocks, {"new": blocks.better_by(0.0), "live": blocks.worse_by(0.0)}, needed)
            for blocks in (test.blocks(rng) for _ in range(tests))]  # fmt: skip


def failed(test: Test, seed: Sequence[int], tests: int) -> list[tuple[str, float]]:
    """The same of a limit on quality."""
    rng = np.random.default_rng(list(seed))
    needed = -np.log(LIMIT_LEVEL)
    return [
        _first(blocks, {"failed": blocks.worse_by(LIMIT)}, needed)
        for blocks in (test.blocks(rng) for _ in range(tests))
    ]


def _first(blocks: Blocks, grown: Mapping[str, ARRAY], needed: float) -> tuple[str, float]:
    ends = {who: np.flatnonzero(path >= needed) for who, path in grown.items()}
    reached = {who: float(blocks.interval[places[0]] + 1) / 60 for who, places in ends.items() if len(places)}
    return min(reached.items(), key=lambda item: item[1], default=("", np.inf))


def _of_totals(ours: ARRAY, our_total: ARRAY, theirs: ARRAY, their_total: ARRAY) -> Blocks:
    sides = [Totals(of, total.astype(np.float64), 0.0) for of, total in ((ours, our_total), (theirs, their_total))]
    return blocks_of(*sides, np.arange(len(ours)), higher=True)


def _of_labels(test: Test, rng: np.random.Generator, name: Any, made: Callable[[ARRAY], tuple[ARRAY, ARRAY]]) -> Blocks:
    output = RegressionOutput() if name == "mae" else BinaryOutput()
    ours, theirs, mood = test.asked(rng)
    sides = []
    for asked, more in ((ours, test.effect), (theirs, 0.0)):
        minute = np.repeat(np.arange(len(asked)), asked)
        # A third of the labels comes by a job at night, all at once; the others as they come.
        late = np.where(
            rng.random(len(minute)) < 1 / 3, 1440 * (minute // 1440 + 1), minute + rng.geometric(1 / 120, len(minute))
        )
        order = np.argsort(late, kind="stable")
        minute, late = minute[order], late[order]
        answers, labels = made(rng.random(len(minute)) < test.base * (1 + more) * mood[minute])
        sides.append(Labelled(answers, labels, np.arange(len(minute)), late, minute // 60))
    blocks = quality_metric(name, output, *sides).blocks
    if blocks is None:
        raise RuntimeError(f"{name} has no blocks")
    return blocks


def _amounts(rng: np.random.Generator, number: ARRAY) -> ARRAY:
    minutes = np.repeat(np.arange(len(number)), number)
    return np.bincount(minutes, weights=rng.lognormal(3, 1, len(minutes)), minlength=len(number))


def _drawn(pool: Executor, work: Any, name: str, test: Test, tests: int) -> list[tuple[str, float]]:
    seed = list(name.encode())
    parts = [(part, min(PART, tests - part)) for part in range(0, tests, PART)]
    found = [pool.submit(work, test, [*seed, part], size) for part, size in parts]
    return [outcome for one in found for outcome in one.result()]


def _equal(pool: Executor, name: str, test: Test, tests: int) -> dict[str, object]:
    who = Counter(one for one, _ in _drawn(pool, decided, name, test, tests))
    wrong = who["new"] + who["live"]
    return {"test of equal versions": name, "tests": tests, "new better": who["new"], "live better": who["live"],
            "upper bound %": 100 * upper_bound(wrong, tests)}  # fmt: skip


def _at_limit(pool: Executor, name: str, test: Test, tests: int) -> dict[str, object]:
    at = Counter(one for one, _ in _drawn(pool, failed, name, test, tests))["failed"]
    worse = [hours for one, hours in _drawn(pool, failed, f"{name} worse", _worse(test), max(tests // 10, 1)) if one]
    return {"canary": name, "days": tests, "failed": at, "upper bound %": 100 * upper_bound(at, tests),
            "5 points less: failed %": 100 * len(worse) / max(tests // 10, 1),
            "after h, median": float(np.median(worse)) if worse else None}  # fmt: skip


def _worse(test: Test) -> Test:
    return replace(test, effect=0.5)


def _differing(pool: Executor, name: str, test: Test, tests: int) -> dict[str, object]:
    found = _drawn(pool, decided, name, test, tests)
    better = "new" if test.draw in (rates, orders) else "live"
    hours = [hours if who == better else np.inf for who, hours in found]
    median, most = (float(np.quantile(hours, part, method="higher")) for part in (0.5, 0.9))
    return {"test": name, "tests": tests, "days": test.days,
            "decided rightly %": 100 * float(np.isfinite(hours).mean()),
            "wrongly %": 100 * float(np.mean([bool(who) and who != better for who, _ in found])),
            "median h": median if np.isfinite(median) else None,
            "90 % h": most if np.isfinite(most) else None}  # fmt: skip


def _goals(equal: Sequence[Mapping[str, object]], limits: Sequence[Mapping[str, object]]) -> list[Goal]:
    goals = []
    for rows, level, what in (
        (equal, LEVEL, "upper 95 % bound of equal versions that an A/B test of a day tells apart, worst row, %"),
        (limits, LIMIT_LEVEL, "upper 95 % bound of versions at the limit on quality that fail by it, worst row, %"),
    ):
        worst = max(float(str(row["upper bound %"])) for row in rows)
        goals.append(Goal(what, f"<= {100 * level:.3g}", worst, worst <= 100 * level))
    return goals


if __name__ == "__main__":
    sys.exit(main())
