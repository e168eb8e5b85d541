"""What the demo says about its requests follows from the answers alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from examples.employment import census
from hack.demo.cluster import DemoFailed
from hack.demo.figures import figures
from hack.demo.people import LAUNCHED, OPENED
from hack.demo.report import NEWCOMERS, judge, rows, summary
from hack.demo.story import DAMAGED, FIRST, SECOND, WORSE
from hack.demo.traffic import Answer, Person


def _answers(version: str, part: str, *, age: int = 40, right: bool = True, count: int = 20) -> list[Answer]:
    """Answers 10 ms apart, half of them about the employed, all right or all wrong."""
    found = []
    for number in range(count):
        label = number % 2
        probability = 0.9 if bool(label) == right else 0.1
        person = Person({census.AGE: age}, label)
        at, seconds = number * 0.01, (number + 1) / 1000
        found.append(Answer(person, part, at, seconds, 200, version, probability))
    return found


def _kept_promises() -> list[Answer]:
    return [
        *_answers(FIRST, LAUNCHED),
        *_answers(SECOND, LAUNCHED),
        *_answers(WORSE, LAUNCHED, right=False),
        *_answers(SECOND, OPENED),
        *_answers(SECOND, OPENED, age=20, right=False),
    ]


def test_no_answers_give_zeros() -> None:
    told = figures([])
    assert (told.sent, told.failed, told.accuracy, told.auc, told.p50_ms, told.p99_ms, told.qps) == (0,) * 7


def test_figures_of_answers_that_are_all_right() -> None:
    told = figures(_answers(FIRST, LAUNCHED))
    assert (told.sent, told.failed, told.accuracy, told.auc) == (20, 0, 1.0, 1.0)
    assert told.p50_ms == pytest.approx(10.5)
    assert told.p99_ms == pytest.approx(19)
    assert told.qps == pytest.approx(20 / 0.19)


def test_a_failed_request_counts_as_failed_and_not_as_wrong() -> None:
    first, *others = _answers(FIRST, LAUNCHED)
    told = figures([replace(first, status=503, version="", probability=0.0), *others])
    assert (told.sent, told.failed, told.accuracy) == (20, 1, 1.0)


def test_auc_of_one_class_alone_is_not_told() -> None:
    employed = [answer for answer in _answers(FIRST, LAUNCHED) if answer.person.label]
    assert figures(employed).auc == 0.0


def test_rows_tell_versions_and_populations_apart() -> None:
    told = rows(_kept_promises())
    assert {name: row.sent for name, row in told.items()} == {
        FIRST: 20, SECOND: 20, WORSE: 20, OPENED: 40, NEWCOMERS: 20, "whole": 100,
    }  # fmt: skip
    assert (told[SECOND].accuracy, told[OPENED].accuracy, told[NEWCOMERS].accuracy) == (1.0, 0.5, 0.0)


def test_kept_promises_pass() -> None:
    judge(_kept_promises())


def test_one_failed_request_fails_the_demo_and_is_shown() -> None:
    *others, last = _kept_promises()
    with pytest.raises(DemoFailed, match=r"1 of 100 requests failed; the first: 503 no healthy upstream"):
        judge([*others, replace(last, status=503, error="no healthy upstream")])


def test_an_answer_of_the_damaged_version_fails_the_demo() -> None:
    with pytest.raises(DemoFailed, match=r"1\.3\.0 never"):
        judge([*_kept_promises(), *_answers(DAMAGED, LAUNCHED, count=1)])


def test_a_model_that_does_not_fall_fails_the_demo() -> None:
    launched = [answer for version in (FIRST, SECOND, WORSE) for answer in _answers(version, LAUNCHED)]
    answers = [*launched, *_answers(SECOND, OPENED, age=20)]
    with pytest.raises(DemoFailed, match="worse on people it never saw"):
        judge(answers)


def test_the_summary_names_versions_and_counts() -> None:
    rollouts = {"promoted": {"version": SECOND}, "taken_back": {"version": WORSE}}
    refused = {"version": DAMAGED, "reason": "ChecksumMismatch"}
    told = summary(
        _kept_promises(), **rollouts, refused=refused, noticed={}, requests_per_core=123.0, seconds={"a step": 1.5}
    )
    assert (told["versions"], told["sent"], told["failed"]) == ([FIRST, SECOND, WORSE], 100, 0)
    assert (told["promoted"], told["taken_back"]) == ({"version": SECOND}, {"version": WORSE})
    assert told["refused"]["reason"] == "ChecksumMismatch"
    assert (told["requests_per_core"], told["seconds"]) == (123.0, {"a step": 1.5})
