"""One column in one window: both histograms over the same coarse bins, and each number with what it is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from modelloop_core.drift.cells import cells_of, compared_bins, names_of
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.wire.reports import ColumnReport
from modelloop_core.wire.settings import DriftSettings
from modelloop_monitor.dashboard.queries.drift import ColumnInWindow
from modelloop_monitor.dashboard.wording import number, percent, pvalue

_RATE_BAND = "2 points"


@dataclass(frozen=True)
class Bar:
    """A coarse bin's share of the values on both sides."""

    name: str
    reference: float
    current: float

    @property
    def points(self) -> float:
        """By how many points the share has grown."""
        return 100 * (self.current - self.reference)


@dataclass(frozen=True)
class Told:
    """A number with its name, what it means, and its bands; `beyond` is the word of the band that it has reached."""

    name: str
    value: str
    meaning: str
    bands: str = ""
    beyond: str = ""


@dataclass(frozen=True)
class ColumnView:
    """What is shown of a column in a window; no bars where the counts are not kept any more."""

    report: ColumnReport
    bars: tuple[Bar, ...]
    scale: float
    statistics: tuple[Told, ...]


def column_view(found: ColumnInWindow) -> ColumnView:
    """The view of a column."""
    bars: tuple[Bar, ...] = ()
    if found.reference is not None and found.current is not None:
        bars = tuple(histogram(found.reference, found.current))
    scale = max((max(bar.reference, bar.current) for bar in bars), default=1.0) or 1.0
    return ColumnView(found.report, bars, scale, tuple(_statistics(found.report, found.settings)))


def histogram(reference: ColumnReference, current: ColumnProfile) -> Iterator[Bar]:
    """Shares of the values that are not null, by coarse bin; infinities only where there are any."""
    bins = compared_bins(reference.bins, reference.profile, current)
    theirs, ours = cells_of(bins, reference.profile).counts, cells_of(bins, current).counts
    shares = [counts / max(counts.sum(), 1.0) for counts in (theirs, ours)]
    names = names_of(bins)
    for place in np.arange(len(names)):
        if place in (0, len(names) - 1) and not theirs[place] and not ours[place]:
            continue
        yield Bar(names[place], float(shares[0][place]), float(shares[1][place]))


def _statistics(report: ColumnReport, settings: DriftSettings) -> Iterator[Told]:
    rule = next((rule for rule in settings.features if rule.name == report.name), None)
    method = "psi" if rule is None else rule.method
    significant = settings.significant if rule is None or rule.significant is None else rule.significant
    for key, name, value, meaning in (
        ("psi", "PSI", report.psi, "population stability index over the coarse bins"),
        ("js", "Jensen–Shannon distance", report.js_distance, "0: the same, 1: nothing in common"),
        ("ks", "Kolmogorov–Smirnov", report.ks_statistic, "the largest gap between the distribution functions"),
    ):
        judged = key == method
        yield Told(
            name,
            number(value),
            f"{meaning}; judged by it" if judged else meaning,
            f"moderate from {number(settings.moderate)}, drift from {number(significant)}" if judged else "",
            _beyond(value, settings.moderate, significant) if judged else "",
        )
    yield from _other_distances(report)
    yield from _tests(report, settings)
    yield from _rates(report)


def _other_distances(report: ColumnReport) -> Iterator[Told]:
    yield Told("PSI against the window before", number(report.psi_previous), "informs, and opens no incident")
    yield Told("Kullback–Leibler", number(report.kl), "of the window against the reference, in nats")
    yield Told("Hellinger", number(report.hellinger), "0: the same, 1: nothing in common")
    yield Told("L∞", number(report.l_infinity), "the share of the bin that moved most")
    if report.kind == "numeric":
        meaning = "how far values moved, in the feature's own unit; from bins a lower bound"
        yield Told("Wasserstein", number(report.wasserstein), meaning)
        yield Told("Wasserstein / sd", number(report.wasserstein_over_sd), "the same in standard deviations")


def _tests(report: ColumnReport, settings: DriftSettings) -> Iterator[Told]:
    limit = settings.false_alarm_rate
    resolved = report.adjusted_pvalue is not None and report.adjusted_pvalue <= limit
    yield Told("χ² p-value", pvalue(report.chi2_pvalue), "how likely a change as large is by chance alone")
    yield Told(
        "adjusted p-value",
        pvalue(report.adjusted_pvalue),
        "the same among all columns that are judged together (Benjamini–Hochberg)",
        f"certain up to {number(limit)}",
        "certain" if resolved else "",
    )
    if report.ks_pvalue is not None:
        yield Told("KS p-value", pvalue(report.ks_pvalue), "from bins: on the careful side")


def _rates(report: ColumnReport) -> Iterator[Told]:
    ours = _share(report.current_null, report.current_n + report.current_null)
    theirs = _share(report.reference_null, report.reference_n + report.reference_null)
    change = "" if ours is None or theirs is None or abs(ours - theirs) < 0.02 else "moderate"
    words = f"{percent(theirs)} in the reference; judged by itself"
    yield Told("missing values", percent(ours), words, f"moderate from a change of {_RATE_BAND}", change)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _beyond(value: float | None, moderate: float, significant: float) -> str:
    if value is None or value < moderate:
        return ""
    return "drift" if value >= significant else "moderate"
