from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fakes.held_loop import HeldLoop, HeldThread
from modelloop_core.feature_schema import BinaryOutput, NumericFeature, Signature
from modelloop_core.inference import Float64s, ModelFailed, OutOfMemory, Scorer
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Preprocessing
from modelloop_predictor.parsing import parse
from modelloop_predictor.problems import DEADLINE, INVALID, QUEUE_FULL, ProblemError
from modelloop_predictor.scoring import Limits, Scoring
from modelloop_predictor.version import LoadedVersion, open_version
from support import model_files
from support.predictor_inside import settings_for
from support.published import publish

LARGEST = 100.0
SIGNATURE = Signature(
    inputs=(NumericFeature(name="first", maximum=LARGEST), NumericFeature(name="second")), output=BinaryOutput()
)


class Sums:
    """A model that answers a row with its sum; raises for a batch in which a first value is negative."""

    open_ended = False

    def __init__(self, error: Callable[[], Exception] = lambda: ModelFailed("a negative value")) -> None:
        self.forwards: list[int] = []
        self._error = error

    def predict(self, matrix: Any) -> Any:
        self.forwards.append(len(matrix))
        if (matrix[:, 0] < 0).any():
            raise self._error()
        return matrix.sum(axis=1)


class Asked:
    """A request with a JSON body, read as the hot path reads it; keeps every outcome it hears of."""

    request_id, entity, live = "asked", None, True

    def __init__(self, version: LoadedVersion, rows: list[list[float]], *, quickly: bool = True) -> None:
        self.version = version
        self.deadline = 0.0
        self.left = False
        self.outcomes: list[Any] = []
        self._body = json.dumps({"instances": rows}).encode()
        quick = version.fast.decode(self._body) if quickly else None
        self.cells = None if quick is None else quick.cells
        self.count = len(rows)

    @property
    def settled(self) -> bool:
        return self.left or bool(self.outcomes)

    def rows(self) -> Float64s:
        return self.version.rows.read(parse(self._body, "user_id"))

    def answer(self, values: list[Any]) -> None:
        self.outcomes.append(values)

    def fail(self, error: Exception) -> None:
        self.outcomes.append(error)

    @property
    def failure(self) -> Any:
        """The one problem it ended in."""
        (outcome,) = self.outcomes
        assert isinstance(outcome, Exception), outcome
        return outcome


class Desk:
    """A scoring with a held loop and thread, over a model that sums."""

    def __init__(self, opened: LoadedVersion, *, quick: bool, model: Sums | None = None, **limits: Any) -> None:
        self.loop, self.thread, self.model = HeldLoop(), HeldThread(), model or Sums()
        self.clock = 0.0
        scorer = Scorer(SIGNATURE, Preprocessing(), self.model)
        self.version = dataclasses.replace(opened, scorer=scorer, quick=quick)
        self.batches: list[int] = []
        given = {"max_rows": 8, "max_delay": 0.0, "max_waiting": 10, "timeout": 1.0, **limits}
        self.scoring = Scoring(self.thread, Limits(**given), self.batches.append, lambda: self.clock)

    def ask(self, *rows: list[float], quickly: bool = True) -> Asked:
        """Ask for some rows; what came of it is kept by what is returned."""
        asked = Asked(self.version, list(rows), quickly=quickly)
        try:
            self.scoring.ask(asked, self.loop)
        except ProblemError as problem:
            asked.fail(problem)
        return asked


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    folder = tmp_path_factory.mktemp("scoring")
    model = model_files.onnx_logistic(folder / ModelFormat.ONNX.value, 2)
    publish(folder / "registry", model, SIGNATURE)
    return open_version(folder / "registry" / "versions" / "1.2.3", settings_for(folder))


class Open:
    """Makes desks."""

    def __init__(self, opened: LoadedVersion) -> None:
        self._opened = opened

    def __call__(self, *, quick: bool = True, model: Sums | None = None, **limits: Any) -> Desk:
        return Desk(self._opened, quick=quick, model=model, **limits)


