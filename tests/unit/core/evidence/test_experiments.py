"""An A/B test names the better version once that is shown, at the chance that was asked for, and for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pytest
from bench.evidence.ab import AT_LIMIT, EQUAL, decided, failed
from bench.evidence.days import QUERY, START, Day

from modelloop_core.evidence.experiments import experiment_of
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.observed import Observed
from modelloop_core.evidence.totals import Totals, output_metric
from modelloop_core.wire.evidence import EvidenceQuery, Experiment

ASKED = QUERY.model_copy(update={"ab_metric": "positive_rate"})
BEGIN = int(START.timestamp()) // 60


def observed(metric: Metric | None) -> Observed:
    """A day on which this was tried."""
    return replace(Day(1.0).draw(np.random.default_rng(1)), tried=metric)


def a_metric(ours: float, theirs: float, minutes: int = 300, *, higher: bool = True, each: int = 100) -> Metric:
    """A share of answers in so many minutes of 100 requests each."""
    random = np.random.default_rng(2)
    sides = [
        Totals(np.full(minutes, each), random.binomial(each, rate, minutes).astype(np.float64), 0.0)
        for rate in (ours, theirs)
    ]
    return output_metric("positive_rate", *sides, BEGIN + np.arange(minutes), higher=higher, share=True)


def of(metric: Metric, query: EvidenceQuery = ASKED) -> Experiment:
    found = experiment_of(query, observed(metric))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("ours", "theirs", "higher", "winner"),
    [
        pytest.param(0.35, 0.3, True, "candidate", id="more is better, and there is more"),
        pytest.param(0.3, 0.35, True, "stable", id="more is better, and there is less"),
        pytest.param(0.35, 0.3, False, "stable", id="less is better, and there is more"),
        pytest.param(0.3, 0.3, True, None, id="equal"),
    ],
)
def test_who_is_better(ours: float, theirs: float, higher: bool, winner: Literal["candidate", "stable"] | None) -> None:
    found = of(a_metric(ours, theirs, higher=higher))

    assert found.winner == winner
    assert (found.decided_at is None) == (winner is None)
    assert found.difference == pytest.approx(ours - theirs, abs=0.012)
    assert found.low is not None
    assert found.high is not None
    assert (found.low > 0 or found.high < 0) == (winner is not None), "the interval says the same"
    assert found.confidence == 0.95


def test_who_was_better_once_stays_so_at_the_same_time() -> None:
    early, late = a_metric(0.4, 0.3, 100), a_metric(0.3, 0.4, 2000)
    assert early.blocks is not None
    assert late.blocks is not None
    joined = replace(
        early.blocks,
        **{
            name: np.concatenate([getattr(early.blocks, name), getattr(late.blocks, name)])
            for name in ("ours", "theirs", "weights")
        },
        interval=BEGIN + np.arange(2100),
    )
    whole = of(replace(early, blocks=joined))

    assert of(early).winner == whole.winner == "candidate"
    assert of(early).decided_at == whole.decided_at
    assert whole.decided_at is not None
    assert START < whole.decided_at < datetime.fromtimestamp(60 * (BEGIN + 100), UTC)


def test_a_smaller_rate_of_errors_needs_more_evidence() -> None:
    strict = of(a_metric(0.3, 0.3), ASKED.model_copy(update={"ab_false_positive_rate": 0.001}))

    assert (strict.needed, strict.confidence) == (2000, 0.999)


@pytest.mark.parametrize("metric", [Metric("positive_rate", "output", note="no bins"), a_metric(0.3, 0.3, 0)])
def test_without_anything_to_compare_it_says_so(metric: Metric) -> None:
    found = of(metric)

    assert (found.winner, found.difference, found.low) == (None, None, None)
    assert "no bins" in found.message or "nothing to compare yet" in found.message


def test_without_a_test_there_is_none() -> None:
    assert experiment_of(QUERY, observed(None)) is None


@pytest.mark.parametrize("name", [name for name in EQUAL if "labels" not in name])
def test_equal_versions_are_seldom_told_apart(name: str) -> None:
    # 2,000 of each are in docs/rollout-evidence.md: this one notices when the level is lost.
    assert sum(bool(who) for who, _ in decided(EQUAL[name], [7], 25)) <= 4


def test_a_canary_at_its_limit_on_quality_seldom_fails() -> None:
    some: dict[str, Any] = {"rate": 0.02}
    limits = [replace(test, **some) for test in AT_LIMIT.values()]

    assert sum(bool(who) for test in limits for who, _ in failed(test, [7], 10)) == 0
