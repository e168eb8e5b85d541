"""From judged windows to the heat map, and from both sides' counts to a column's histogram and numbers."""

from __future__ import annotations

import numpy as np
import pytest

from modelloop_core.drift.profile import count_column
from modelloop_core.drift.reference import Reference, build_reference
from modelloop_core.feature_schema import Signature
from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_core.wire.settings import DriftSettings, FeatureSettings
from modelloop_monitor.dashboard.queries.drift import ColumnInWindow
from modelloop_monitor.dashboard.queries.references import UsedReference
from modelloop_monitor.dashboard.views.column import column_view, histogram
from modelloop_monitor.dashboard.views.heat_map import MOST_ROWS, heat_map
from modelloop_monitor.dashboard.views.reference import reference_view
from modelloop_monitor.judged import JudgedWindow

NOON = 1_770_000_000
OLD, NEW = "a" * 64, "b" * 64


def _column(name: str, verdict: Level = Level.STABLE, **changes: object) -> ColumnReport:
    said = {"part": "feature", "kind": "numeric", "reference_n": 900, "current_n": 95, "reference_null": 100}
    return ColumnReport.model_validate({"name": name, "verdict": verdict, "current_null": 5, **said, **changes})


def _window(hour: int, *columns: ColumnReport, reference: str = NEW, version: str = "1.0.0") -> JudgedWindow:
    since = NOON + 3600 * hour
    return JudgedWindow(
        reference=reference,
        since=since,
        until=since + 3600,
        versions={version: 100},
        rows=100,
        verdict=Level.STABLE,
        columns=columns,
        message="",
    )


def test_without_windows_there_is_no_map() -> None:
    assert heat_map([], most=24, reference="", whole=False) is None


def test_outputs_come_first_then_what_was_worst_and_ignored_ones_last() -> None:
    columns = [
        _column("ignored", Level.DRIFT, role="ignore", severity=9.0),
        _column("calm"),
        _column("moved", Level.DRIFT, severity=1.1),
        _column("flew", Level.DRIFT, severity=2.0),
        _column("answer", part="output"),
    ]
    found = heat_map([_window(0, *columns)], most=24, reference="", whole=False)
    assert found is not None
    assert [row.name for row in found.rows] == ["answer", "flew", "moved", "calm", "ignored"]


def test_a_window_without_a_column_has_a_hole_in_its_row() -> None:
    windows = [_window(0, _column("age")), _window(1), _window(2, _column("age", Level.TREND))]
    found = heat_map(windows, most=24, reference="", whole=False)
    assert found is not None
    assert [cell and cell.level for cell in found.rows[0].cells] == [Level.STABLE, None, Level.TREND]
    assert found.rows[0].cells[2].path == f"{NOON + 7200}/{NEW[:12]}/feature/age"  # type: ignore[union-attr]


def test_only_the_last_windows_of_one_reference_are_shown() -> None:
    windows = [_window(hour, _column("age"), reference=OLD, version="0.9.0") for hour in range(5)]
    windows += [_window(hour, _column("age")) for hour in range(5, 10)]
    newest = heat_map(windows, most=3, reference="", whole=False)
    older = heat_map(windows, most=3, reference=OLD[:12], whole=False)
    assert newest is not None
    assert older is not None
    assert [window.since for window in newest.windows] == [NOON + 3600 * hour for hour in (7, 8, 9)]
    assert [window.since for window in older.windows] == [NOON + 3600 * hour for hour in (2, 3, 4)]
    assert newest.references == {OLD[:12]: "0.9.0", NEW[:12]: "1.0.0"}
    assert older.last.versions == {"0.9.0": 100}


@pytest.mark.parametrize(("whole", "rows", "left_out"), [(False, MOST_ROWS, 7), (True, MOST_ROWS + 7, 0)])
def test_many_features_are_shown_when_asked_for(whole: bool, rows: int, left_out: int) -> None:
    columns = [_column(f"f{number:03}") for number in range(MOST_ROWS + 7)]
    found = heat_map([_window(0, *columns)], most=24, reference="", whole=whole)
    assert found is not None
    assert (len(found.rows), found.left_out) == (rows, left_out)


