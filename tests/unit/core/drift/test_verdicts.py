"""The cases that must hold, whatever else changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from modelloop_core.drift.bins import level_bins
from modelloop_core.drift.profile import Profile
from modelloop_core.drift.reference import ColumnReference, build_reference
from modelloop_core.drift.verdicts import Verdict, judge
from modelloop_core.feature_schema import BinaryOutput, NumericFeature, Signature
from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_core.wire.settings import DriftSettings, FeatureSettings
from support.drift_columns import codes, counted, levels, model, numeric

SETTINGS = DriftSettings()
CALM = (Level.STABLE, Level.TREND)
Columns = Mapping[str, tuple[ColumnReference, np.ndarray]]


def _normal(rows: int, shift: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=rows)


def _judge(columns: Columns, settings: DriftSettings = SETTINGS, **more: object) -> Verdict:
    return judge(*model(columns), settings, **more)  # type: ignore[arg-type]


def _one(column: ColumnReference, values: np.ndarray, settings: DriftSettings = SETTINGS) -> ColumnReport:
    return _judge({"x": (column, values)}, settings).columns[0]


@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
def test_identical_samples_do_not_drift_at_any_size(rows: int) -> None:
    values = _normal(rows)
    report = _one(numeric(values), values)
    assert report.verdict is (Level.STABLE if rows > 100 else Level.INSUFFICIENT)
    assert (report.psi, report.ks_statistic, report.wasserstein) == (0.0, 0.0, 0.0)


def test_eight_rows_are_too_few_to_judge() -> None:
    verdict = _judge({"x": (numeric(_normal(10_000)), _normal(8, 5.0))})
    assert verdict.level is Level.INSUFFICIENT
    assert "8 values" in verdict.columns[0].note


@pytest.mark.parametrize("rows", [560, 700])
def test_fifty_quiet_features_raise_no_alarm_beyond_the_level(rows: int) -> None:
    rng, alarms, windows = np.random.default_rng(rows), 0, 150
    names = [str(level) for level in range(10)]
    for _ in range(windows):
        both = rng.multinomial(rows, np.full(10, 0.1), size=(50, 2))
        columns = {
            str(n): (levels(dict(zip(names, one, strict=True))), codes(two)) for n, (one, two) in enumerate(both)
        }
        alarms += _judge(columns).level not in CALM
    # One column at a time, a chance of 0.1 % each would make seven. bench/drift bounds the rate with real records.
    assert alarms <= 1


def test_a_heavy_tail_whose_median_moves_far_is_at_least_moderate() -> None:
    rng = np.random.default_rng(2)
    report = _one(numeric(rng.pareto(1.1, 20_000)), 4.5 * rng.pareto(1.1, 2000))
    assert report.verdict in (Level.MODERATE, Level.DRIFT)


def test_new_nulls_are_a_change_of_the_missing_rate_and_never_no_drift() -> None:
    values = _normal(2000, seed=3)
    values[:100] = np.nan
    report = _one(numeric(_normal(10_000)), values)
    assert report.verdict in (Level.MODERATE, Level.DRIFT)
    assert "missing 0.000% → 5.000%" in report.note
    assert report.psi is not None
    assert report.psi < 0.1


def test_a_column_that_lost_all_its_values_says_so_drifts_and_leaves_the_others_alone() -> None:
    # Of 99 % nulls the missing rate is drift; the last percent must not silence it.
    verdict = _judge(
        {
            "gone": (numeric(_normal(5000)), np.full(2000, np.nan)),
            "there": (numeric(_normal(5000)), _normal(2000, seed=2)),
        }
    )
    found = {report.name: report for report in verdict.columns}
    assert (found["gone"].verdict, found["there"].verdict, verdict.level) == (Level.DRIFT, Level.STABLE, Level.DRIFT)
    assert found["gone"].note.startswith("the window holds no value, 2000 nulls; missing 0.000% → 100.000%")
    assert found["gone"].psi is None
    assert found["gone"].severity == pytest.approx(25)


@pytest.mark.parametrize(
    ("reference", "rows"),
    [(np.full(5000, np.nan), 2000), (_normal(5000), 499), (_normal(5000), 0)],
    ids=["the reference has no value either", "too few rows", "no row"],
)
def test_a_column_without_a_value_has_no_data_where_nothing_can_have_gone_missing(
    reference: np.ndarray, rows: int
) -> None:
    assert _one(numeric(reference), np.full(rows, np.nan)).verdict is Level.NO_DATA


def test_from_one_infinity_to_the_other_is_drift() -> None:
    report = _one(numeric(np.full(5000, np.inf)), np.full(2000, -np.inf))
    assert report.verdict is Level.DRIFT
    assert "+inf 100.000% → 0.000%" in report.note
    assert "-inf 0.000% → 100.000%" in report.note


def _of_many(reference: np.ndarray, window: np.ndarray) -> ColumnReport:
    """The report of numbered levels, of which the reference has names for its 1,000 most frequent."""
    found, counts = np.unique(reference, return_counts=True)
    named = found[np.sort(np.argsort(-counts, kind="stable")[:1000])]
    places = {int(level): place for place, level in enumerate(named)}
    of_reference, of_window = (np.array([places.get(int(level), -1) for level in side]) for side in (reference, window))
    held = np.bincount(of_reference[of_reference >= 0])
    bins = level_bins([str(level) for level in named], held)
    others = int((of_reference < 0).sum())
    column = ColumnReference(bins=bins, counts=(*held.tolist(), others), sums=(0.0,) * bins.size)
    return _one(column, np.where(of_window < 0, len(named), of_window))


@pytest.mark.parametrize(
    ("levels_", "rows", "window"),
    [(50, 5000, 2000), (800, 2000, 2000), (800, 5000, 2000), (3000, 2000, 2000), (3000, 20_000, 5000),
     (3000, 200_000, 5000), (1_000_000, 5000, 5000)],
)  # fmt: skip
def test_a_quiet_column_of_many_rare_levels_raises_no_alarm(levels_: int, rows: int, window: int) -> None:
    rng = np.random.default_rng(levels_ + rows)
    quiet = (Level.STABLE, Level.TREND, Level.INSUFFICIENT)
    for _ in range(5):
        report = _of_many(rng.integers(0, levels_, rows), rng.integers(0, levels_, window))
        assert report.verdict in quiet, report.note


@pytest.mark.parametrize("exponent", [1.2, 1.5, 2.0])
def test_a_quiet_column_with_a_long_tail_of_levels_raises_no_alarm(exponent: float) -> None:
    rng = np.random.default_rng(int(10 * exponent))
    for _ in range(5):
        report = _of_many(rng.zipf(exponent, 5000), rng.zipf(exponent, 2000))
        assert report.verdict in CALM, report.note


@pytest.mark.parametrize(
    ("levels_", "rows", "new"), [(800, 5000, 300), (3000, 200_000, 1500)], ids=["all named", "1,000 of 3,000"]
)
def test_a_new_level_is_found_among_many_rare_ones(levels_: int, rows: int, new: int) -> None:
    rng = np.random.default_rng(11)
    window = rng.integers(0, levels_, 5000)
    window[:new] = 5_000_000
    report = _of_many(rng.integers(0, levels_, rows), window)
    assert report.verdict is Level.DRIFT
    assert "unseen" in report.note


def test_a_rare_level_that_becomes_frequent_is_found_and_named() -> None:
    rng = np.random.default_rng(12)
    window = rng.integers(0, 800, 5000)
    window[:1000] = 77
    report = _of_many(rng.integers(0, 800, 5000), window)
    assert report.verdict is Level.DRIFT
    assert "most moved: 77" in report.note


def test_a_new_level_is_finite_and_named() -> None:
    column = levels({"a": 5000, "b": 5000})
    verdict = _judge({"kind": (column, codes([800, 800, 400]))}, unseen={"kind": ("zebra", "yak")})
    report = verdict.columns[0]
    assert report.verdict is Level.DRIFT
    assert report.unseen_levels == ("zebra", "yak")
    assert "unseen 0.000% → 20.000%" in report.note
    assert "new: zebra, yak" in report.note
    assert report.psi is not None
    assert np.isfinite(report.psi)


def test_a_few_unseen_levels_against_a_large_reference_are_not_judged_through_psi() -> None:
    column = levels({"a": 500_000, "b": 500_000})
    report = _one(column, codes([248, 247, 5]))
    assert report.psi is not None
    assert report.psi > 0.1
    assert report.verdict in CALM


def test_a_point_mass_that_moves_by_a_hair_is_drift() -> None:
    rng = np.random.default_rng(5)
    reference = np.where(rng.random(20_000) < 0.9, 0.0, rng.normal(size=20_000))
    current = np.where(rng.random(5000) < 0.9, 0.0, rng.normal(size=5000))
    half = (current == 0) & (rng.random(5000) < 0.5)
    assert _one(numeric(reference), current).verdict in CALM
    assert _one(numeric(reference), np.where(half, -0.001, current)).verdict is Level.DRIFT


def test_two_decimals_do_not_change_bins_in_a_float32_model() -> None:
    rng = np.random.default_rng(6)
    reference, current = (np.round(rng.uniform(0, 3, rows), 2) for rows in (50_000, 50_000))
    column = numeric(reference.astype(np.float32).astype(np.float64), "float32")
    assert _one(column, current).verdict in CALM
    assert _one(column, reference).psi == 0.0


@pytest.mark.parametrize(
    ("shift", "rows", "verdict"),
    [
        (0.05, 100_000, Level.TREND),
        (0.4, 10_000, Level.MODERATE),
        (0.7, 10_000, Level.DRIFT),
        (0.0, 9000, Level.STABLE),
    ],
)
def test_what_is_resolved_is_judged_by_its_size(shift: float, rows: int, verdict: Level) -> None:
    assert _one(numeric(_normal(100_000)), _normal(rows, shift, seed=2)).verdict is verdict


@pytest.mark.parametrize(
    ("rows", "verdict"), [(558, Level.STABLE), (556, Level.INSUFFICIENT)], ids=["n_eff 279", "n_eff 278"]
)
def test_ten_bins_are_judged_from_an_effective_size_of_279_on(rows: int, verdict: Level) -> None:
    values = _normal(rows)
    assert _one(numeric(values), values).verdict is verdict


@pytest.mark.parametrize(("rows", "verdict"), [(500, Level.STABLE), (499, Level.INSUFFICIENT)])
def test_fewer_rows_than_the_least_are_not_judged(rows: int, verdict: Level) -> None:
    values = _normal(100_000)
    assert _one(numeric(values), values[:rows] * 1.0).verdict is verdict


def test_entities_of_ten_rows_raise_no_alarm_once_rows_are_divided() -> None:
    rng, trends = np.random.default_rng(8), {1.0: 0, 10.0: 0}
    column = numeric(rng.normal(size=200_000))
    calm, settings = (Level.STABLE, Level.INSUFFICIENT), DriftSettings(min_samples=1)
    for _ in range(40):
        values = np.repeat(rng.normal(size=400), 10)
        for effect in trends:
            trends[effect] += _judge({"x": (column, values)}, settings, design_effect=effect).level not in calm
    assert trends[1.0] >= 38
    assert trends[10.0] <= 1


def test_an_ignored_feature_is_reported_and_does_not_count() -> None:
    settings = DriftSettings(features=(FeatureSettings(name="x", role="ignore"),))
    verdict = _judge(
        {"x": (numeric(_normal(5000)), _normal(2000, 2.0, 2)), "y": (numeric(_normal(5000)), _normal(5000))}, settings
    )
    found = {report.name: (report.role, report.verdict) for report in verdict.columns}
    assert found == {"x": ("ignore", Level.DRIFT), "y": ("watch", Level.STABLE)}
    assert verdict.level is Level.STABLE


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (FeatureSettings(name="x", significant=0.5), Level.MODERATE),
        (FeatureSettings(name="x", significant=0.15), Level.DRIFT),
        (FeatureSettings(name="x", method="js"), Level.DRIFT),
        (FeatureSettings(name="x", method="ks"), Level.MODERATE),
    ],
    ids=["a wider band", "a narrower band", "by JS", "by KS"],
)
def test_a_feature_has_the_band_and_method_of_its_rule(rule: FeatureSettings, verdict: Level) -> None:
    settings = DriftSettings(features=(rule,))
    # PSI 0.24, JS distance 0.20, KS 0.19.
    assert _one(numeric(_normal(50_000)), _normal(50_000, 0.49, seed=2), settings).verdict is verdict


def test_levels_have_no_ks_and_are_judged_by_psi() -> None:
    settings = DriftSettings(features=(FeatureSettings(name="x", method="ks"),))
    report = _one(levels({"a": 5000, "b": 5000}), codes([1800, 200]), settings)
    assert report.verdict is Level.DRIFT
    assert report.note.startswith("psi ")


def test_a_drift_by_missing_values_is_as_sure_as_these_are() -> None:
    values = np.where(np.arange(4000) % 2, _normal(4000, seed=2), np.nan)
    report = _one(numeric(_normal(4000)), values)
    assert report.verdict is Level.DRIFT
    assert report.chi2_pvalue is not None
    assert report.adjusted_pvalue is not None
    assert report.adjusted_pvalue < 1e-100 < report.chi2_pvalue


def test_more_columns_ask_for_more_evidence() -> None:
    column, values = numeric(_normal(4000)), _normal(2000, 0.25, seed=2)
    alone = _one(column, values)
    quiet = {f"q{number}": (numeric(_normal(4000)), _normal(4000)) for number in range(40)}
    among = next(report for report in _judge({"x": (column, values), **quiet}).columns if report.name == "x")
    assert alone.chi2_pvalue == among.chi2_pvalue
    assert alone.adjusted_pvalue is not None
    assert among.adjusted_pvalue == pytest.approx(41 * alone.adjusted_pvalue)


def test_outputs_come_into_the_same_family_and_the_worst_comes_first() -> None:
    rng = np.random.default_rng(9)
    signature = Signature(inputs=(NumericFeature(name="x", dtype="float64"),), output=BinaryOutput())
    reference = build_reference(signature, rng.normal(size=(20_000, 1)), rng.beta(2, 5, 20_000))
    features = {"x": counted(reference.features["x"], rng.normal(size=5000))}
    outputs = {"prediction": counted(reference.outputs["prediction"], rng.beta(5, 2, 5000))}
    verdict = judge(reference, Profile(features, outputs), SETTINGS)
    assert [(report.name, report.part) for report in verdict.columns] == [("prediction", "output"), ("x", "feature")]
    assert (verdict.level, verdict.message) == (Level.DRIFT, "1 of 2 columns drifted: prediction")


def test_of_features_that_drifted_the_key_ones_come_first() -> None:
    columns = {
        "far": (numeric(_normal(5000)), _normal(5000, 3.0)),
        "near": (numeric(_normal(5000)), _normal(5000, 1.0)),
    }
    assert [report.name for report in _judge(columns).columns] == ["far", "near"]
    rules = DriftSettings(features=(FeatureSettings(name="near", role="key"),))
    reports = _judge(columns, rules).columns
    assert [(report.name, report.verdict) for report in reports] == [("near", Level.DRIFT), ("far", Level.DRIFT)]


def test_a_window_without_rows_says_so() -> None:
    verdict = _judge({"x": (numeric(_normal(1000)), np.empty(0))})
    assert (verdict.level, verdict.message) == (Level.NO_DATA, "no data")


def test_what_cannot_be_judged_does_not_hide_what_can() -> None:
    sparse = np.full(2000, np.nan)
    sparse[:30] = 0.5
    columns = {
        "sparse": (numeric(np.where(_normal(9000) > -2.17, np.nan, 0.5)), sparse),
        "x": (numeric(_normal(9000)), _normal(2000, seed=2)),
    }
    assert _judge(columns).level in CALM
