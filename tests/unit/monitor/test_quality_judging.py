"""What is said of a window and a version, from rows."""

from __future__ import annotations

import numpy as np
import pytest

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.quality_losses import errors_of
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.wire.settings import ModelSettings
from modelloop_monitor.quality.judging import Seen, judge_version, judge_window
from modelloop_monitor.store.quality import QualityKey
from modelloop_monitor.store.quality_rows import LabelledRow, WindowCounts

_KEY = QualityKey("shop", "churn", "1.0.0", 3600, 0)
_NAN = float("nan")


@pytest.mark.parametrize(
    ("output", "answers", "labels", "errors"),
    [
        pytest.param(
            BinaryOutput(threshold=0.7),
            np.array([0.7, 0.6, 0.9, _NAN, 0.9]),
            np.array([1.0, 1.0, 0.0, 1.0, _NAN]),
            [0.0, 1.0, 1.0, _NAN, _NAN],
            id="a probability is decided by the threshold",
        ),
        pytest.param(
            MulticlassOutput(classes=("a", "b")),
            np.array([0.0, 1.0]),
            np.array([0.0, 0.0]),
            [0.0, 1.0],
            id="classes by name",
        ),
        pytest.param(
            MulticlassOutput(classes=("a", "b")),
            np.array([[0.9, 0.1], [_NAN, 0.1]]),
            np.array([1.0, 1.0]),
            [1.0, _NAN],
            id="classes by probability",
        ),
        pytest.param(
            RegressionOutput(), np.array([1.0, 5.0]), np.array([3.0, 5.0]), [2.0, 0.0], id="the size of an error"
        ),
        pytest.param(
            RegressionOutput(names=("p", "q")),
            np.array([[1.0, 5.0]]),
            np.array([[3.0, 5.0]]),
            [1.0],
            id="several values",
        ),
    ],
)
def test_how_wrong_a_row_was(output: Output, answers: Float64s, labels: Float64s, errors: list[float]) -> None:
    np.testing.assert_array_equal(errors_of(output, answers, labels), errors)


def _rows(count: int) -> list[LabelledRow]:
    return [LabelledRow(0.75, 1.0, f"r{place}", place, place + 10.0 * place) for place in range(count)]


def test_how_late_labels_come_is_told_by_median_and_nine_in_ten() -> None:
    found = judge_version("1.0.0", 21, _rows(21), None)

    assert (found.latency_median, found.latency_p90) == (100.0, 180.0)


def test_a_label_of_before_its_prediction_is_not_late() -> None:
    found = judge_version("1.0.0", 1, [LabelledRow(0.75, 1.0, "r", 10.0, 5.0)], None)

    assert found.latency_median == 0.0


def test_a_version_without_labels_says_nothing() -> None:
    assert judge_version("1.0.0", 0, [], BinaryOutput()).latency_median is None


def test_a_window_says_what_was_left_out_of_it_and_that_it_goes_on() -> None:
    seen = Seen(WindowCounts(predictions=100), labelled=50, labels=_rows(20))

    report = judge_window(_KEY, seen, BinaryOutput(), ModelSettings(), now=3599.0)

    assert report.message == "the window is not over yet; measured on the newest 20 labels"


def test_a_window_never_has_more_labels_than_predictions() -> None:
    seen = Seen(WindowCounts(predictions=3), labelled=5, labels=_rows(5))

    report = judge_window(_KEY, seen, BinaryOutput(), ModelSettings(), now=3600.0)

    assert (report.predictions, report.message) == (5, ""), "predictions are forgotten before their labels"
