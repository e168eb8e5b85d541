"""Every number of a column, from two profiles in the same bins; `docs/drift.md` says what each means.

All columns of a window are compared at once: numpy and scipy take longer to be called than to answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelloop_core.drift import distances
from modelloop_core.drift.bins import Bins, Float64s
from modelloop_core.drift.cells import Cells, Rates, cells_of, compared_bins, names_of, own_rates, padded, rates_of
from modelloop_core.drift.profile import ColumnProfile, EdgesDiffer
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.drift.shapes import Shape, shapes_of
from modelloop_core.drift.significance import chi2_pvalues, chi2_statistic, effective_size
from modelloop_core.drift.unseen import own_unseen


@dataclass(frozen=True)
class Distances:
    """What the cells of both sides say, neither of them empty.

    `psi_seen` leaves unseen and infinite values out, whose smoothed share is biased where one side has few rows; it is
    None where a side has none but these. `moved_most` names the cell of `l_infinity`.
    """

    psi: float
    psi_seen: float | None
    kl: float
    js_distance: float
    hellinger: float
    l_infinity: float
    moved_most: str | None
    chi2_statistic: float
    chi2_pvalue: float


@dataclass(frozen=True)
class Statistics:
    """One column's distances and tests: of its values, nulls apart.

    `n_eff` is that of both sides after their design effects, `seen_n_eff` and `cells` those of what the judged PSI
    compares: where most values are unseen, few rows are left for it. There are no `distances` where a side has no
    value, and no `shape` of levels.
    """

    reference: Rates
    current: Rates
    n_eff: float
    seen_n_eff: float
    cells: int
    design_effects: tuple[float, float]
    distances: Distances | None = None
    shape: Shape | None = None

    @property
    def reference_n(self) -> int:
        """The reference's values, nulls not among them."""
        return self.reference.values

    @property
    def current_n(self) -> int:
        """The current values, nulls not among them."""
        return self.current.values

    @property
    def psi(self) -> float | None:
        """The PSI that is shown, or None where a side has no value."""
        return None if self.distances is None else self.distances.psi


@dataclass(frozen=True)
class _Pair:
    """One column of both sides, on its way."""

    reference: ColumnReference
    bins: Bins
    frozen: ColumnProfile
    current: ColumnProfile
    rates: tuple[Rates, Rates]
    theirs: Cells
    ours: Cells
    design_effects: tuple[float, float]

    @property
    def has_values(self) -> bool:
        return bool(self.ours.n and self.theirs.n)

    @property
    def n_eff(self) -> float:
        return effective_size(self.ours.n / self.design_effects[0], self.theirs.n / self.design_effects[1])

    @property
    def seen_n_eff(self) -> float:
        return effective_size(self.ours.seen_n / self.design_effects[0], self.theirs.seen_n / self.design_effects[1])


def compare(reference: ColumnReference, current: ColumnProfile, design_effect: float = 1.0) -> Statistics:
    """All numbers of one column; raises EdgesDiffer when `current` was not counted in the reference's bins.

    In tests a row of the window is worth 1/`design_effect`, and one of the reference 1 over the effect stored with it.
    """
    return compare_all({"": reference}, {"": current}, design_effect)[""]


def compare_all(
    references: Mapping[str, ColumnReference], current: Mapping[str, ColumnProfile], design_effect: float = 1.0
) -> dict[str, Statistics]:
    """`compare` for each column of `current`, which must have a reference."""
    pairs = {name: _pair(references[name], profile, design_effect) for name, profile in current.items()}
    whole = {name: pair for name, pair in pairs.items() if pair.has_values}
    apart = dict(zip(whole, _distances(list(whole.values())), strict=True))
    numeric = {name: pair for name, pair in whole.items() if pair.reference.bins.kind == "numeric"}
    shapes = dict(
        zip(
            numeric,
            shapes_of([(one.reference, one.frozen, one.current, one.n_eff) for one in numeric.values()]),
            strict=True,
        )
    )
    return {name: _statistics(pair, apart.get(name), shapes.get(name)) for name, pair in pairs.items()}


def _pair(reference: ColumnReference, current: ColumnProfile, design_effect: float) -> _Pair:
    bins, frozen = reference.bins, reference.profile
    if len(current.counts) != bins.size:
        raise EdgesDiffer(f"a profile of {len(current.counts)} bins was not counted in its reference's {bins.size}")
    ours = rates_of(bins, current)
    theirs = own_rates(bins, frozen, own_unseen(bins, frozen), ours)
    bins = compared_bins(bins, frozen, current)
    return _Pair(
        reference=reference,
        bins=bins,
        frozen=frozen,
        current=current,
        rates=(ours, theirs),
        theirs=cells_of(bins, frozen, theirs.unseen),
        ours=cells_of(bins, current),
        design_effects=(max(design_effect, 1.0), reference.design_effect),
    )


def _statistics(pair: _Pair, apart: Distances | None, shape: Shape | None) -> Statistics:
    ours, theirs = pair.rates
    return Statistics(
        reference=theirs,
        current=ours,
        n_eff=pair.n_eff,
        seen_n_eff=pair.seen_n_eff,
        cells=int(np.count_nonzero(pair.ours.seen + pair.theirs.seen)),
        design_effects=pair.design_effects,
        distances=apart,
        shape=shape,
    )


def _distances(pairs: Sequence[_Pair]) -> list[Distances]:
    if not pairs:
        return []
    ours, theirs = padded([pair.ours.counts for pair in pairs]), padded([pair.theirs.counts for pair in pairs])
    psi = seen = distances.psi(ours, theirs)
    if not all(pair.ours.all_seen and pair.theirs.all_seen for pair in pairs):
        seen = distances.psi(padded([pair.ours.seen for pair in pairs]), padded([pair.theirs.seen for pair in pairs]))
    largest, places = distances.l_infinity(ours, theirs)
    statistics, pvalues = _chi2(pairs)
    columns = (
        psi, seen, distances.kl(ours, theirs), distances.js_distance(ours, theirs), distances.hellinger(ours, theirs),
        largest, statistics, pvalues,
    )  # fmt: skip
    return [
        Distances(
            psi=row[0],
            psi_seen=None if math.isnan(row[1]) else row[1],
            kl=row[2],
            js_distance=row[3],
            hellinger=row[4],
            l_infinity=row[5],
            moved_most=names_of(pair.bins)[place] if row[5] else None,
            chi2_statistic=row[6],
            chi2_pvalue=row[7],
        )
        for pair, place, *row in zip(pairs, places.tolist(), *(column.tolist() for column in columns), strict=True)
    ]


def _chi2(pairs: Sequence[_Pair]) -> tuple[Float64s, Float64s]:
    """Of counts divided by their design effects, which is Rao and Scott's first-order correction."""
    found = [
        chi2_statistic(
            (pair.ours.counts / pair.design_effects[0]).tolist(), (pair.theirs.counts / pair.design_effects[1]).tolist()
        )
        for pair in pairs
    ]
    statistics, groups = np.array([one for one, _ in found]), np.array([number for _, number in found])
    return statistics, chi2_pvalues(statistics, groups)