@pytest.fixture
def desk(opened: LoadedVersion) -> Open:
    return Open(opened)


def test_what_is_asked_in_one_turn_shares_a_forward_and_each_gets_its_own(desk: Open) -> None:
    at = desk()
    asked = [at.ask([0.1, 0.2]), at.ask([0.3, 0.0], [0.0, 0.5]), at.ask([0.4, 0.4])]
    assert at.model.forwards == []
    at.loop.turn()
    assert at.model.forwards == at.batches == [4]
    assert [np.round(a.outcomes, 6).tolist() for a in asked] == [[[0.3]], [[0.3, 0.5]], [[0.8]]]


def test_what_is_asked_while_the_model_works_shares_the_next_forward(desk: Open) -> None:
    at = desk(quick=False)
    first = at.ask([0.1, 0.0])
    at.loop.turn()
    second, third = at.ask([0.2, 0.0]), at.ask([0.3, 0.0])
    at.loop.turn()
    assert len(at.thread.calls) == 1
    at.thread.work()
    at.thread.work()
    assert at.model.forwards == [1, 2]
    assert [len(asked.outcomes) for asked in (first, second, third)] == [1, 1, 1]


def test_a_quick_model_needs_no_thread_and_another_always_does(desk: Open) -> None:
    quick, slow = desk(quick=True), desk(quick=False)
    asked = [quick.ask([0.1, 0.0]), slow.ask([0.1, 0.0])]
    quick.loop.turn()
    slow.loop.turn()
    assert (len(asked[0].outcomes), len(quick.thread.calls)) == (1, 0)
    assert (len(asked[1].outcomes), len(slow.thread.calls)) == (0, 1)


def test_a_batch_has_no_more_rows_than_its_bound_and_splits_no_request(desk: Open) -> None:
    at = desk(max_rows=4)
    asked = [at.ask(*[[0.1, 0.0]] * count) for count in (3, 2, 1, 1, 4)]
    at.loop.turn()
    assert at.model.forwards == [3, 4, 4]
    assert [len(a.outcomes[0]) for a in asked] == [3, 2, 1, 1, 4]


def test_a_request_larger_than_a_batch_is_cut_in_blocks_in_the_thread(desk: Open) -> None:
    at = desk(max_rows=4)
    large, after = at.ask(*[[number / 10, 0.0] for number in range(10)]), at.ask([0.5, 0.0])
    at.loop.turn()
    assert (at.model.forwards, large.outcomes) == ([], [])
    at.thread.work()
    assert sorted(at.model.forwards) == [1, 2, 4, 4]
    assert np.round(large.outcomes[0], 6).tolist() == [number / 10 for number in range(10)]
    assert len(after.outcomes) == 1


class _Leaving(Sums):
    """A model during whose second block its caller's time is over."""

    caller: Asked

    def predict(self, matrix: Any) -> Any:
        self.caller.left = len(self.forwards) == 1
        return super().predict(matrix)


def test_a_large_request_that_is_overdue_is_left_after_the_block_it_is_in(desk: Open) -> None:
    at = desk(max_rows=4, model=_Leaving())
    assert isinstance(at.model, _Leaving)
    at.model.caller = at.ask(*[[number / 10, 0.0] for number in range(40)])
    at.loop.turn()
    at.thread.work()
    assert at.model.forwards == [4, 4]
    assert at.model.caller.outcomes == []


@pytest.mark.parametrize("quick", [True, False], ids=["on the loop", "in the thread"])
@pytest.mark.parametrize("error", [ModelFailed, OutOfMemory, ValueError])
def test_a_request_on_which_the_model_raises_costs_only_itself(desk: Open, quick: bool, error: type[Exception]) -> None:
    at = desk(quick=quick, model=Sums(lambda: error("a negative value")))
    good, bad, other = at.ask([0.1, 0.0]), at.ask([-1.0, 0.0]), at.ask([0.2, 0.0])
    at.loop.turn()
    if not quick:
        at.thread.work()
    assert [np.round(a.outcomes, 6).tolist() for a in (good, other)] == [[[0.1]], [[0.2]]]
    assert type(bad.failure) is error
    assert at.model.forwards == [3, 1, 1, 1]


