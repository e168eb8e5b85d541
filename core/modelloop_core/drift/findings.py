"""What may have changed in a column, each judged by itself: its values, and the rates of what is no seen value."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.drift.enough import null_quantile
from modelloop_core.drift.rates import RateChange, rate_changes
from modelloop_core.drift.statistics import Distances, Statistics
from modelloop_core.wire.reports import Level
from modelloop_core.wire.settings import DriftSettings, FeatureSettings, Method

RATE_BAND = 0.02
"""From this change on, a rate is a moderate finding; significant in the proportion that the bands of distances have."""

ALARM_SHARE = 0.1
"""Of the false alarm rate, for what is more than a trend: Benjamini-Hochberg spends the whole of its level when nothing
changed, and what was measured in 1,000 quiet windows has to lie under it with its upper bound (docs/decisions/0010)."""

VALUES = "values"


@dataclass(frozen=True)
class Finding:
    """How large a change is, what its bands are, and how likely one as large is by chance; `enough` data to say so."""

    what: str
    size: float
    moderate: float
    significant: float
    pvalue: float
    enough: bool
    text: str

    @property
    def severity(self) -> float:
        """The size in units of the significant band."""
        return self.size / self.significant

    def level(self, adjusted_pvalue: float, false_alarm_rate: float) -> Level:
        """Enough, resolved, large: in this order."""
        if not self.enough:
            return Level.INSUFFICIENT
        if adjusted_pvalue > false_alarm_rate:
            return Level.STABLE
        if self.size < self.moderate or adjusted_pvalue > ALARM_SHARE * false_alarm_rate:
            return Level.TREND
        return Level.DRIFT if self.size >= self.significant else Level.MODERATE


def findings_of(found: Statistics, rule: FeatureSettings, settings: DriftSettings) -> tuple[Finding, ...]:
    """What there is to judge in a column, its values first; of one that lost all of them, that they are missing."""
    rates = [_of_rate(change, found, settings) for change in rate_changes(found)]
    if found.distances is not None:
        return (_of_values(found, found.distances, rule, settings), *rates)
    return tuple(one for one in rates if found.reference_n and one.enough)


def _of_values(found: Statistics, apart: Distances, rule: FeatureSettings, settings: DriftSettings) -> Finding:
    method, size = _distance(found, apart, rule.method)
    significant = settings.significant if rule.significant is None else rule.significant
    chance = null_quantile(method, found.cells, found.seen_n_eff if method == "psi" else found.n_eff)
    return Finding(
        what=VALUES,
        size=size,
        moderate=settings.moderate,
        significant=significant,
        pvalue=apart.chi2_pvalue,
        enough=found.current_n >= settings.min_samples and chance < settings.moderate,
        text=f"{method} {size:.3g}",
    )


def _distance(found: Statistics, apart: Distances, method: Method) -> tuple[Method, float]:
    """The distance that is judged; levels have no order, so that there is no KS of them, and PSI stands in."""
    if method == "ks" and found.shape is not None:
        return method, found.shape.ks_statistic
    if method == "js":
        return method, apart.js_distance
    return "psi", apart.psi_seen or 0.0


def _of_rate(change: RateChange, found: Statistics, settings: DriftSettings) -> Finding:
    return Finding(
        what=change.what,
        size=abs(change.difference),
        moderate=RATE_BAND,
        significant=RATE_BAND * settings.significant / settings.moderate,
        pvalue=change.pvalue,
        enough=found.current.rows >= settings.min_samples,
        text=f"{change.what} {change.reference:.3%} → {change.current:.3%} "
        f"({100 * change.low:+.1f} to {100 * change.high:+.1f} points)",
    )
