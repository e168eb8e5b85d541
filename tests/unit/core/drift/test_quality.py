"""Measures against scikit-learn and cases solved by hand; what is not defined is null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality import judge
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput

_BINARY = BinaryOutput()
_CLASSES = MulticlassOutput(classes=("a", "b", "c", "d"))


def _numbers(*values: float) -> Float64s:
    return np.array(values, dtype=np.float64)


def _values(output: Output, answers: Float64s, labels: Float64s) -> dict[str, float | None]:
    return {name: found.value for name, found in judge(output, answers, labels).metrics.items()}


def _binary(rows: int, seed: int = 0) -> tuple[Float64s, Float64s]:
    generator = np.random.default_rng(seed)
    # Rounded, so that many scores are equal.
    scores = generator.beta(2, 3, rows).round(2)
    return scores, (generator.random(rows) < scores).astype(np.float64)


def _multiclass(rows: int) -> tuple[Float64s, Float64s]:
    generator = np.random.default_rng(1)
    answers = generator.dirichlet((2, 1, 1), rows)
    labels = (answers.cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1).astype(np.float64)
    return np.column_stack([answers, np.zeros(rows)]), labels


def test_binary_measures_are_those_of_scikit_learn() -> None:
    scores, labels = _binary(400)

    found = _values(BinaryOutput(threshold=0.4), scores, labels)

    assert found.pop("ece") is not None
    assert found == pytest.approx(
        {
            "accuracy": sklearn.accuracy_score(labels, scores >= 0.4),
            "f1": sklearn.f1_score(labels, scores >= 0.4),
            "auc": sklearn.roc_auc_score(labels, scores),
            "log_loss": sklearn.log_loss(labels, scores),
            "brier": sklearn.brier_score_loss(labels, scores),
        }
    )


def test_multiclass_measures_are_those_of_scikit_learn_and_leave_out_classes_never_met() -> None:
    answers, labels = _multiclass(600)
    decided = answers.argmax(axis=1)

    found = _values(_CLASSES, answers, labels)

    assert found.pop("ece") is not None
    assert found == pytest.approx(
        {
            "accuracy": sklearn.accuracy_score(labels, decided),
            "f1": sklearn.f1_score(labels, decided, average="macro"),
            "auc": sklearn.roc_auc_score(labels, answers[:, :3], multi_class="ovr"),
            "log_loss": sklearn.log_loss(labels, answers[:, :3]),
            "brier": np.mean(np.square(np.eye(4)[labels.astype(int)] - answers).sum(axis=1)),
        }
    )


def test_classes_without_probabilities_have_accuracy_and_f1_alone() -> None:
    answers, labels = _multiclass(600)
    decided = answers.argmax(axis=1).astype(np.float64)

    found = _values(_CLASSES, decided, labels)

    assert found == pytest.approx(
        {
            "accuracy": sklearn.accuracy_score(labels, decided),
            "f1": sklearn.f1_score(labels, decided, average="macro"),
        }
    )


def test_regression_measures_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    labels = generator.normal(size=300)
    answers = labels + generator.standard_t(3, 300)

    found = _values(RegressionOutput(), answers, labels)

    assert found == pytest.approx(
        {
            "mae": sklearn.mean_absolute_error(labels, answers),
            "rmse": sklearn.root_mean_squared_error(labels, answers),
        }
    )


def test_several_values_are_measured_together() -> None:
    found = _values(
        RegressionOutput(names=("p", "q")), np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 3.0], [1.0, 3.0]])
    )

    assert found == pytest.approx({"mae": 2.0, "rmse": math.sqrt(5)})


def test_calibration_error_of_a_case_solved_by_hand() -> None:
    # 15 bins of 10 equal scores; in each, 5 of 10 are positive.
    scores = np.repeat(np.arange(1, 16) / 20, 10)
    labels = np.tile(np.repeat([0.0, 1.0], 5), 15)

    assert _values(_BINARY, scores, labels)["ece"] == pytest.approx(np.mean(np.abs(np.arange(1, 16) / 20 - 0.5)))


def test_calibration_error_never_parts_equal_scores() -> None:
    labels = np.tile(np.repeat([0.0, 1.0], 5), 15)

    # Half are positive wherever 0.5 was said, but not within each tenth of the rows in their order.
    assert _values(_BINARY, np.full(150, 0.5), labels)["ece"] == pytest.approx(0.0)


def test_calibration_error_is_left_to_windows_that_can_show_it() -> None:
    assert "ece" not in _values(_BINARY, *_binary(149))
    assert "ece" in _values(_BINARY, *_binary(150))


def test_labels_of_one_class_leave_auc_undefined_and_all_else_finite() -> None:
    found = _values(_BINARY, _numbers(0.2, 0.3, 0.4), _numbers(0, 0, 0))

    assert found["auc"] is None
    assert found["f1"] is None, "nothing is positive, and nothing called so"
    assert found["accuracy"] == 1.0
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.7, 0.6])))


def test_one_row_is_judged_without_pretending_to_know_more() -> None:
    found = judge(_BINARY, _numbers(0.9), _numbers(1))

    assert found.metrics["accuracy"].value == 1.0
    assert found.metrics["accuracy"].low == pytest.approx(0.2065, abs=1e-4), "Wilson, 1 of 1"
    assert found.metrics["brier"].value == pytest.approx(0.01)
    assert (found.metrics["brier"].low, found.metrics["brier"].high) == (None, None)


def test_no_rows_have_no_measures() -> None:
    assert judge(_BINARY, _numbers(), _numbers()).metrics == {}


def test_rows_that_are_no_number_are_left_out_and_counted() -> None:
    found = judge(_BINARY, _numbers(0.9, np.nan, 0.2, 0.1), _numbers(1, 1, np.nan, 0))

    assert (found.rows, found.left_out) == (2, 2)
    assert found.metrics["accuracy"].value == 1.0


def test_a_certain_answer_that_is_wrong_costs_a_finite_loss() -> None:
    assert _values(_BINARY, _numbers(1.0, 0.0), _numbers(0, 1))["log_loss"] == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize(
    ("output", "answers", "labels", "said"),
    [
        pytest.param(_BINARY, _numbers(0.1, 0.2), _numbers(1), "do not fit", id="fewer labels than answers"),
        pytest.param(_BINARY, _numbers(1.2), _numbers(1), "a probability lies in", id="a probability above one"),
        pytest.param(_BINARY, _numbers(0.2), _numbers(2), "one of 0 to 1", id="a third class of binary"),
        pytest.param(_CLASSES, _numbers(0.5), _numbers(1), "one of 0 to 3", id="half a class"),
        pytest.param(_CLASSES, np.ones((1, 3)) / 3, _numbers(1), "do not fit", id="a probability too few"),
        pytest.param(RegressionOutput(), np.ones((2, 1)), _numbers(1, 2), "do not fit", id="values in a column"),
    ],
)
def test_what_cannot_be_compared_is_refused(output: Output, answers: Float64s, labels: Float64s, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        judge(output, answers, labels)


_PROBABILITY = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)


@given(st.lists(st.tuples(_PROBABILITY, st.booleans(), st.integers(0, 20)), min_size=1, max_size=40))
def test_whatever_comes_each_measure_is_a_number_within_its_interval_or_null(
    rows: list[tuple[float, bool, int]],
) -> None:
    scores, truth, entities = zip(*rows, strict=True)

    found = judge(_BINARY, np.array(scores), np.array(truth, dtype=np.float64), entities)

    for interval in found.metrics.values():
        ends = [end for end in (interval.low, interval.value, interval.high) if end is not None]
        assert all(math.isfinite(end) for end in ends)
        assert ends == sorted(ends)


def test_the_order_of_rows_changes_no_value() -> None:
    scores, labels = _binary(500)
    order = np.random.default_rng(3).permutation(500)

    assert _values(_BINARY, scores[order], labels[order]) == pytest.approx(_values(_BINARY, scores, labels), rel=1e-12)
