from __future__ import annotations

from modelloop_core.api.requests import PersonRequest
from modelloop_core.api.status import HandledRequest


def _answer(identity: str) -> HandledRequest:
    return HandledRequest(id=identity, verb="retry", outcome="Done", message="done", at="2026-01-01T00:00:00Z")


def _asked(identity: str) -> PersonRequest:
    return PersonRequest(id=identity, verb="retry")


def test_answers_are_carried_along_by_all_that_follow_and_the_oldest_fall_off() -> None:
    written, handled = _asked("0"), None
    for number in range(1, 12):
        handled = _answer(str(number - 1))
        written = _asked(str(number)).following(written.model_dump_json(), handled)
    assert [answer.id for answer in written.after] == ["3", "4", "5", "6", "7", "8", "9", "10"]


def test_an_answer_is_carried_once_though_two_tried_to_follow_it() -> None:
    first = _asked("1").following("", _answer("0"))
    assert [answer.id for answer in _asked("2").following(first.model_dump_json(), _answer("0")).after] == ["0"]


def test_an_annotation_that_cannot_be_read_carries_nothing() -> None:
    assert _asked("1").following("refresh please", None).after == ()
