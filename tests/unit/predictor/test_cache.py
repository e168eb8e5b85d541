"""What is answered from the cache, for how long, and what is never kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fakes.held_loop import HeldLoop, HeldThread
from modelloop_core.inference import Float64s, ModelFailed
from modelloop_predictor.accounts import Exchange
from modelloop_predictor.answers import Values
from modelloop_predictor.caching import CachedScoring
from modelloop_predictor.metrics import RequestTally
from modelloop_predictor.model_thread import ModelThread
from modelloop_predictor.predicting import _Awaited
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.recent import RecentAnswers
from modelloop_predictor.scoring import Limits, Scoring
from modelloop_predictor.shared_answers import Entry
from modelloop_predictor.version import LoadedVersion
from support import model_files
from support.open_inference import infer, tensor
from support.predictor_inside import Predictor, Start
from support.published import THREE_CLASSES
from support.replaced_model import hanging, replace_model

ROW = {"features": [1, 2]}


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(predictor: Predictor, answer: float = 0.25) -> list[int]:
    """Let a function answer that notes how many rows each forward has."""
    forwards: list[int] = []

    def count(rows: Float64s) -> Float64s:
        forwards.append(len(rows))
        return np.full(len(rows), answer)

    replace_model(predictor, count)
    return forwards


def raising(error: Exception) -> Callable[[Float64s], Float64s]:
    """A model that does nothing else."""

    def fail(rows: Float64s) -> Float64s:
        raise error

    return fail


def test_what_was_answered_is_not_asked_again(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10)
    forwards = counting(predictor)
    answers = [predictor.predict({**ROW, "request_id": f"r{number}", "user_id": number}) for number in range(3)]
    assert [answer.json() for answer in answers] == [
        {"prediction": 0.25, "model_version": "v1.2.3", "request_id": f"r{number}"} for number in range(3)
    ]
    assert forwards == [1]
    assert (predictor.metric("cache_hits_total"), predictor.metric("cache_misses_total")) == (2, 1)
    assert predictor.metric("predictions_total") == 3


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"features": [2, 1]}, id="other values"),
        pytest.param({"features": [1, 2.0000001]}, id="a value a little different"),
        pytest.param({"instances": [[1, 2], [1, 2]]}, id="more rows"),
    ],
)
def test_another_request_is_another_entry(started: Start, other: dict[str, Any]) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10)
    forwards = counting(predictor)
    predictor.predict(ROW)
    predictor.predict(other)
    assert len(forwards) == 2


def test_the_same_rows_are_the_same_however_they_are_written(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10)
    forwards = counting(predictor)
    for body in (ROW, {"features": {"second": 2.0, "first": 1}}, {"instances": [[1, 2]]}):
        assert predictor.predict(body).status_code == 200
    assert infer(predictor, [tensor("features", "FP32", [1, 2], [1, 2])]).json()["outputs"][0]["data"] == [0.25]
    assert forwards == [1]


def test_off_by_default(started: Start) -> None:
    predictor = started(model_files.Logistic())
    forwards = counting(predictor)
    predictor.predict(ROW)
    predictor.predict(ROW)
    assert forwards == [1, 1]
    assert predictor.serving.questions is predictor.serving.scoring


def test_the_same_asked_at_once_is_one_forward(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10)
    forwards = counting(predictor)
    many = [("POST", "/predict", {"json": {"features": [number % 2, 0]}}) for number in range(20)]
    assert {answer.status_code for answer in predictor.ask_all(many)} == {200}
    assert sum(forwards) == 2


def test_invalid_requests_are_refused_as_without_a_cache(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10)
    for body in ({"features": [1]}, {"features": [1, 1e39]}, {}):
        assert predictor.predict(body).status_code == 422
    assert predictor.metric("cache_misses_total") == 0


def test_errors_and_fallbacks_are_not_kept(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10, fallback={"constant": 0.5})

    replace_model(predictor, raising(ModelFailed("raised")))
    answers = [predictor.predict(ROW) for _ in range(2)]
    assert [answer.headers["x-model-fallback"] for answer in answers] == ["ModelFailed"] * 2
    counting(predictor)
    assert predictor.predict(ROW).json()["prediction"] == 0.25


def test_who_asks_the_same_keeps_a_deadline_of_his_own(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10, timeout_seconds=0.2)
    with hanging(predictor):
        found = predictor.ask_all([("POST", "/predict", {"json": ROW})] * 3)
    assert {(answer.status_code, answer.json()["reason"]) for answer in found} == {(504, "DeadlineExceeded")}
    counting(predictor)
    assert predictor.predict(ROW).status_code == 200


def test_those_who_wait_for_the_same_are_bounded_too(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10, timeout_seconds=0.2, max_queue=2)
    with hanging(predictor):
        found = predictor.ask_all([("POST", "/predict", {"json": ROW})] * 5)
    assert sorted(answer.status_code for answer in found) == [503, 503, 503, 504, 504]


def test_a_full_queue_leaves_nothing_behind_that_others_would_wait_for(started: Start) -> None:
    predictor = started(model_files.Logistic(), cache_max_entries=10, timeout_seconds=0.2, max_queue=1)
    with hanging(predictor):
        bodies = [{"features": [1, 1]}, {"features": [2, 2]}, {"features": [2, 2]}]
        found = predictor.ask_all([("POST", "/predict", {"json": body}) for body in bodies])
    assert [answer.status_code for answer in found] == [504, 503, 503]


def test_classes_come_back_whole(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES, cache_max_entries=10)
    first, again = (predictor.predict({"features": [0, 5], "request_id": "r"}) for _ in range(2))
    assert first.json() == again.json()
    assert predictor.metric("cache_hits_total") == 1


def test_the_least_recently_used_makes_room() -> None:
    recent = RecentAnswers(3, Clock())
    for key in (b"a", b"b", b"c"):
        recent.put(key, [0.1], 60)
    assert recent.get(b"a") == [0.1]
    recent.put(b"d", [0.4], 60)
    assert [recent.get(key) for key in (b"a", b"b", b"c", b"d")] == [[0.1], None, [0.1], [0.4]]


def test_room_is_counted_in_rows() -> None:
    recent = RecentAnswers(3, Clock())
    recent.put(b"a", [0.1], 60)
    recent.put(b"b", [0.2] * 3, 60)
    recent.put(b"too large", [0.3] * 4, 60)
    assert [recent.get(key) for key in (b"a", b"b", b"too large")] == [None, [0.2] * 3, None]


def test_an_answer_is_gone_when_its_time_is_over() -> None:
    clock = Clock()
    recent = RecentAnswers(3, clock)
    recent.put(b"a", [0.1], 60)
    clock.now = 59.9
    assert recent.get(b"a") == [0.1]
    clock.now = 60.0
    assert recent.get(b"a") is None


class Shared:
    """A shared cache in memory that obeys the port; `lost` makes it as if it were away."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.lost = False
        self._brought = asyncio.Event()

    async def exchange(self, keys: Sequence[bytes], entries: Sequence[Entry]) -> list[Entry | None]:
        await asyncio.sleep(0)
        if self.lost:
            return [None] * len(keys)
        self.entries |= {entry.key: entry for entry in entries}
        self._brought.set()
        return [self.entries.get(key) for key in keys]

    async def holds(self, count: int) -> None:
        """Wait until so many answers have been brought here."""
        async with asyncio.timeout(10):
            while len(self.entries) < count:
                self._brought.clear()
                await self._brought.wait()


