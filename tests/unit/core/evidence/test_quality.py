"""A quality metric of two versions is the measure that windows tell, and compares the same hours alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelloop_core.drift.quality import judge
from modelloop_core.evidence.quality import Labelled, quality_metric
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput

COUNT = 3000


def labelled(answers: Any, labels: Any, **changes: Any) -> Labelled:
    """One label in each interval, all of one hour."""
    count = len(labels)
    usual = {"request": np.arange(count), "interval": np.arange(count), "hour": np.zeros(count, dtype=np.int64)}
    return Labelled(np.asarray(answers), np.asarray(labels, dtype=np.float64), **{**usual, **changes})


def binary(noise: float, seed: int, **changes: Any) -> Labelled:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, COUNT)
    return labelled(np.clip(0.5 + (labels - 0.5) * 0.4 + random.normal(0, noise, COUNT), 0, 1), labels, **changes)


def classes(seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, COUNT)
    answers = random.dirichlet([1, 1, 1], COUNT) + 0.5 * np.eye(3)[labels]
    return labelled(answers / answers.sum(axis=1, keepdims=True), labels)


def values(seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    labels = random.lognormal(3, 1, COUNT)
    return labelled(labels * random.lognormal(0, 0.2, COUNT), labels)


OF_TASKS: list[Any] = [
    *(pytest.param(name, BinaryOutput(), binary, id=name) for name in ("accuracy", "auc", "brier", "log_loss")),
    *(
        pytest.param(name, MulticlassOutput(classes=("a", "b", "c")), lambda _, seed: classes(seed), id=f"{name} of 3")
        for name in ("accuracy", "log_loss")
    ),
    pytest.param("mae", RegressionOutput(), lambda _, seed: values(seed), id="mae"),
]


@pytest.mark.parametrize(("name", "output", "make"), OF_TASKS)
def test_it_is_the_measure_of_windows(name: Any, output: Output, make: Any) -> None:
    ours, theirs = make(0.2, 1), make(0.2, 2)
    found = quality_metric(name, output, ours, theirs)

    for side, told in ((ours, found.candidate), (theirs, found.stable)):
        assert told.of == COUNT
        assert told.value.value == pytest.approx(judge(output, side.answers, side.labels).metrics[name].value)
        assert told.value.low is not None
    comparison = found.compared(40.0)
    assert comparison.difference == pytest.approx(
        found.candidate.value.value - found.stable.value.value, rel=0.5, abs=0.02
    )  # type: ignore[operator]
    assert comparison.low is not None
    assert comparison.high is not None
    assert comparison.low < 0 < comparison.high


@pytest.mark.parametrize("name", ["accuracy", "auc", "brier", "log_loss"])
def test_a_worse_version_is_found_out_by_each_metric(name: Any) -> None:
    found = quality_metric(name, BinaryOutput(), binary(0.6, 1), binary(0.15, 2)).blocks

    assert found is not None
    assert float(found.worse_by(0.01).max()) > np.log(1000)
    assert float(found.better_by(0.0).max()) < np.log(10)


def test_other_hours_are_not_compared() -> None:
    ours = binary(0.2, 1, hour=np.zeros(COUNT, dtype=np.int64))
    theirs = binary(0.2, 2, hour=np.ones(COUNT, dtype=np.int64))

    assert quality_metric("accuracy", BinaryOutput(), ours, theirs).compared(40.0).difference is None


def test_rows_of_one_request_count_as_one() -> None:
    same = np.repeat(np.arange(30), 100)
    ours, theirs = (binary(0.2, seed, request=same, interval=same) for seed in (1, 2))
    found = quality_metric("accuracy", BinaryOutput(), ours, theirs).blocks

    assert found is not None
    assert len(found.ours) == 30


def test_answers_that_are_no_numbers_are_left_out() -> None:
    side = binary(0.2, 1)
    side.answers[:10] = np.nan

    assert quality_metric("brier", BinaryOutput(), side, binary(0.2, 2)).candidate.of == COUNT - 10


def test_names_of_classes_have_no_log_loss_and_it_is_said() -> None:
    names = labelled(np.zeros(3), np.zeros(3))
    found = quality_metric("log_loss", MulticlassOutput(classes=("a", "b")), names, names)

    assert found.blocks is None
    assert "needs the probabilities of all classes" in found.note


@pytest.mark.parametrize("name", ["accuracy", "auc"])
def test_of_no_labels_nothing_is_told(name: Any) -> None:
    nothing = labelled(np.zeros(0), np.zeros(0))
    found = quality_metric(name, BinaryOutput(), nothing, nothing).compared(40.0)

    assert (found.difference, found.low, found.candidate.of) == (None, None, 0)
