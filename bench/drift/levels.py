"""What the verdict's level and power are: quiet windows of real records redrawn, and normal columns shifted.

Seeded, so that it gives the same figures each time. `python -m bench.drift.levels` stores them and takes 8 minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from bench.drift.records import Records, Wide
from bench.markdown import GOALS, table, where
from bench.report import RESULTS, Goal, publish
from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import Profile
from modelloop_core.drift.reference import Reference, build_reference
from modelloop_core.drift.verdicts import Verdict, judge
from modelloop_core.feature_schema import NumericFeature, RegressionOutput, Signature
from modelloop_core.wire.reports import Level
from modelloop_core.wire.settings import DriftSettings

ROOT_CACHE = RESULTS.parents[1] / ".cache/bench"
WINDOWS, POWER_WINDOWS = 1000, 100
ALARMS = (Level.MODERATE, Level.DRIFT)
LEVEL = DriftSettings().false_alarm_rate

QUIET = (
    # people in a row, reference rows, window rows, least rows
    (2, 10_000, 2000, 500),
    (3, 10_000, 500, 500),
    (2, 560, 560, 279),
    (3, 700, 700, 279),
    (3, 220, 220, 100),
)
"""32 or 48 features and an output. An effective size of 279 is the least for ten bins, 110 for two levels."""

NORMAL = ((50, 560), (50, 700))
"""Columns, and rows of both sides: of independent normal columns, which all have ten bins."""

COLUMNS, SHIFTED, REFERENCE_ROWS = 25, 5, 10_000
SIZES, SHIFTS = (500, 2000, 10_000), (0.1, 0.25, 0.5)


def main() -> int:
    """Measure, print, store; the exit code is 0 when it ran."""
    parser = argparse.ArgumentParser(prog="bench-drift-levels", description=__doc__)
    parser.add_argument("--windows", type=int, default=WINDOWS, help="quiet windows of each kind (default %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default %(default)s)")
    options = parser.parse_args()
    windows = options.windows
    shifted = POWER_WINDOWS if windows == WINDOWS else max(windows // 10, 1)
    with ProcessPoolExecutor(options.workers) as pool:
        census = [pool.submit(_of_records, case, windows) for case in QUIET]
        normal = [pool.submit(_of_normals, case, windows) for case in NORMAL]
        cells = [pool.submit(_power, rows, shift, shifted) for rows in SIZES for shift in SHIFTS]
        quiet, power = [one.result() for one in [*census, *normal]], [one.result() for one in cells]
    folder = RESULTS if windows == WINDOWS else ROOT_CACHE
    publish("drift-levels", quiet, _goals(quiet), ("numpy", "scipy"), more={"power": power}, folder=folder)
    return 0


def tables(result: Mapping[str, Any]) -> str:
    """The stored result as tables of docs/drift.md."""
    return "\n\n".join(
        [
            f"{where(result)}; {result['rows'][0]['windows']:,} quiet windows a row.",
            table(QUIET_COLUMNS, result["rows"]),
            table(GOALS, result["goals"]),
            table(POWER_COLUMNS, result["power"]),
        ]
    )


QUIET_COLUMNS = {
    "records": "records", "columns": "columns", "reference rows": "reference", "window rows": "window",
    "judged": "judged", "trends": "trends", "moderate": "moderate", "drift": "drift",
    "upper bound %": "alarms, upper 95 % bound, %",
}  # fmt: skip
POWER_COLUMNS = {
    "window rows": "window", "shift sd": "shift, sd", "mean PSI": "mean PSI", "resolved %": "resolved %",
    "moderate %": "moderate or more %", "significant %": "drift %", "quiet columns %": "quiet columns alarmed %",
}  # fmt: skip


Draw = Callable[[], tuple[Reference, Profile]]


def _of_records(case: tuple[int, int, int, int], windows: int) -> dict[str, object]:
    people, reference_rows, rows, least = case
    rng = np.random.default_rng([people, reference_rows, rows])
    draw = partial(_census_window, Records.load().wide(people), rng, (reference_rows, rows))
    found = _quiet(windows, draw, DriftSettings(min_samples=least))
    return {"records": "census", "reference rows": reference_rows, "window rows": rows, **found}


def _of_normals(case: tuple[int, int], windows: int) -> dict[str, object]:
    columns, rows = case
    draw = partial(_normal_window, np.random.default_rng([columns, rows]), rows, np.zeros(columns), rows)
    found = _quiet(windows, draw, DriftSettings(min_samples=279))
    return {"records": "normal", "reference rows": rows, "window rows": rows, **found}


def _census_window(wide: Wide, rng: np.random.Generator, sizes: tuple[int, int]) -> tuple[Reference, Profile]:
    before, now = wide.draw(rng, sizes)
    reference = wide.reference(*before)
    return reference, wide.count(reference, *now)


def _quiet(windows: int, draw: Callable[[], tuple[Reference, Profile]], settings: DriftSettings) -> dict[str, object]:
    verdicts = [judge(*draw(), settings) for _ in range(windows)]
    found = [verdict.level for verdict in verdicts]
    alarms = sum(level in ALARMS for level in found)
    return {
        "columns": len(verdicts[0].columns),
        "windows": windows,
        "judged": round(sum(map(_judged, verdicts)) / windows),
        "trends": found.count(Level.TREND),
        "moderate": found.count(Level.MODERATE),
        "drift": found.count(Level.DRIFT),
        "upper bound %": 100 * upper_bound(alarms, windows),
    }


def upper_bound(hits: int, n: int) -> float:
    """The one-sided 95 % upper bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if hits >= n else float(stats.beta.ppf(0.95, hits + 1, n - hits))


