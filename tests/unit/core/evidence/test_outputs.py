"""Answers of two versions: equal ones are never far apart, whatever the hours, and a shift is found at a look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelloop_core.evidence.outputs import Shift, shift_of

BINS = np.full(10, 0.1)
LIMIT, RATE = 0.2, 0.01 / 6


def judged(ours: Any, theirs: Any, limit: float = LIMIT) -> Shift:
    whole = np.ones(len(ours))
    return shift_of(ours, theirs, (whole, whole), limit=limit, rate=RATE)


def drawn(rng: np.random.Generator, sizes: Any, chances: Any) -> Any:
    return rng.multinomial(np.asarray(sizes), chances)


def moved(psi: float) -> Any:
    """Chances of ten bins whose PSI against equal ones is this."""
    low, high = 0.0, 0.099
    for _ in range(60):
        middle = (low + high) / 2
        p = BINS + middle * np.repeat([1.0, -1.0], 5)
        low, high = (middle, high) if float(((p - BINS) * np.log(p / BINS)).sum()) < psi else (low, middle)
    return BINS + low * np.repeat([1.0, -1.0], 5)


def test_equal_answers_are_alike() -> None:
    rng = np.random.default_rng(1)
    found = judged(drawn(rng, [30] * 300, BINS), drawn(rng, [570] * 300, BINS))

    assert found.failed_at is None
    assert found.psi is not None
    assert found.psi < 0.005
    assert found.at_least is None
    assert found.at_most is not None
    assert found.at_most < 0.01


def test_answers_that_differ_by_hour_are_alike_when_the_candidates_share_differs_too() -> None:
    rng = np.random.default_rng(2)
    day, night = BINS, np.roll(np.array([0.46, *[0.06] * 9]), 3)
    ours = np.concatenate([drawn(rng, [50] * 300, day), drawn(rng, [500] * 300, night)])
    theirs = np.concatenate([drawn(rng, [950] * 300, day), drawn(rng, [500] * 300, night)])

    found = judged(ours, theirs)

    assert found.failed_at is None
    assert found.psi is not None
    assert found.psi < 0.01


def test_a_shift_is_found_and_stays_found() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = drawn(rng, [30] * 300, moved(0.6)), drawn(rng, [570] * 300, BINS)
    ours[100:] = drawn(rng, [30] * 200, BINS)

    found = judged(ours, theirs)

    assert found.failed_at is not None
    assert found.failed_at < 40
    assert found.at_least is not None
    assert found.at_least > LIMIT
    assert judged(ours[: found.failed_at], theirs[: found.failed_at]).failed_at is None
    assert judged(ours[: found.failed_at + 1], theirs[: found.failed_at + 1]).failed_at == found.failed_at


def test_at_the_limit_itself_the_level_holds() -> None:
    rng = np.random.default_rng(4)
    failed = [
        judged(drawn(rng, [100] * 60, moved(LIMIT)), drawn(rng, [900] * 60, BINS)).failed_at is not None
        for _ in range(120)
    ]

    # As many happen in 1 of 500 sets when the rate is RATE.
    assert sum(failed) < stats.binom.isf(0.002, 120, RATE) + 1


def test_rows_of_one_request_count_as_one() -> None:
    rng = np.random.default_rng(5)
    ours, theirs = drawn(rng, [30] * 30, moved(0.4)), drawn(rng, [570] * 30, BINS)
    found = shift_of(30 * ours, 30 * theirs, (np.full(30, 1 / 30),) * 2, limit=LIMIT, rate=RATE)
    alone = judged(ours, theirs)

    assert found.sizes == pytest.approx(alone.sizes, abs=1)
    assert found.failed_at == alone.failed_at


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(np.zeros((0, 10), int), np.zeros((0, 10), int), id="no interval"),
        pytest.param(np.zeros((3, 10), int), np.ones((3, 10), int), id="no answer of the candidate"),
        pytest.param(np.ones((3, 10), int), np.zeros((3, 10), int), id="no answer of the live version"),
    ],
)
def test_without_answers_nothing_is_said(ours: Any, theirs: Any) -> None:
    found = judged(ours, theirs)

    assert (found.psi, found.failed_at, found.at_most) == (None, None, None)


def test_one_and_the_same_answer_is_alike() -> None:
    ours = np.zeros((50, 10), dtype=int)
    ours[:, 4] = 40

    assert judged(ours, 9 * ours) == Shift(
        psi=0.0, sizes=(2000, 18000), at_least=None, at_most=pytest.approx(0, abs=0.01)
    )
