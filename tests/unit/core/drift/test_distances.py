from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from modelloop_core.drift import distances
from modelloop_core.drift.cells import padded


def psi(current: np.ndarray, reference: np.ndarray) -> float | None:
    return _number(distances.psi(current, reference))


def kl(current: np.ndarray, reference: np.ndarray) -> float | None:
    return _number(distances.kl(current, reference))


def js_distance(current: np.ndarray, reference: np.ndarray) -> float | None:
    return _number(distances.js_distance(current, reference))


def hellinger(current: np.ndarray, reference: np.ndarray) -> float | None:
    return _number(distances.hellinger(current, reference))


def l_infinity(current: np.ndarray, reference: np.ndarray) -> tuple[float, int] | None:
    size, place = distances.l_infinity(current, reference)
    return None if np.isnan(size) else (float(size), int(place))


def _number(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)


ALL = (psi, kl, js_distance, hellinger)
_COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


def _floats(*counts: int) -> np.ndarray:
    return np.array(counts, dtype=np.float64)


def test_psi_of_two_cells_is_what_a_hand_finds() -> None:
    # Shares 60.5/101 and 40.5/101 against 50.5/101 twice, after half a row for each.
    p, q = 60.5 / 101, 0.5
    expected = (p - q) * math.log(p / q) + (q - p) * math.log((1 - p) / (1 - q))
    assert psi(_floats(60, 40), _floats(50, 50)) == pytest.approx(expected, rel=1e-12)


def test_kl_is_of_the_current_from_the_reference() -> None:
    p, q = np.array([90.5, 10.5]) / 101, np.array([50.5, 50.5]) / 101
    assert kl(_floats(90, 10), _floats(50, 50)) == pytest.approx(float(stats.entropy(p, q)), rel=1e-12)
    assert kl(_floats(50, 50), _floats(90, 10)) == pytest.approx(float(stats.entropy(q, p)), rel=1e-12)


def test_a_cell_empty_on_both_sides_does_not_count() -> None:
    for one in (psi, kl):
        assert one(_floats(60, 0, 40), _floats(50, 0, 50)) == one(_floats(60, 40), _floats(50, 50))


def test_a_cell_empty_on_one_side_gets_half_a_row_on_both() -> None:
    p, q = np.array([80.5, 20.5]) / 101, np.array([100.5, 0.5]) / 101
    assert psi(_floats(80, 20), _floats(100, 0)) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))


def test_psi_is_symmetric_and_kl_is_not() -> None:
    assert psi(_floats(10, 90), _floats(90, 10)) == psi(_floats(90, 10), _floats(10, 90))
    assert kl(_floats(30, 70), _floats(90, 10)) != kl(_floats(90, 10), _floats(30, 70))


@given(current=_COUNTS, data=st.data())
def test_js_and_l_infinity_are_scipys_and_numpys(current: list[int], data: st.DataObject) -> None:
    reference = data.draw(st.lists(st.integers(0, 10**9), min_size=len(current), max_size=len(current)))
    if not sum(current) or not sum(reference):
        return
    p, q = _floats(*current) / sum(current), _floats(*reference) / sum(reference)
    expected = distance.jensenshannon(p, q, base=2)
    assert js_distance(_floats(*current), _floats(*reference)) == pytest.approx(
        0.0 if math.isnan(expected) else expected, abs=1e-7
    )
    largest = l_infinity(_floats(*current), _floats(*reference))
    assert largest is not None
    assert largest[0] == np.abs(p - q).max()


def test_what_has_nothing_in_common_is_one_apart() -> None:
    assert js_distance(_floats(5, 0), _floats(0, 9)) == 1.0
    assert hellinger(_floats(5, 0), _floats(0, 9)) == 1.0
    assert l_infinity(_floats(5, 0), _floats(0, 9)) == (1.0, 0)


def test_hellinger_of_two_cells_is_what_a_hand_finds() -> None:
    expected = math.sqrt(((math.sqrt(0.36) - math.sqrt(0.64)) ** 2 + (math.sqrt(0.64) - math.sqrt(0.36)) ** 2) / 2)
    assert hellinger(_floats(36, 64), _floats(64, 36)) == pytest.approx(expected, rel=1e-12)


def test_l_infinity_names_the_cell_that_moved_most() -> None:
    assert l_infinity(_floats(10, 20, 70), _floats(10, 60, 30)) == (pytest.approx(0.4), 1)


@pytest.mark.parametrize("one", ALL)
@pytest.mark.parametrize("rows", [1, 100, 10_000, 1_000_000])
def test_what_is_equal_is_zero_apart(one: object, rows: int) -> None:
    assert one(_floats(rows, 2 * rows, 0), _floats(rows, 2 * rows, 0)) == 0.0  # type: ignore[operator]


@pytest.mark.parametrize("one", [*ALL, l_infinity])
def test_an_empty_side_has_no_distance(one: object) -> None:
    assert one(_floats(0, 0), _floats(1, 2)) is None  # type: ignore[operator]
    assert one(_floats(1, 2), _floats(0, 0)) is None  # type: ignore[operator]


@pytest.mark.parametrize("one", ALL)
@given(current=_COUNTS, data=st.data())
def test_every_distance_is_finite_and_not_negative(one: object, current: list[int], data: st.DataObject) -> None:
    reference = data.draw(st.lists(st.integers(0, 10**15), min_size=len(current), max_size=len(current)))
    found = one(_floats(*current), _floats(*reference))  # type: ignore[operator]
    assert found is None or (math.isfinite(found) and found >= 0)


@given(tables=st.lists(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=9), min_size=1))
def test_many_columns_at_once_are_what_each_is_alone(tables: list[list[tuple[int, int]]]) -> None:
    sides = [[np.array(side, dtype=np.float64) for side in zip(*table, strict=True)] for table in tables]
    ours, theirs = (padded([pair[side] for pair in sides]) for side in (0, 1))
    for one in (distances.psi, distances.kl, distances.js_distance, distances.hellinger):
        alone = [float(one(*pair)) for pair in sides]
        np.testing.assert_allclose(one(ours, theirs), alone, rtol=1e-9, atol=1e-12)
