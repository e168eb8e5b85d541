from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from modelloop_core.capture import Capture
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.wire.limits import MOST_PREDICTIONS
from modelloop_predictor.telemetry.predictions import Chooser, Logged, PredictionLog, share_of


@dataclass
class Asking:
    request_id: str
    entity: str | None = None
    count: int = 1


def chosen(capture: Capture, ids: list[str]) -> list[Logged]:
    chooser = Chooser(capture, clock=lambda: 5.0)
    for one in ids:
        chooser.hear([Asking(one, "somebody")], np.array([[1.0, 2.0]]), [0.5])
    return chooser.take()


@pytest.mark.parametrize("form", ["{:032x}", "order-{}", "{}"])
def test_a_share_of_requests_is_chosen_whatever_their_ids_look_like(form: str) -> None:
    ids = [form.format(number) for number in range(20_000)]
    assert 0.095 < sum(share_of(one) < 0.1 for one in ids) / len(ids) < 0.105


def test_the_smaller_sample_lies_within_the_larger_and_is_the_same_everywhere() -> None:
    ids = [f"order-{number}" for number in range(500)]
    found = chosen(Capture(predictions=0.5, features=0.1, max_rows_per_second=1000), ids)
    with_rows = {one.request_id for one in found if one.rows is not None}
    with_answers = {one.request_id for one in found if one.answers is not None}
    assert with_rows < with_answers < set(ids)
    assert with_answers == {one for one in ids if share_of(one) < 0.5}
    assert with_rows == {one for one in ids if share_of(one) < 0.1}


def test_a_request_gets_its_own_rows_of_a_batch() -> None:
    chooser = Chooser(Capture(features=1.0), clock=lambda: 5.0)
    rows = np.array([[1.0], [2.0], [3.0]])
    chooser.hear([Asking("one", "a", 2), Asking("other", "b")], rows, [0.1, 0.2, 0.3])
    first, second = chooser.take()
    assert (first.entity, first.answers, first.rows is not None and first.rows.tolist()) == (
        "a",
        [0.1, 0.2],
        [[1], [2]],
    )
    assert (second.entity, second.answers, second.rows.tolist()) == ("b", [0.3], [[3]])


def test_a_second_has_room_for_so_many_rows_and_the_next_one_again() -> None:
    now = [5.0]
    chooser = Chooser(Capture(max_rows_per_second=3), clock=lambda: now[0])
    for number in range(5):
        chooser.hear([Asking(f"early-{number}")], np.array([[1.0]]), [0.5])
    now[0] = 6.0
    chooser.hear([Asking("late")], np.array([[1.0]]), [0.5])
    assert [one.request_id for one in chooser.take()] == ["early-0", "early-1", "early-2", "late"]
    assert chooser.dropped == 2


def test_an_excluded_entity_is_not_kept() -> None:
    chooser = Chooser(Capture(), clock=lambda: 5.0, entities=False)
    chooser.hear([Asking("one", "somebody")], np.array([[1.0]]), [0.5])
    assert [one.entity for one in chooser.take()] == [None]


_MANY = MulticlassOutput(classes=tuple(f"c{number}" for number in range(21)))


@pytest.mark.parametrize(
    ("output", "answer", "value"),
    [
        pytest.param(BinaryOutput(), 0.25, 0.25, id="a probability"),
        pytest.param(MulticlassOutput(classes=("red", "green")), [0.2, 0.8], [0.2, 0.8], id="a few classes"),
        pytest.param(_MANY, [0.0] * 19 + [0.9, 0.1], "c19", id="the likeliest of many classes"),
        pytest.param(RegressionOutput(), -3.5, -3.5, id="a value"),
        pytest.param(RegressionOutput(names=("low", "high")), [1.0, 2.0], [1.0, 2.0], id="several values"),
    ],
)
def test_what_was_answered_is_logged(output: Output, answer: object, value: object) -> None:
    log = PredictionLog(output)
    log.add([Logged("one", None, 5.0, [answer, answer], None), Logged("features alone", None, 5.0, None, None)])
    assert log.take() == [{"request_id": "one", "row": row, "at": 5.0, "prediction": value} for row in (0, 1)]
    assert log.take() == []


def test_no_post_has_more_predictions_than_it_may() -> None:
    log = PredictionLog(BinaryOutput())
    log.add([Logged("one", None, 5.0, [0.5] * (MOST_PREDICTIONS + 7), None)])
    assert len(log.take()) == MOST_PREDICTIONS
    assert log.dropped == 7