def cached(predictor: Predictor, shared: Shared, clock: Clock) -> CachedScoring:
    """A cache of its own over the predictor's version and the shared one, as another pod has it."""
    thread = ModelThread()
    thread.start()
    scoring = Scoring(thread, Limits(64, 0.0, 100, 20.0), lambda _: None)
    tally = RequestTally()
    return CachedScoring(scoring, tally, most_rows=10, seconds=60, shared=shared, clock=clock)


EXCHANGE = Exchange("asked", None, "/predict")


async def ask(cache: CachedScoring, version: LoadedVersion, *rows: list[float]) -> list[Values | ProblemError]:
    """One question for each row, all in the same moment."""
    loop = asyncio.get_running_loop()
    outcomes: list[asyncio.Future[Values]] = [loop.create_future() for _ in rows]
    for row, outcome in zip(rows, outcomes, strict=True):
        cache.ask(_Awaited(version, np.array([row]), EXCHANGE, outcome), loop)
    return list(await asyncio.gather(*outcomes))


def test_a_deadline_that_is_over_is_not_that_of_who_came_later(started: Start) -> None:
    predictor = started(model_files.Logistic(), timeout_seconds=0.05, cache_max_entries=10)

    async def story() -> None:
        loop, version = asyncio.get_running_loop(), predictor.serving.version
        assert version is not None
        early, late = (_Awaited(version, np.array([[1.0, 2.0]]), EXCHANGE, loop.create_future()) for _ in range(2))
        with hanging(predictor):
            version = predictor.serving.version
            assert version is not None
            early.version = late.version = version
            predictor.serving.questions.ask(early, loop)
            predictor.serving.questions.ask(late, loop)
            late.deadline += 1000
            with pytest.raises(ProblemError, match="DeadlineExceeded"):
                await early._outcome
            assert not late.settled
        assert await late._outcome == [0.0]

    asyncio.run(story())