def _judged(verdict: Verdict) -> int:
    return sum(report.verdict not in (Level.INSUFFICIENT, Level.NO_DATA) for report in verdict.columns)


def _goals(quiet: Sequence[Mapping[str, Any]]) -> list[Goal]:
    worst = max(float(row["upper bound %"]) for row in quiet)
    return [
        Goal(
            f"upper 95 % bound of the model verdict's false alarms at a level of {LEVEL:.0%}, worst row, %",
            f"<= {100 * LEVEL:g}", worst, worst <= 100 * LEVEL,
        )
    ]  # fmt: skip


def _power(rows: int, shift: float, windows: int) -> dict[str, object]:
    rng = np.random.default_rng([rows, round(100 * shift)])
    shifts = np.where(np.arange(COLUMNS) < SHIFTED, shift, 0.0)
    draw = partial(_normal_window, rng, REFERENCE_ROWS, shifts, rows)
    return {"window rows": rows, "shift sd": shift, **_seen([judge(*draw(), DriftSettings()) for _ in range(windows)])}


def _seen(verdicts: Sequence[Verdict]) -> dict[str, object]:
    reports = [report for verdict in verdicts for report in verdict.columns]
    shifted = [report for report in reports if report.name != "prediction" and int(report.name) < SHIFTED]
    calm = [report for report in reports if report not in shifted]

    def percent(levels: Sequence[Level], among: Sequence[Any] = shifted) -> float:
        return 100 * sum(report.verdict in levels for report in among) / len(among)

    return {
        "mean PSI": float(np.mean([report.psi for report in shifted])),
        "resolved %": percent((Level.TREND, *ALARMS)),
        "moderate %": percent(ALARMS),
        "significant %": percent((Level.DRIFT,)),
        "quiet columns %": percent(ALARMS, calm),
    }


def _normal_window(
    rng: np.random.Generator, reference_rows: int, shifts: np.ndarray, rows: int
) -> tuple[Reference, Profile]:
    """A reference of standard normal columns and a window in which they are shifted; the answer is noise."""
    inputs = tuple(NumericFeature(name=str(number), dtype="float64") for number in range(len(shifts)))
    signature = Signature(inputs=inputs, output=RegressionOutput())
    reference = build_reference(
        signature, rng.normal(size=(reference_rows, len(shifts))), rng.normal(size=reference_rows)
    )
    counter = ProfileCounter(signature, reference)
    counter.count(rng.normal(shifts, size=(rows, len(shifts))), rng.normal(size=rows))
    return reference, counter.take()


if __name__ == "__main__":
    sys.exit(main())
