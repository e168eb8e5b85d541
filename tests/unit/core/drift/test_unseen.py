"""What a reference's own rate of unseen values may be, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from modelloop_core.drift.bins import level_bins, numeric_bins
from modelloop_core.drift.profile import ColumnProfile, count_column
from modelloop_core.drift.unseen import OwnUnseen, own_unseen


def _own(named: list[int], others: int) -> OwnUnseen:
    counts = np.array([*named, others])
    bins = level_bins([str(number) for number in range(len(named))], counts[:-1])
    return own_unseen(bins, ColumnProfile(counts, np.zeros(len(counts))))


@pytest.mark.parametrize(
    ("named", "others", "expected"),
    [
        pytest.param([5, 3], 0, OwnUnseen(0, 0), id="no level is rare"),
        pytest.param([5, 1, 1], 0, OwnUnseen(0, 2), id="a row of a level seen once"),
        pytest.param([5, 2, 1, 1], 0, OwnUnseen(0, 2, 2.0), id="pairs make it less sure"),
        pytest.param([9, 0, 1], 0, OwnUnseen(0, 1), id="declared levels that no row has"),
        pytest.param([9, 7, 4, 3, 3], 30, OwnUnseen(30, 40), id="others took a place that ties with the least"),
        pytest.param([9, 5, 4, 3], 33, OwnUnseen(33, 40, 1.5), id="a level short of that"),
        pytest.param([9, 7], 3, OwnUnseen(3, 3), id="others too few for a place"),
        pytest.param([], 5, OwnUnseen(5, 5), id="no level at all"),
    ],
)
def test_leaving_a_row_out_tells_what_the_reference_would_not_have_seen(
    named: list[int], others: int, expected: OwnUnseen
) -> None:
    assert _own(named, others) == expected


@pytest.mark.parametrize(("rate", "rows"), [(0.0, 10), (0.1, 10), (0.3, 30), (0.9, 40)])
def test_of_what_it_may_be_the_nearest_to_the_window_counts(rate: float, rows: int) -> None:
    assert OwnUnseen(10, 40).nearest(rate, 100) == rows


def test_of_few_numeric_values_one_seen_once_may_have_been_unseen() -> None:
    values = np.array([1.0] * 10 + [2.0] * 5 + [7.0])
    bins = numeric_bins(values)
    assert own_unseen(bins, count_column(bins, "float64", values)) == OwnUnseen(0, 1)


def test_intervals_take_every_value() -> None:
    values = np.random.default_rng(1).normal(size=500)
    bins = numeric_bins(values)
    assert own_unseen(bins, count_column(bins, "float64", values)) == OwnUnseen(0, 0)