SIGNATURE = Signature.model_validate(
    {
        "inputs": [
            {"kind": "numeric", "name": "age", "dtype": "float32"},
            {"kind": "categorical", "name": "plan", "levels": ["free", "paid"]},
        ],
        "output": {"task": "binary"},
    }
)


def _reference() -> Reference:
    random = np.random.default_rng(1)
    rows = np.column_stack([random.normal(40, 10, 1000), np.repeat([0.0, 1.0], 500)])
    rows[:100, 0] = np.nan
    return build_reference(SIGNATURE, rows, random.uniform(size=1000))


def test_a_histogram_has_both_sides_shares_by_coarse_bin() -> None:
    plan = _reference().features["plan"]
    current = count_column(plan.bins, "float64", np.array([0.0] * 30 + [1.0] * 10 + [2.0] * 10 + [np.nan] * 5))
    bars = {bar.name: (bar.reference, bar.current, bar.points) for bar in histogram(plan, current)}
    assert bars == {
        "free": (0.5, 0.6, pytest.approx(10)),
        "paid": (0.5, 0.2, pytest.approx(-30)),
        "other": (0.0, 0.2, pytest.approx(20)),
    }


def test_infinities_have_a_bar_only_where_there_are_any() -> None:
    age = _reference().features["age"]
    quiet = [bar.name for bar in histogram(age, count_column(age.bins, "float32", np.array([40.0])))]
    wild = [bar.name for bar in histogram(age, count_column(age.bins, "float32", np.array([40.0, np.inf])))]
    assert "+inf" not in quiet
    assert (wild[0], wild[-1]) == (quiet[0], "+inf")


def test_an_empty_window_has_bars_of_no_length() -> None:
    age = _reference().features["age"]
    assert {bar.current for bar in histogram(age, count_column(age.bins, "float32", np.array([])))} == {0.0}


@pytest.mark.parametrize(
    ("psi", "beyond"), [(0.099, ""), (0.1, "moderate"), (0.199, "moderate"), (0.2, "drift"), (None, "")]
)
def test_the_number_that_is_judged_says_which_band_it_has_reached(psi: float | None, beyond: str) -> None:
    found = ColumnInWindow(_window(0), _column("age", psi=psi, js_distance=0.9), DriftSettings(), None, None)
    told = {one.name: one for one in column_view(found).statistics}
    assert (told["PSI"].beyond, told["PSI"].bands) == (beyond, "moderate from 0.1, drift from 0.2")
    assert (told["Jensen–Shannon distance"].beyond, told["Jensen–Shannon distance"].bands) == ("", "")


def test_a_feature_with_a_rule_of_its_own_is_held_against_that() -> None:
    rule = FeatureSettings(name="age", method="ks", significant=0.3)
    column = _column("age", psi=5.0, ks_statistic=0.25)
    found = ColumnInWindow(_window(0), column, DriftSettings(features=(rule,)), None, None)
    told = {one.name: one for one in column_view(found).statistics}
    assert (told["Kolmogorov–Smirnov"].beyond, told["PSI"].beyond) == ("moderate", "")
    assert told["Kolmogorov–Smirnov"].bands == "moderate from 0.1, drift from 0.3"


def test_missing_values_are_told_beside_the_distances() -> None:
    told = column_view(ColumnInWindow(_window(0), _column("age"), DriftSettings(), None, None)).statistics[-1]
    assert (told.name, told.value, told.beyond) == ("missing values", "5 %", "moderate")


def test_counts_that_are_not_kept_any_more_leave_the_numbers() -> None:
    view = column_view(ColumnInWindow(_window(0), _column("age", psi=0.3), DriftSettings(), None, None))
    assert view.bars == ()
    assert view.statistics[0].value == "0.3"


def test_a_page_says_what_a_reference_holds() -> None:
    view = reference_view(UsedReference(NEW, ("1.0.0",), NOON, _reference()))
    told = {one.name: (one.kind, one.missing) for one in view.columns}
    assert (view.rows, view.answers) == (1000, "a probability")
    assert told["age"] == ("numeric, float32", 0.1)
    assert next(one.values for one in view.columns if one.name == "plan") == "2 levels: free, paid"
