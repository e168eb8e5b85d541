"""Every number of one column, from two profiles in the same bins; `docs/drift.md` says what each means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from modelloop_core.drift import distances, shape
from modelloop_core.drift.bins import NumericBins
from modelloop_core.drift.cells import Cells, Rates, cells_of, names_of, rates_of
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.drift.significance import chi2_contingency, effective_size, ks_pvalues


@dataclass(frozen=True)
class Statistics:
    """One column's distances and tests, each a finite number or None; of the values, nulls apart.

    `n_eff` is that of both sides after their design effects. `psi_seen` leaves unseen and infinite values out, whose
    smoothed share is biased where one side has few rows; `cells` is how many cells it compares.
    """

    reference: Rates
    current: Rates
    n_eff: float
    cells: int
    design_effects: tuple[float, float] = (1.0, 1.0)
    psi: float | None = None
    psi_seen: float | None = None
    kl: float | None = None
    js_distance: float | None = None
    hellinger: float | None = None
    l_infinity: float | None = None
    moved_most: str | None = None
    wasserstein: float | None = None
    wasserstein_over_sd: float | None = None
    ks_statistic: float | None = None
    ks_pvalue: float | None = None
    chi2_statistic: float | None = None
    chi2_pvalue: float | None = None

    @property
    def reference_n(self) -> int:
        """The reference's values, nulls not among them."""
        return self.reference.rows - self.reference.null

    @property
    def current_n(self) -> int:
        """The current values, nulls not among them."""
        return self.current.rows - self.current.null


def compare(reference: ColumnReference, current: ColumnProfile, design_effect: float = 1.0) -> Statistics:
    """All numbers of one column; raises EdgesDiffer when `current` was not counted in the reference's bins.

    In tests a row of the window is worth 1/`design_effect`, and one of the reference 1 over the effect stored with it.
    """
    return compare_all({"": reference}, {"": current}, design_effect)[""]


def compare_all(
    references: Mapping[str, ColumnReference], current: Mapping[str, ColumnProfile], design_effect: float = 1.0
) -> dict[str, Statistics]:
    """`compare` for each column of `current`, which must have a reference."""
    found = {name: _compare(references[name], profile, design_effect) for name, profile in current.items()}
    # One call for all: scipy takes 30 times as long to be called as to answer.
    tested = [name for name, one in found.items() if one.ks_statistic is not None]
    pvalues = ks_pvalues(
        np.array([found[name].ks_statistic for name in tested]), np.array([found[name].n_eff for name in tested])
    )
    return {
        **found,
        **{name: replace(found[name], ks_pvalue=float(p)) for name, p in zip(tested, pvalues, strict=True)},
    }


def _compare(reference: ColumnReference, current: ColumnProfile, design_effect: float) -> Statistics:
    frozen, bins = reference.profile, reference.bins
    # Adding is what checks that both have these bins.
    _ = frozen + current
    ours, theirs = cells_of(bins, current), cells_of(bins, frozen)
    effects = (max(design_effect, 1.0), reference.design_effect)
    found = Statistics(
        reference=rates_of(bins, frozen),
        current=rates_of(bins, current),
        n_eff=effective_size(ours.n / effects[0], theirs.n / effects[1]),
        cells=int(((ours.seen > 0) | (theirs.seen > 0)).sum()),
        design_effects=effects,
    )
    if not ours.n or not theirs.n:
        return found
    found = _with_cells(found, ours, theirs, names_of(bins))
    return _with_shape(found, reference, current, frozen) if isinstance(bins, NumericBins) else found


def _with_cells(found: Statistics, ours: Cells, theirs: Cells, names: tuple[str, ...]) -> Statistics:
    largest = distances.l_infinity(ours.counts, theirs.counts)
    alike = ours.all_seen and theirs.all_seen
    psi = distances.psi(ours.counts, theirs.counts)
    chi2 = chi2_contingency(ours.counts / found.design_effects[0], theirs.counts / found.design_effects[1])
    return replace(
        found,
        psi=psi,
        psi_seen=psi if alike else distances.psi(ours.seen, theirs.seen),
        kl=distances.kl(ours.counts, theirs.counts),
        js_distance=distances.js_distance(ours.counts, theirs.counts),
        hellinger=distances.hellinger(ours.counts, theirs.counts),
        l_infinity=largest and largest[0],
        moved_most=names[largest[1]] if largest and largest[0] else None,
        chi2_statistic=chi2 and chi2[0],
        chi2_pvalue=chi2 and chi2[1],
    )


def _with_shape(
    found: Statistics, reference: ColumnReference, current: ColumnProfile, frozen: ColumnProfile
) -> Statistics:
    assert isinstance(reference.bins, NumericBins)  # noqa: S101 the caller has chosen by kind
    area = shape.wasserstein(reference.bins, current, frozen)
    return replace(
        found,
        ks_statistic=shape.ks_statistic(current, frozen),
        wasserstein=area,
        wasserstein_over_sd=shape.over_sd(area, reference.sd),
    )
