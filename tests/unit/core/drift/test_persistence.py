from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from modelloop_core.drift.design_effect import clustered, of_sizes
from modelloop_core.drift.persistence import Streak, advance
from modelloop_core.wire.reports import Level

Window = tuple[Level, float | None]
DRIFT: Window = (Level.DRIFT, 1.5)
SILENT: Window = (Level.INSUFFICIENT, None)
EMPTY: Window = (Level.NO_DATA, None)
NEAR: Window = (Level.MODERATE, 0.9)
EDGE: Window = (Level.MODERATE, 0.8)
CALM: Window = (Level.STABLE, 0.1)


def _after(windows: Sequence[Window], consecutive: int = 3) -> Streak:
    streak = Streak()
    for verdict, severity in windows:
        streak = advance(streak, verdict, severity, consecutive)
    return streak


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param([], Streak(0, False), id="no window"),
        pytest.param([DRIFT] * 2, Streak(2, False), id="one short of enough"),
        pytest.param([DRIFT] * 3, Streak(3, True), id="enough in a row"),
        pytest.param([DRIFT, DRIFT, CALM, DRIFT], Streak(1, False), id="a calm window starts anew"),
        pytest.param([DRIFT, DRIFT, NEAR, DRIFT], Streak(1, False), id="so does a moderate one"),
        pytest.param([DRIFT, SILENT, DRIFT, EMPTY, DRIFT], Streak(3, True), id="windows that say nothing do not count"),
        pytest.param([DRIFT, DRIFT, SILENT, SILENT], Streak(2, False), id="nor do they advance"),
        pytest.param([*[DRIFT] * 3, NEAR], Streak(0, True), id="stays open near the band"),
        pytest.param([*[DRIFT] * 3, EDGE], Streak(0, True), id="stays open at 0.8 of it"),
        pytest.param([*[DRIFT] * 3, CALM], Streak(0, False), id="closes well below it"),
        pytest.param([*[DRIFT] * 3, SILENT], Streak(3, True), id="does not close on silence"),
        pytest.param([*[DRIFT] * 3, NEAR, DRIFT], Streak(1, True), id="drifts on without opening again"),
    ],
)
def test_drift_is_what_lasts(windows: list[Window], expected: Streak) -> None:
    assert _after(windows) == expected


def test_one_window_is_enough_where_the_settings_say_so() -> None:
    assert _after([DRIFT], consecutive=1) == Streak(1, True)


def test_independent_rows_have_no_design_effect() -> None:
    rng = np.random.default_rng(1)
    assert clustered(rng.multinomial(10, [0.2, 0.3, 0.5], size=5000).astype(float)) == pytest.approx(1.0, abs=0.05)


def test_rows_alike_within_their_entity_count_as_one() -> None:
    rng = np.random.default_rng(2)
    assert clustered(10.0 * rng.multinomial(1, [0.2, 0.3, 0.5], size=5000)) == pytest.approx(10.0, abs=0.3)


def test_a_half_alike_entity_lies_between() -> None:
    # With intraclass correlation 1/4 and 9 rows each: 1 + (9-1)/4 = 3.
    rng = np.random.default_rng(3)
    alike = rng.random((6000, 9)) < 0.5
    values = np.where(alike, rng.random((6000, 1)) < 0.3, rng.random((6000, 9)) < 0.3)
    ones = values.sum(axis=1).astype(float)
    assert clustered(np.stack([ones, 9 - ones], axis=1)) == pytest.approx(3.0, abs=0.2)


def test_it_corrects_a_chi_squared_statistic_to_its_mean() -> None:
    rng, shares, statistics, effects = np.random.default_rng(4), np.array([0.1, 0.2, 0.3, 0.4]), [], []
    for _ in range(300):
        blocks = rng.multinomial(1, shares, size=100) * rng.integers(1, 20, size=(100, 1)).astype(float)
        counts = blocks.sum(axis=0)
        statistics.append(((counts - counts.sum() * shares) ** 2 / (counts.sum() * shares)).sum())
        effects.append(clustered(blocks))
    assert np.mean(statistics) / np.mean(effects) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize(
    "counts", [np.zeros((0, 3)), np.zeros((5, 3)), np.array([[5.0, 5.0]]), np.array([[4.0, 0.0], [3.0, 0.0]])],
    ids=["no cluster", "no row", "one cluster", "one cell"],
)  # fmt: skip
def test_without_variation_to_see_the_effect_is_one(counts: np.ndarray) -> None:
    assert clustered(counts) == 1.0


@pytest.mark.parametrize(
    ("rows", "effect"), [([10] * 200, 10.0), ([1] * 50, 1.0), ([1, 1, 98], 96.06), ([], 1.0), ([0, 0], 1.0)]
)
def test_of_sizes_alone_all_rows_of_an_entity_count_as_one(rows: list[int], effect: float) -> None:
    assert of_sizes(np.array(rows, dtype=float)) == pytest.approx(effect)
