"""Hours that are over are read once, and all of a span is read exactly once in each answer."""

from __future__ import annotations

import pytest

from modelloop_monitor.rollouts.tallies import HOUR, SETTLED_SECONDS, Tallies
from modelloop_monitor.store.compared import Bucket, Span

NOON = 12 * HOUR


class Log:
    """A bucket for each minute of a span, and the spans that were read."""

    def __init__(self) -> None:
        self.read_from: list[tuple[float, float]] = []

    def __call__(self, span: Span) -> list[Bucket]:
        self.read_from.append((span.since, span.until))
        return [Bucket("1.0.0", minute, 1) for minute in range(-(-int(span.since) // 60), -(-int(span.until) // 60))]


def a_span(since: float, until: float) -> Span:
    return Span(("shop", "churn"), ("1.1.0", "1.0.0"), since, until, 60)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        pytest.param(NOON, NOON, id="nothing"),
        pytest.param(NOON + 60, NOON + 120, id="within an hour"),
        pytest.param(NOON + 60, NOON + 5 * HOUR + 60, id="parts of hours at both ends"),
        pytest.param(NOON, NOON + 5 * HOUR, id="whole hours"),
        pytest.param(NOON, NOON + SETTLED_SECONDS, id="an hour that is not over"),
        pytest.param(NOON + 120, NOON - 60, id="before its beginning"),
    ],
)
def test_each_minute_is_in_the_answer_once(since: float, until: float) -> None:
    tallies, log = Tallies(), Log()
    for _ in range(2):
        found = tallies.read(a_span(since, until), "requests", log)
        assert [bucket.interval for bucket in found] == list(range(int(since) // 60, int(until) // 60))


def test_what_is_over_is_not_read_again_and_the_rest_is() -> None:
    tallies, log = Tallies(), Log()
    tallies.read(a_span(NOON + 60, NOON + 4 * HOUR + 60), "requests", log)
    log.read_from.clear()
    tallies.read(a_span(NOON + 60, NOON + 4 * HOUR + 120), "requests", log)

    assert log.read_from == [(NOON + 60, NOON + HOUR), (NOON + 3 * HOUR, NOON + 4 * HOUR + 120)]


def test_other_questions_are_other_hours_and_few_are_kept() -> None:
    tallies, log = Tallies(most=1), Log()
    for what in ("requests", "clicks", "requests"):
        tallies.read(a_span(NOON, NOON + 2 * HOUR), what, log)

    assert log.read_from.count((NOON, NOON + HOUR)) == 3