class Costly(_Awaited):
    """A question whose failing takes 2 ms, as where a fallback answers."""

    clock: Clock

    def fail(self, error: Exception) -> None:
        super().fail(error)
        self.clock.now += 0.002


@pytest.mark.parametrize("late", [True, False], ids=["late", "failed"])
def test_a_failure_that_many_share_is_told_to_a_few_at_a_time(started: Start, late: bool) -> None:
    predictor = started(model_files.Logistic())
    replace_model(predictor, raising(ModelFailed("raised")))
    version, clock, loop, thread = predictor.serving.version, Clock(), HeldLoop(), HeldThread()
    assert version is not None
    scoring = Scoring(thread, Limits(64, 0.0, 100, 1.0), lambda _: None, clock)
    cache = CachedScoring(scoring, RequestTally(), most_rows=10, seconds=60, clock=clock)
    others: list[int] = []

    async def story() -> None:
        outcomes: list[asyncio.Future[Values]] = [asyncio.get_running_loop().create_future() for _ in range(30)]
        for outcome in outcomes:
            question = Costly(version, np.array([[1.0, 2.0]]), EXCHANGE, outcome)
            question.clock = clock
            cache.ask(question, loop)

        def other() -> None:
            others.append(sum(outcome.done() for outcome in outcomes))
            if others[-1] < len(outcomes) and len(others) < 99:
                loop.call_soon(other)

        loop.turn()
        loop.call_at(loop.time() + late, other)
        if late:
            loop.advance(1.0)
        else:
            thread.work()
            loop.turn()
        assert len({type(outcome.exception()) for outcome in outcomes}) == 1

    asyncio.run(story())
    assert max(np.diff([0, *others])) <= 3


def test_nobody_joins_a_flight_that_never_began(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_queue=1, cache_max_entries=10)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        with hanging(predictor):
            version = predictor.serving.version
            assert version is not None
            first, *others = (
                _Awaited(version, np.array([[row, 2.0]]), EXCHANGE, loop.create_future()) for row in (1.0, 2.0, 2.0)
            )
            predictor.serving.questions.ask(first, loop)
            kept = []
            for question in others:
                # The error's traceback keeps the refused flight alive, as an error that is being logged does.
                with pytest.raises(ProblemError, match="QueueFull") as refused:
                    predictor.serving.questions.ask(question, loop)
                kept.append(refused)
                assert "wait for the model" in str(refused.value)
        await first._outcome

    asyncio.run(story())


def test_a_pod_takes_over_what_another_has_answered_for_the_life_that_is_left(started: Start) -> None:
    predictor, shared, clock = started(model_files.Logistic()), Shared(), Clock()
    forwards = counting(predictor)
    version = predictor.serving.version
    assert version is not None

    async def story() -> None:
        one, other = cached(predictor, shared, clock), cached(predictor, shared, clock)
        await ask(one, version, [1, 2], [1, 2], [3, 4])
        await shared.holds(2)
        assert sum(forwards) == 2
        # 59 of its 60 seconds are over when the other pod meets it.
        shared.entries = {key: entry._replace(seconds=1.0) for key, entry in shared.entries.items()}
        assert await ask(other, version, [1, 2]) == [[0.25]]
        shared.lost = True
        clock.now = 0.9
        assert await ask(other, version, [1, 2]) == [[0.25]]
        assert sum(forwards) == 2
        clock.now = 1.0
        await ask(other, version, [1, 2])
        assert sum(forwards) == 3

    asyncio.run(story())


def test_a_shared_answer_of_another_shape_is_not_believed(started: Start) -> None:
    predictor, shared = started(model_files.Logistic()), Shared()
    forwards = counting(predictor)
    version = predictor.serving.version
    assert version is not None

    async def story() -> None:
        await ask(cached(predictor, shared, Clock()), version, [1, 2])
        await shared.holds(1)
        shared.entries = {key: entry._replace(values=[0.1, 0.2]) for key, entry in shared.entries.items()}
        assert await ask(cached(predictor, shared, Clock()), version, [1, 2]) == [[0.25]]

    asyncio.run(story())
    assert forwards == [1, 1]