def test_a_request_out_of_bounds_costs_only_itself_and_its_field_is_named(desk: Open) -> None:
    at = desk()
    good, bad, other = at.ask([0.1, 0.0]), at.ask([0.1, 0.0], [LARGEST + 1, 0.0]), at.ask([0.2, 0.0])
    at.loop.turn()
    assert [np.round(a.outcomes, 6).tolist() for a in (good, other)] == [[[0.1]], [[0.2]]]
    assert bad.failure.kind is INVALID
    assert [error.field for error in bad.failure.errors] == ["instances[1][0]"]
    assert at.model.forwards == [2]


def test_requests_read_the_slow_way_share_the_batch_of_the_others(desk: Open) -> None:
    at = desk()
    asked = [at.ask([0.1, 0.0]), at.ask([0.2, 0.0], quickly=False), at.ask([LARGEST, 0.5 - LARGEST])]
    at.loop.turn()
    assert at.model.forwards == [3]
    assert [len(a.outcomes) for a in asked] == [1, 1, 1]


def test_when_all_of_a_batch_are_out_of_bounds_the_model_is_not_asked(desk: Open) -> None:
    at = desk()
    asked = [at.ask([LARGEST + 1, 0.0]), at.ask([LARGEST + 2, 0.0])]
    at.loop.turn()
    assert [a.failure.kind for a in asked] == [INVALID, INVALID]
    assert at.model.forwards == []


def test_a_delay_lets_a_batch_gather(desk: Open) -> None:
    at = desk(max_delay=0.01)
    first = at.ask([0.1, 0.0])
    at.loop.advance(0.009)
    second = at.ask([0.2, 0.0])
    assert at.model.forwards == []
    at.loop.advance(0.0011)
    assert at.model.forwards == [2]
    assert len(first.outcomes) == len(second.outcomes) == 1


def test_a_full_batch_waits_for_no_delay_and_the_next_one_gets_its_own(desk: Open) -> None:
    at = desk(max_delay=0.01, max_rows=2)
    at.ask([0.1, 0.0])
    at.loop.advance(0.005)
    at.ask([0.2, 0.0])
    assert at.model.forwards == [2]
    at.ask([0.3, 0.0])
    at.loop.advance(0.009)
    assert at.model.forwards == [2]
    at.loop.advance(0.002)
    assert at.model.forwards == [2, 1]


def test_a_full_queue_is_refused_with_retry_after_and_is_free_again_afterwards(desk: Open) -> None:
    at = desk(quick=False, max_waiting=2)
    kept = [at.ask([0.1, 0.0])]
    at.loop.turn()
    kept.append(at.ask([0.2, 0.0]))
    refused = at.ask([0.3, 0.0])
    assert (refused.failure.kind, refused.failure.headers) == (QUEUE_FULL, {"retry-after": "1"})
    assert at.scoring.waiting == 2
    at.thread.work()
    at.thread.work()
    assert ([len(a.outcomes) for a in kept], at.scoring.waiting) == ([1, 1], 0)
    assert not at.ask([0.4, 0.0]).outcomes


def test_behind_a_model_that_hangs_each_request_meets_its_own_deadline(desk: Open) -> None:
    at = desk(quick=False, max_waiting=2)
    hung = at.ask([0.1, 0.0])
    at.loop.advance(0.4)
    behind = at.ask([0.2, 0.0])
    at.loop.advance(0.59)
    assert (hung.outcomes, behind.outcomes) == ([], [])
    at.loop.advance(0.02)
    assert hung.failure.kind is DEADLINE
    assert behind.outcomes == []
    at.loop.advance(0.4)
    assert behind.failure.kind is DEADLINE
    assert at.scoring.waiting == 0
    late = [at.ask([0.3, 0.0]), at.ask([0.4, 0.0])]
    at.thread.work()
    at.thread.work()
    assert [len(a.outcomes) for a in (hung, behind, *late)] == [1, 1, 1, 1]
    assert at.model.forwards == [1, 2]


