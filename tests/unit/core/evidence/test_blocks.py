"""Blocks have some of every group, from one hour, and stay as they are whatever comes later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelloop_core.evidence.blocks import Arrivals, Blocks, deal, means_of

_ITEMS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=25).map(sorted)


def arrivals(*items: tuple[int, int]) -> Arrivals:
    """Items by interval and hour."""
    table = np.array(items, dtype=np.int64).reshape(-1, 2)
    return Arrivals(table[:, 0], table[:, 1])


@given(st.lists(_ITEMS, min_size=2, max_size=4))
def test_each_block_has_some_of_every_group_and_of_one_hour_alone(groups: list[list[tuple[int, int]]]) -> None:
    found = [arrivals(*items) for items in groups]
    dealt = deal(found)

    for number in range(len(dealt.interval)):
        places = [np.flatnonzero(block == number) for block in dealt.block]
        assert all(len(some) for some in places)
        assert min(len(some) for some in places) == 1
        assert len({int(group.hour[place]) for group, some in zip(found, places, strict=True) for place in some}) == 1
        last = max(int(group.interval[some].max()) for group, some in zip(found, places, strict=True))
        assert last == dealt.interval[number]
    assert (np.diff(dealt.interval) >= 0).all()


@given(st.lists(_ITEMS, min_size=2, max_size=3), st.integers(0, 12))
def test_what_comes_later_changes_no_block(groups: list[list[tuple[int, int]]], now: int) -> None:
    whole = deal([arrivals(*items) for items in groups])
    early = deal([arrivals(*(item for item in items if item[0] < now)) for items in groups])

    assert list(early.interval) == [interval for interval in whole.interval if interval < now]
    for before, after in zip(early.block, whole.block, strict=True):
        assigned = before >= 0
        np.testing.assert_array_equal(after[: len(before)][assigned], before[assigned])


def test_the_fewest_are_one_to_a_block_and_the_others_are_spread() -> None:
    dealt = deal([arrivals((1, 0), (1, 0)), arrivals(*[(1, 0)] * 5)])

    assert [list(block) for block in dealt.block] == [[0, 1], [0, 0, 0, 1, 1]]


def test_means_of_blocks() -> None:
    mean, count = means_of(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, -1, 1]), 2)

    assert (list(mean), list(count)) == ([2.0, 7.0], [2.0, 1.0])


def _blocks(ours: float, theirs: float, **changes: Any) -> Blocks:
    random = np.random.default_rng(3)
    count = changes.pop("count", 4000)
    sides = [random.binomial(1, rate, count).astype(np.float64) for rate in (ours, theirs)]
    return Blocks(*sides, np.full(count, 0.5), np.arange(count), **{"higher": True, "bound": 1.0, **changes})


@pytest.mark.parametrize("bound", [1.0, None])
@pytest.mark.parametrize("higher", [True, False])
def test_the_interval_holds_the_difference_and_leaves_out_what_is_not_there(bound: float | None, higher: bool) -> None:
    low, high = _blocks(0.3, 0.2, bound=bound, higher=higher).interval_at(40.0)

    assert low is not None
    assert high is not None
    assert 0.0 < low < 0.1 < high < 0.2


def test_the_interval_of_no_block_is_none() -> None:
    assert _blocks(0.5, 0.5, count=0).interval_at(40.0) == (None, None)


@pytest.mark.parametrize("bound", [1.0, None])
def test_a_part_that_is_lacking_is_shown_beyond_less_than_it(bound: float | None) -> None:
    blocks = _blocks(0.2, 0.3, bound=bound, count=8000)

    assert float(blocks.less_by(0.1).max()) > np.log(40) > float(blocks.less_by(0.5).max())
    assert float(blocks.kept(0.6).max()) > np.log(40) > float(blocks.kept(0.3).max())
