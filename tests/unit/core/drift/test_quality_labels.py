"""Labels and predictions as the output has them; verdicts on quality; what predictions were worth."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from modelloop_core.drift.quality_business import Followed, business_rate, business_sum, kind_of
from modelloop_core.drift.quality_intervals import wilson
from modelloop_core.drift.quality_labels import Label, Prediction, WrongLabel, label_values, labelled_arrays
from modelloop_core.drift.quality_verdict import judge_quality
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.wire.reports import Interval, Level, QualityReport, Window
from modelloop_core.wire.settings import QualitySettings

_BINARY = BinaryOutput()
_CLASSES = MulticlassOutput(classes=("cat", "dog", "3"))
_VALUE = RegressionOutput()
_VALUES = RegressionOutput(names=("p", "q"))


@pytest.mark.parametrize(
    ("output", "label", "values"),
    [
        pytest.param(_BINARY, True, [1.0], id="a flag"),
        pytest.param(_BINARY, 0.0, [0.0], id="a number of binary"),
        pytest.param(_CLASSES, "dog", [1.0], id="a class"),
        pytest.param(_CLASSES, 3.0, [2.0], id="a class that looks like a number"),
        pytest.param(_VALUE, -2.5, [-2.5], id="a value"),
        pytest.param(_VALUES, {"q": 2.0, "p": 1.0}, [1.0, 2.0], id="values in the output's order"),
    ],
)
def test_a_label_is_read_as_the_output_has_it(output: Output, label: Label, values: list[float]) -> None:
    assert label_values(output, label) == values


@pytest.mark.parametrize(
    ("output", "label", "said"),
    [
        pytest.param(_BINARY, "yes", "0, 1, true or false, not 'yes'", id="a word of binary"),
        pytest.param(_BINARY, 0.5, "not 0.5", id="half of binary"),
        pytest.param(_BINARY, {"p": 1.0}, "0, 1, true or false", id="an object of binary"),
        pytest.param(_CLASSES, "cow", "one of its 3 classes .cat, dog, 3., not 'cow'", id="no class"),
        pytest.param(_VALUE, "4", "a finite number, not '4'", id="text of a value"),
        pytest.param(_VALUE, True, "a finite number, not True", id="a flag of a value"),
        pytest.param(_VALUES, 1.0, "p, q by name, not 1.0", id="one value of two"),
        pytest.param(_VALUES, {"p": 1.0}, "p, q by name", id="half of the values"),
    ],
)
def test_a_label_of_the_wrong_type_is_told(output: Output, label: Label, said: str) -> None:
    with pytest.raises(WrongLabel, match=said):
        label_values(output, label)


@pytest.mark.parametrize(
    ("output", "prediction", "label", "answer"),
    [
        pytest.param(_BINARY, "high", 1.0, [math.nan], id="a word where a probability belongs"),
        pytest.param(_BINARY, 1.5, 1.0, [math.nan], id="no probability"),
        pytest.param(_CLASSES, "cow", "dog", [math.nan], id="a class of another version"),
        pytest.param(_CLASSES, "dog", "dog", [1.0], id="a class alone"),
        pytest.param(_CLASSES, [0.2, 0.5, 0.3], "dog", [[0.2, 0.5, 0.3]], id="probabilities"),
        pytest.param(_VALUES, [1.0, 2.0, 3.0], {"p": 1.0, "q": 1.0}, [[math.nan] * 2], id="a value too many"),
    ],
)
def test_a_prediction_that_the_output_cannot_have_is_no_number(
    output: Output, prediction: Prediction, label: Label, answer: list[float]
) -> None:
    answers, _ = labelled_arrays(output, [(prediction, label)])

    np.testing.assert_array_equal(answers, np.array(answer))


def test_probabilities_are_taken_as_classes_where_others_came_as_names_alone() -> None:
    answers, labels = labelled_arrays(_CLASSES, [("cat", "cat"), ([0.1, 0.7, 0.2], "3")])

    assert (answers.tolist(), labels.tolist()) == ([0.0, 1.0], [0.0, 2.0])


_WINDOW = Window(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 1, 1, tzinfo=UTC))
_AT_LEAST = QualitySettings(metric="accuracy", min=0.8, label_delay_seconds=3600)
_AT_MOST = QualitySettings(metric="mae", max=2.0, label_delay_seconds=3600)


def _report(metric: str, *ends: float | None, estimated: bool = False) -> QualityReport:
    low, value, high = ends
    part = "estimated" if estimated else "metrics"
    numbers = {metric: Interval(value=value, low=low, high=high)}
    return QualityReport(version="1.0.0", window=_WINDOW, predictions=100, labelled=50, **{part: numbers})


@pytest.mark.parametrize(
    ("settings", "report", "level", "reason"),
    [
        pytest.param(_AT_LEAST, _report("accuracy", 0.7, 0.75, 0.79), Level.DRIFT, "QualityTooLow", id="surely below"),
        pytest.param(_AT_LEAST, _report("accuracy", 0.7, 0.75, 0.8), Level.TREND, "QualityInDoubt", id="just in doubt"),
        pytest.param(_AT_LEAST, _report("accuracy", 0.7, 0.8, 0.9), Level.STABLE, "QualityHolds", id="at the limit"),
        pytest.param(_AT_LEAST, _report("auc", 0.1, 0.1, 0.1), Level.NO_DATA, "WaitingForLabels", id="another metric"),
        pytest.param(_AT_LEAST, _report("accuracy", None, 0.1, None), Level.INSUFFICIENT, "TooFewLabels", id="too few"),
        pytest.param(
            _AT_LEAST,
            _report("accuracy", 0.7, 0.75, 0.79, estimated=True),
            Level.MODERATE,
            "EstimateTooLow",
            id="an estimate surely below",
        ),
        pytest.param(
            _AT_LEAST,
            _report("accuracy", 0.9, 0.95, 0.99, estimated=True),
            Level.NO_DATA,
            "WaitingForLabels",
            id="a good estimate proves nothing",
        ),
        pytest.param(_AT_MOST, _report("mae", 2.1, 2.5, 3.0), Level.DRIFT, "QualityTooLow", id="errors surely above"),
        pytest.param(_AT_MOST, _report("mae", 1.0, 1.5, 3.0), Level.STABLE, "QualityHolds", id="errors below"),
    ],
)
def test_quality_is_judged_by_its_interval(
    settings: QualitySettings, report: QualityReport, level: Level, reason: str
) -> None:
    found = judge_quality(report, settings, _WINDOW.until + timedelta(hours=1))

    assert (found.level, found.reason) == (level, reason)


def test_labels_that_came_early_do_not_decide_before_the_others_had_their_time() -> None:
    found = judge_quality(_report("accuracy", 0.1, 0.2, 0.3), _AT_LEAST, _WINDOW.until + timedelta(minutes=59))

    assert (found.level, found.message) == (Level.NO_DATA, "50 of 100 have labels")


def test_the_message_names_the_numbers() -> None:
    found = judge_quality(_report("accuracy", 0.7, 0.75, 0.79), _AT_LEAST, _WINDOW.until + timedelta(hours=1))

    assert found.message == "accuracy 0.75 (0.7 to 0.79) of 50 labelled predictions against at least 0.8"


_CLICK = Followed(request="r1", entity=None, values=(1.0,))


def test_a_rate_counts_requests_and_not_events() -> None:
    followed = [_CLICK, replace(_CLICK, request="r2", values=(1.0, 1.0)), replace(_CLICK, request="r3", values=(0.0,))]

    found = business_rate(followed, requests=10)

    assert (found.rate, found.events) == (wilson(2, 10), 4)


def test_a_sum_is_told_in_all_and_for_each_request() -> None:
    found = business_sum([replace(_CLICK, values=(30.0, 20.0))], requests=100, units=100)

    assert found.total is not None
    assert found.mean is not None
    assert (found.total.value, found.mean.value) == (50.0, 0.5)
    assert found.total.low == 0.0, "a single order may well not have come"


def test_the_interval_of_a_sum_is_that_of_the_normal_law_when_there_are_many() -> None:
    amounts = np.random.default_rng(0).exponential(10, 2000)
    followed = [Followed(request=place, entity=None, values=(amount,)) for place, amount in enumerate(amounts)]

    found = business_sum(followed, requests=20_000, units=20_000)

    all_values = np.append(amounts, np.zeros(18_000))
    half = 1.96 * all_values.std() * math.sqrt(20_000)
    assert found.total is not None
    assert (found.total.low, found.total.high) == pytest.approx((amounts.sum() - half, amounts.sum() + half), rel=0.02)


def test_orders_of_one_customer_are_one_chance() -> None:
    apart = [Followed(request=place, entity=None, values=(10.0,)) for place in range(100)]
    together = [replace(item, entity=str(item.request)[0]) for item in apart]

    single = business_sum(apart, requests=1000, units=1000).total
    grouped = business_sum(together, requests=1000, units=500).total

    assert single is not None
    assert grouped is not None
    assert single.value == grouped.value == 1000
    assert (grouped.high or 0) - (grouped.low or 0) > 2 * ((single.high or 0) - (single.low or 0))


def test_no_requests_have_no_rate_and_no_mean() -> None:
    assert business_rate([], requests=0).rate == Interval(value=None)
    assert business_sum([], requests=0, units=0).mean == Interval(value=None)


def test_an_event_of_zeros_and_ones_is_a_rate() -> None:
    assert kind_of([_CLICK, replace(_CLICK, values=(0.0,))]) == "rate"
    assert kind_of([_CLICK, replace(_CLICK, values=(2.0,))]) == "sum"
