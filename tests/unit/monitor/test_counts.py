"""Counts add up in any order and come back from their packed form as they were."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DataError

from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.wire.minutes import MinuteCounts
from modelloop_core.wire.profiles import MOST_UNSEEN, ColumnDelta, ProfilePost
from modelloop_monitor.counts import Counted, CountedColumn
from modelloop_monitor.store.errors import StoreUnfit, translated

_COUNTS = st.lists(st.integers(0, 2**53), min_size=3, max_size=3)
_SUMS = st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3)
_NAMES = st.dictionaries(st.text(max_size=5), st.integers(1, 100), max_size=3)


@st.composite
def _columns(draw: st.DrawFn) -> CountedColumn:
    counts, sums = np.array(draw(_COUNTS), dtype=np.int64), np.array(draw(_SUMS))
    null, positive, negative = (draw(st.integers(0, 2**53)) for _ in range(3))
    return CountedColumn(ColumnProfile(counts, sums, null, positive, negative), draw(_NAMES))


def _of(delta: ColumnDelta) -> CountedColumn:
    return Counted.of(ProfilePost.model_construct(features={"it": delta}, outputs={})).features["it"]


def _same(left: CountedColumn, right: CountedColumn) -> bool:
    ours, theirs = left.profile, right.profile
    return (
        left.unseen == right.unseen
        and (ours.null, ours.positive_infinite) == (theirs.null, theirs.positive_infinite)
        and ours.negative_infinite == theirs.negative_infinite
        and bool((ours.counts == theirs.counts).all())
        and bool((ours.sums == theirs.sums).all())
    )


@given(st.dictionaries(st.text(max_size=8), _columns(), max_size=4), _columns())
def test_packing_loses_nothing(features: dict[str, CountedColumn], output: CountedColumn) -> None:
    unpacked = Counted.unpack(Counted(features, {"prediction": output}).pack())
    assert unpacked.features.keys() == features.keys()
    assert all(_same(unpacked.features[name], column) for name, column in features.items())
    assert _same(unpacked.outputs["prediction"], output)


@given(st.lists(_columns(), min_size=1, max_size=4), st.lists(_columns(), min_size=1, max_size=4))
def test_columns_add_up_together_as_they_do_alone(left: list[CountedColumn], right: list[CountedColumn]) -> None:
    ours, theirs = ({str(place): column for place, column in enumerate(columns)} for columns in (left, right))
    total = (Counted(ours) + Counted(theirs)).features
    assert total.keys() == {**ours, **theirs}.keys()
    for name, column in total.items():
        alone = ours[name] + theirs[name] if name in ours and name in theirs else {**theirs, **ours}[name]
        assert _same(column, alone)


@given(_columns(), _columns())
def test_the_order_of_adding_does_not_matter(left: CountedColumn, right: CountedColumn) -> None:
    assert _same(left + right, right + left)


def test_an_absent_column_held_nothing() -> None:
    column = _of(ColumnDelta(counts=(1, 2), sums=()))
    total = Counted({"age": column}) + Counted({"plan": column}, {"prediction": column})
    assert total.rows == 3
    assert {**total.features, **total.outputs}.keys() == {"age", "plan", "prediction"}


def test_huge_numbers_stay_finite() -> None:
    column = _of(ColumnDelta(counts=(2**40,), sums=(1.7e308,)))
    for _ in range(25):
        column = column + column
    assert column.profile.counts[0] == 2**60
    assert np.isfinite(column.profile.sums[0])


def test_only_the_most_frequent_unseen_levels_are_kept() -> None:
    columns = [
        _of(ColumnDelta(counts=(1,), sums=(), unseen={f"{part}{n}": n + 1 for n in range(MOST_UNSEEN)}))
        for part in "ab"
    ]
    unseen = (columns[0] + columns[1]).unseen
    assert len(unseen) == MOST_UNSEEN
    assert min(unseen.values()) == MOST_UNSEEN // 2 + 1


def test_seconds_beyond_all_numbers_stay_a_number_that_json_has() -> None:
    huge = MinuteCounts(latency_sum=1.7e308)
    assert MinuteCounts.model_validate_json((huge + huge).model_dump_json()).latency_sum == 1e15


def test_a_value_that_no_column_takes_is_not_for_trying_again() -> None:
    assert isinstance(translated(DataError("INSERT", {}, ValueError("integer out of range"))), StoreUnfit)
