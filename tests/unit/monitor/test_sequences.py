"""Each number is taken once, in whatever order it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelloop_monitor.sequences import MOST_AHEAD, Sequences


def _after(numbers: list[int]) -> tuple[Sequences, int]:
    state, applied = Sequences(), 0
    for number in numbers:
        if not state.has(number):
            state, applied = state.with_number(number), applied + 1
    return state, applied


@given(st.lists(st.integers(0, 40), max_size=80))
def test_every_number_is_applied_exactly_once(numbers: list[int]) -> None:
    state, applied = _after(numbers)
    assert applied == len(set(numbers))
    assert all(state.has(number) == (number in numbers) for number in range(41))
    assert state.missing == (max(numbers, default=-1) + 1 - len(set(numbers)))


def test_in_order_nothing_is_remembered_but_the_next() -> None:
    assert _after(list(range(1000)))[0] == Sequences(1000)


def test_a_gap_that_is_too_old_is_given_up_and_counted() -> None:
    state, _ = _after([*range(3, 3 + MOST_AHEAD)])
    assert (state.missing, state.lost) == (3, 0)
    state = state.with_number(3 + MOST_AHEAD)
    assert state == Sequences(4 + MOST_AHEAD, (), lost=3)
    assert state.has(1)


def test_a_huge_number_costs_nothing() -> None:
    assert Sequences().with_number(2**53).missing == 2**53
