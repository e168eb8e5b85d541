"""What a stretch of load at a constant rate amounts to, and how its answers are read."""

from __future__ import annotations

import asyncio

import pytest
from bench.gateway.__main__ import Measured
from bench.gateway.paced import Stretch, percentile_ms, read_answer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-model-version: v1.0.0\r\n\r\n{}"


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(50, 50.0, id="half of them"),
        pytest.param(99, 99.0, id="all but one"),
        pytest.param(99.5, 100.0, id="between two ranks the larger one"),
        pytest.param(100, 100.0, id="the longest"),
    ],
)
def test_a_percentile_is_a_time_that_was_measured(percent: float, expected: float) -> None:
    seconds = [number / 1000 for number in range(100, 0, -1)]

    assert percentile_ms(seconds, percent) == pytest.approx(expected)


def test_a_percentile_of_nothing_is_nothing() -> None:
    assert percentile_ms([], 99) is None


def test_requests_per_core_are_those_answered_by_the_cpu_that_was_booked() -> None:
    stretch = Stretch(waits=[0.002] * 990, lates=[0.0] * 990, failures=["503"] * 10, seconds=1.0)

    found = Measured("predict", 1000, stretch, predictors=0.25, envoy=0.5)

    assert (found.row["req/s"], found.row["failed"]) == (990.0, 10)
    assert (found.cpu["req/s per predictor core"], found.cpu["req/s per Envoy core"]) == (3960.0, 1980.0)


@pytest.mark.parametrize(
    ("waits", "failures", "met"),
    [
        pytest.param([0.05] * 1000, [], [True, True, True], id="all in time"),
        pytest.param([0.05] * 980 + [0.2] * 20, [], [True, False, True], id="two in a hundred late"),
        pytest.param([0.05] * 989, [], [False, True, True], id="too few in the time"),
        pytest.param([0.05] * 999, ["503"], [True, True, False], id="one failed"),
        pytest.param([], ["503"] * 1000, [False, False, False], id="none answered"),
    ],
)
def test_goals_are_rate_latency_and_no_failure(waits: list[float], failures: list[str], met: list[bool]) -> None:
    stretch = Stretch(waits=waits, lates=waits, failures=failures, seconds=1.0)

    found = Measured("predict", 1000, stretch, predictors=1.0, envoy=1.0)

    assert [goal.met for goal in found.goals] == met


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(ANSWER, (200, b"{}"), id="an answer"),
        pytest.param(ANSWER + ANSWER, (200, b"{}"), id="an answer, and no byte of the next"),
        pytest.param(ANSWER.replace(b"200 OK", b"503 Service Unavailable"), (503, b"{}"), id="a refusal"),
    ],
)
def test_an_answer_is_its_status_and_body(sent: bytes, expected: tuple[int, bytes]) -> None:
    assert asyncio.run(_read(sent)) == expected


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        pytest.param(b"", EOFError, id="a closed connection"),
        pytest.param(ANSWER[:-1], EOFError, id="half an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", ValueError, id="no length"),
    ],
)
def test_half_an_answer_or_one_without_a_length_is_none(sent: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        asyncio.run(_read(sent))


async def _read(sent: bytes) -> tuple[int, bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    reader.feed_eof()
    return await read_answer(reader)