def test_whoever_has_left_costs_no_forward(desk: Open) -> None:
    at = desk()
    gone, there = at.ask([0.1, 0.0]), at.ask([0.2, 0.0])
    gone.left = True
    at.loop.turn()
    assert (at.model.forwards, gone.outcomes, len(there.outcomes)) == ([1], [], 1)


def test_when_all_that_wait_have_left_whoever_is_in_the_model_is_still_answered(desk: Open) -> None:
    at = desk(quick=False)
    running = at.ask([0.1, 0.0])
    at.loop.turn()
    at.ask([0.2, 0.0]).left = True
    at.thread.work()
    assert len(running.outcomes) == 1
    assert (at.model.forwards, at.scoring.waiting) == ([1], 0)


class _Unanswerable(Asked):
    def answer(self, values: list[Any]) -> None:
        raise KeyError("this answer cannot be written")


def test_an_answer_that_cannot_be_written_costs_only_its_own_request(desk: Open) -> None:
    at = desk()
    odd = _Unanswerable(at.version, [[0.1, 0.0]])
    at.scoring.ask(odd, at.loop)
    other = at.ask([0.2, 0.0])
    at.loop.turn()
    assert (type(odd.failure), len(other.outcomes)) == (KeyError, 1)


class _Unreadable(Asked):
    def rows(self) -> Float64s:
        raise KeyError("these rows cannot be read")


def test_rows_that_cannot_be_read_cost_only_their_own_request(desk: Open) -> None:
    at = desk()
    odd = _Unreadable(at.version, [[0.1, 0.0]], quickly=False)
    at.scoring.ask(odd, at.loop)
    other = at.ask([0.2, 0.0])
    at.loop.turn()
    assert (type(odd.failure), len(other.outcomes)) == (KeyError, 1)


class _Costly(Asked):
    """A request whose failing takes 2 ms, as where a fallback answers."""

    desk: Desk

    def fail(self, error: Exception) -> None:
        super().fail(error)
        self.desk.clock += 0.002


def test_those_whose_time_is_over_are_answered_a_few_at_a_time(desk: Open) -> None:
    at = desk(quick=False, max_waiting=100)
    late = [_Costly(at.version, [[0.1, 0.0]]) for _ in range(30)]
    for question in late:
        question.desk = at
        at.scoring.ask(question, at.loop)
    others: list[int] = []

    def other() -> None:
        others.append(sum(question.settled for question in late))
        if others[-1] < len(late) and len(others) < 99:
            at.loop.call_soon(other)

    at.loop.call_at(at.loop.time() + 1.0, other)
    at.loop.advance(1.0)
    assert [question.failure.kind for question in late] == [DEADLINE] * 30
    assert max(np.diff([0, *others])) <= 3
    assert at.scoring.waiting == 0


class _Slowly(Sums):
    """A model that takes 2 ms."""

    desk: Desk

    def predict(self, matrix: Any) -> Any:
        self.desk.clock += 0.002
        return super().predict(matrix)


def test_many_batches_of_a_quick_model_let_others_get_their_turn(desk: Open) -> None:
    at = desk(max_rows=1, max_waiting=100, model=_Slowly())
    assert isinstance(at.model, _Slowly)
    at.model.desk = at
    asked = [at.ask([0.1, 0.0]) for _ in range(30)]
    others: list[int] = []

    def other() -> None:
        others.append(len(at.model.forwards))
        if others[-1] < len(asked) and len(others) < 99:
            at.loop.call_soon(other)

    at.loop.call_soon(other)
    at.loop.turn()
    assert [len(question.outcomes) for question in asked] == [1] * 30
    assert max(np.diff([0, *others])) <= 4


def test_one_alarm_serves_all_requests(desk: Open) -> None:
    at = desk()
    for _ in range(1000):
        at.ask([0.1, 0.0])
        at.loop.turn()
    assert at.loop.scheduled < 5
