"""What is said of quality before labels come: right where scores keep their meaning, and blind where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality import judge
from modelloop_core.drift.quality_change import worsened
from modelloop_core.drift.quality_estimates import FEWEST_LABELLED, Scores, calibrate, estimate
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, RegressionOutput

_BINARY = BinaryOutput()


def _drawn(generator: np.random.Generator, rows: int, spread: float) -> tuple[Float64s, Float64s]:
    """Scores with the squared odds of the truth, which say too much, and labels; a small spread is a hard task."""
    logits = generator.normal(0, spread, rows)
    labels = generator.random(rows) < 1 / (1 + np.exp(-logits / 2))
    return 1 / (1 + np.exp(-logits)), labels.astype(np.float64)


def test_the_estimate_is_what_labels_say_later_though_scores_said_too_much() -> None:
    generator = np.random.default_rng(0)
    held: dict[str, int] = dict.fromkeys(("accuracy", "f1", "auc", "brier"), 0)
    truth = judge(_BINARY, *_drawn(np.random.default_rng(1), 400_000, 1.0)).metrics
    for run in range(30):
        past, labels = _drawn(generator, 1500, 2.0)
        scores, _ = _drawn(generator, 1000, 1.0)
        found = estimate(_BINARY, Scores(scores), Scores(past), labels, seed=run).metrics
        for name in held:
            low, high, value = found[name].low, found[name].high, truth[name].value
            held[name] += low is not None and high is not None and value is not None and low <= value <= high

    assert truth["accuracy"].value == pytest.approx(0.594, abs=0.005)
    # 95 % would be 28.5 of 30.
    assert min(held.values()) >= 25, held


def test_uncalibrated_scores_alone_would_have_promised_more() -> None:
    generator = np.random.default_rng(0)
    past, labels = _drawn(generator, 20_000, 2.0)
    scores, _ = _drawn(generator, 20_000, 1.0)

    found = estimate(_BINARY, Scores(scores), Scores(past), labels).metrics["accuracy"]

    promised = np.maximum(scores, 1 - scores).mean()
    assert found.high is not None
    assert found.high < promised - 0.03


def test_the_estimate_is_blind_to_concept_drift() -> None:
    generator = np.random.default_rng(0)
    past, labels = _drawn(generator, 3000, 2.0)
    scores, truth = _drawn(generator, 3000, 2.0)

    found = estimate(_BINARY, Scores(scores), Scores(past), labels).metrics["accuracy"]

    turned = judge(_BINARY, scores, 1 - truth).metrics["accuracy"]
    assert found.low is not None
    assert turned.high is not None
    assert turned.high < 0.5 < found.low, "which is why labels are asked for"


def test_accuracy_of_several_classes_is_estimated_from_the_one_answered() -> None:
    generator = np.random.default_rng(0)
    past, now = generator.dirichlet((4, 1, 1), 5000), generator.dirichlet((2, 2, 2), 5000)
    labels = (past.cumsum(axis=1) > generator.random((5000, 1))).argmax(axis=1).astype(np.float64)

    found = estimate(MulticlassOutput(classes=("a", "b", "c")), Scores(now), Scores(past), labels).metrics

    assert set(found) == {"accuracy"}
    assert found["accuracy"].value == pytest.approx(now.max(axis=1).mean(), abs=0.03)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param(np.tile([0.0, 1.0], FEWEST_LABELLED // 2)[1:], "499 earlier predictions", id="one label too few"),
        pytest.param(np.ones(FEWEST_LABELLED), "all earlier labels are the same", id="one class only"),
        pytest.param(np.full(FEWEST_LABELLED, np.nan), "0 earlier predictions", id="no labels"),
    ],
)
def test_without_a_calibration_nothing_is_estimated_and_it_says_why(labels: Float64s, reason: str) -> None:
    past = np.full(len(labels), 0.5)

    found = estimate(_BINARY, Scores(past), Scores(past), labels)

    assert found.metrics == {}
    assert reason in found.reason


def test_values_promise_nothing() -> None:
    found = estimate(RegressionOutput(), Scores(np.ones(9)), Scores(np.ones(900)), np.ones(900))

    assert (found.metrics, found.reason) == ({}, "only probabilities promise anything about the truth")


def test_calibration_is_the_isotonic_regression_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    rows = generator.integers(1, 50, 30).astype(np.float64)
    hits = np.floor(rows * np.clip(np.linspace(0, 1, 30) + generator.normal(0, 0.2, 30), 0, 1))

    expected = IsotonicRegression().fit_transform(np.arange(30), hits / rows, sample_weight=rows)

    assert calibrate(hits, rows) == pytest.approx(expected)


def test_an_empty_bin_takes_what_its_neighbours_say() -> None:
    assert calibrate(np.array([0.0, 0.0, 5.0]), np.array([5.0, 0.0, 5.0])) == pytest.approx([0.0, 0.5, 1.0])
    assert calibrate(np.array([4.0, 0.0, 5.0]), np.array([5.0, 0.0, 5.0]))[1] == pytest.approx(0.9, abs=0.1)


def test_growing_errors_are_noticed_and_dated() -> None:
    generator = np.random.default_rng(0)

    change = worsened(np.append(generator.random(3000) < 0.1, generator.random(2000) < 0.2).astype(np.float64))

    assert change is not None
    assert change.at == pytest.approx(3000, abs=100)
    assert (change.before, change.after) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.2, abs=0.03))


def test_growing_errors_of_values_are_noticed_whatever_their_unit() -> None:
    generator = np.random.default_rng(0)
    errors = np.abs(np.append(generator.normal(size=3000), generator.normal(scale=1.5, size=2000))) * 1e6

    change = worsened(errors)

    assert change is not None
    assert change.at == pytest.approx(3000, abs=300)


def test_shrinking_errors_are_no_alarm() -> None:
    generator = np.random.default_rng(0)

    assert worsened(np.append(generator.random(3000) < 0.2, generator.random(2000) < 0.1).astype(np.float64)) is None


def test_missing_errors_are_left_out_without_moving_the_date() -> None:
    generator = np.random.default_rng(0)
    errors = np.append(generator.random(3000) < 0.1, generator.random(2000) < 0.3).astype(np.float64)
    errors[:1000] = np.nan

    change = worsened(errors)

    assert change is not None
    assert change.at == pytest.approx(3000, abs=100)


def test_quiet_streams_of_ten_thousand_raise_no_alarm_in_twenty_runs() -> None:
    generator = np.random.default_rng(0)

    assert not any(worsened((generator.random(10_000) < 0.2).astype(np.float64)) for _ in range(20))


@pytest.mark.parametrize("errors", [np.empty(0), np.full(9, np.nan), np.zeros(1), np.full(2000, 7.0)])
def test_streams_that_say_nothing_raise_no_alarm(errors: Float64s) -> None:
    assert worsened(errors) is None
