"""Intervals: against formulas written out, and by how often they hold the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality import judge
from modelloop_core.drift.quality_intervals import FEWEST_UNITS, Units, resample, share, wilson
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, RegressionOutput
from modelloop_core.wire.reports import Interval

_RUNS = 100


def _holds(interval: Interval, truth: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 10), (10, 10), (1, 1), (507, 1000)])
def test_wilson_is_that_of_scipy(hits: int, trials: int) -> None:
    expected = binomtest(hits, trials).proportion_ci(method="wilson")

    found = wilson(hits, trials)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_nothing_is_null() -> None:
    assert wilson(0, 0).value is None


def test_rows_of_one_entity_count_as_one_when_they_are_all_alike() -> None:
    hits = np.repeat(np.arange(100) < 70, 10)
    entities = np.repeat(np.arange(100), 10).tolist()

    found = share(hits, Units.of(1000, entities))

    alone = wilson(70, 100)
    assert found.value == 0.7
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.002)


def test_entities_of_which_all_were_right_do_not_count_row_by_row() -> None:
    entities = np.repeat(np.arange(10), 100).tolist()

    assert share(np.ones(1000, dtype=bool), Units.of(1000, entities)).low == pytest.approx(wilson(10, 10).low or 0)


def test_a_row_without_entity_stands_for_itself() -> None:
    assert Units.of(4, ["a", None, "a", None]).size == 3


def _delong(scores: Float64s, positive: Sequence[bool]) -> tuple[float, float]:
    """DeLong's area and variance as he wrote them, each pair by itself."""
    above, below = scores[np.array(positive)], scores[~np.array(positive)]
    wins = (above[:, np.newaxis] > below) + 0.5 * (above[:, np.newaxis] == below)
    return wins.mean(), wins.mean(axis=1).var(ddof=1) / len(above) + wins.mean(axis=0).var(ddof=1) / len(below)


def test_the_interval_of_auc_is_delongs_on_the_logit_scale() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(80) < 0.4
    scores = np.clip(generator.normal(0.4 + 0.2 * positive, 0.2), 0, 1).round(2)
    area, variance = _delong(scores, positive.tolist())
    middle, half = math.log(area / (1 - area)), norm.ppf(0.975) * math.sqrt(variance) / (area * (1 - area))

    found = judge(BinaryOutput(), scores, positive.astype(np.float64)).metrics["auc"]

    assert found.value == pytest.approx(area)
    assert found.low == pytest.approx(1 / (1 + math.exp(half - middle)))
    assert found.high == pytest.approx(1 / (1 + math.exp(-half - middle)))


def test_the_interval_of_auc_is_not_narrowed_by_repeating_each_entity() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(200)
    labels = (generator.random(200) < scores).astype(np.float64)
    once = judge(BinaryOutput(), scores, labels).metrics["auc"]

    entities = np.tile(np.arange(200), 5).tolist()
    found = judge(BinaryOutput(), np.tile(scores, 5), np.tile(labels, 5), entities).metrics["auc"]

    assert (found.low, found.high) == pytest.approx((once.low, once.high), abs=0.003)


def test_kinds_that_lie_apart_are_no_proof_when_there_are_few() -> None:
    scores = np.array([0.1, 0.2, 0.8, 0.9, 0.95])

    found = judge(BinaryOutput(), scores, (scores > 0.5).astype(np.float64)).metrics["auc"]

    assert (found.value, found.low) == (1.0, pytest.approx(wilson(2, 2).low))


def test_a_single_positive_row_has_an_area_and_no_interval() -> None:
    found = judge(BinaryOutput(), np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 0.0, 1.0, 0.0])).metrics["auc"]

    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), None, None)


def test_few_entities_have_no_bootstrap() -> None:
    assert not len(resample(np.ones((FEWEST_UNITS - 1, 1)), 0))
    assert len(resample(np.ones((FEWEST_UNITS, 1)), 0)) == 1_000


def test_the_same_seed_gives_the_same_interval() -> None:
    labels = np.random.default_rng(0).normal(size=100)

    first, second, other = (judge(RegressionOutput(), labels * 0.5, labels, seed=seed) for seed in (1, 1, 2))

    assert first == second
    assert first.metrics["mae"].value == other.metrics["mae"].value
    assert first.metrics["mae"].low != other.metrics["mae"].low


def test_groups_of_entities_give_an_interval_as_wide_as_entities_do() -> None:
    errors = np.random.default_rng(0).exponential(size=100_000)

    found = judge(RegressionOutput(), errors, np.zeros(100_000)).metrics["mae"]

    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * errors.std() / math.sqrt(100_000), rel=0.1)


def test_intervals_of_entities_hold_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    held = {"mae": 0, "accuracy": 0, "auc": 0, "by row": 0}
    for run in range(_RUNS):
        entities = np.repeat(np.arange(60), 8)
        # Half of what makes an error large is the entity's own.
        errors = np.exp(np.repeat(generator.normal(0, 0.7, 60), 8) + generator.normal(0, 0.7, 480))
        mae = judge(RegressionOutput(), errors, np.zeros(480), entities.tolist(), seed=run).metrics["mae"]
        by_row = judge(RegressionOutput(), errors, np.zeros(480), seed=run).metrics["mae"]
        level = np.repeat(generator.normal(0, 1, 60), 8)
        labels = (level + generator.normal(0, 1, 480) > 0).astype(np.float64)
        scores = norm.cdf(level)
        found = judge(BinaryOutput(), scores, labels, entities.tolist(), seed=run).metrics
        held["mae"] += _holds(mae, math.exp(0.49))
        held["by row"] += _holds(by_row, math.exp(0.49))
        held["accuracy"] += _holds(found["accuracy"], 0.75)
        # By 10 million rows of the same law.
        held["auc"] += _holds(found["auc"], 0.8333)

    # 95 would be as said; 88 is three standard deviations below.
    assert {name: count for name, count in held.items() if count < 88} == {"by row": held["by row"]}


def test_the_macro_area_has_an_interval_that_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(6)
    output = MulticlassOutput(classes=("a", "b", "c"))
    held, truth = 0, _macro_truth()
    for _ in range(_RUNS):
        answers, labels = _drawn(generator, 300)
        held += _holds(judge(output, answers, labels).metrics["auc"], truth)

    assert held >= 88


def _drawn(generator: np.random.Generator, rows: int) -> tuple[Float64s, Float64s]:
    answers = generator.dirichlet((2, 1, 1), rows)
    return answers, (answers.cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1).astype(np.float64)


def _macro_truth() -> float:
    answers, labels = _drawn(np.random.default_rng(7), 300_000)
    value = judge(MulticlassOutput(classes=("a", "b", "c")), answers, labels).metrics["auc"].value
    assert value is not None
    return value
