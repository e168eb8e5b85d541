"""Where a column's values are counted: fine bins for tests of the whole shape, coarse ones for distances and people.

Numeric bins are intervals (a, b], open at both ends. A value that many rows share is an atom with a bin of its own:
otherwise a point mass inside a bin could move without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

FINE_BINS = 80
COARSE_BINS = 10
FEW_VALUES = 20
FINE_ATOM = 1 / 64
COARSE_ATOM = 1 / 20
MOST_LEVELS = 1000
COARSE_LEVELS = 20
PROBABILITY_BINS = 20
OTHER = "other"

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NumericBins(_Value):
    """Fine bins (edges[i-1], edges[i]] and the coarse bin that each of the `len(edges) + 1` is part of.

    With few distinct values each has a bin of its own and what lies between them is one coarse bin, the last.
    """

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...] = Field(max_length=4 * FINE_BINS)
    coarse: tuple[int, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError("edges must increase strictly")
        _check_coarse(self.coarse, len(self.edges) + 1)
        return self

    @property
    def size(self) -> int:
        """How many fine bins there are."""
        return len(self.edges) + 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for people of each coarse bin: its value, its interval, or `other`."""
        return _interval_names(self.edges, self.coarse)


class LevelBins(_Value):
    """One fine bin for each level, in the order of the codes that rows hold, and a last one for all others."""

    kind: Literal["categorical"] = "categorical"
    levels: tuple[str, ...] = Field(max_length=MOST_LEVELS)
    coarse: tuple[int, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_coarse(self.coarse, len(self.levels) + 1)
        return self

    @property
    def size(self) -> int:
        """How many fine bins there are."""
        return len(self.levels) + 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name of each coarse bin: its level, or `other`."""
        rest = max(self.coarse)
        names = {part: level for level, part in zip(self.levels, self.coarse, strict=False) if part != rest}
        return tuple(names.get(part, OTHER) for part in range(rest + 1))


Bins = Annotated[NumericBins | LevelBins, Field(discriminator="kind")]


def numeric_bins(values: npt.NDArray[np.floating]) -> NumericBins:
    """Bins from the finite values [n] of a reference, in the precision in which it is served; one bin when n is 0."""
    return bins_of_sorted(np.sort(values[np.isfinite(values)]))


def bins_of_sorted(values: npt.NDArray[np.floating]) -> NumericBins:
    """`numeric_bins` of finite values [n] in ascending order."""
    if not len(values):
        return NumericBins(edges=(), coarse=(0,))
    if len(few := _distinct(values, FEW_VALUES + 1)) <= FEW_VALUES:
        return _value_bins(few)
    fine = np.union1d(_quantiles(values, FINE_BINS), _around(_atoms(values, FINE_ATOM)))
    coarse = np.union1d(_quantiles(values, COARSE_BINS), _around(_atoms(values, COARSE_ATOM)))
    return NumericBins(edges=_floats(np.union1d(fine, coarse)), coarse=_parts(np.union1d(fine, coarse), coarse))


def probability_bins() -> NumericBins:
    """The bins of every probability: 20 equal ones on [0, 1], in pairs 10 coarse ones; the same for all versions."""
    edges = np.arange(1, PROBABILITY_BINS) / PROBABILITY_BINS
    return NumericBins(edges=_floats(edges), coarse=tuple(bin_ // 2 for bin_ in range(PROBABILITY_BINS)))


def level_bins(levels: Sequence[str], counts: Int64s) -> LevelBins:
    """Bins for `levels` in their order, the most frequent 20 (by `counts`, one a level) with a coarse bin each."""
    levels, counts = levels[:MOST_LEVELS], counts[:MOST_LEVELS]
    # Stable, so that of two that are equally frequent the first one is kept, whatever the sort.
    largest = np.sort(np.argsort(-counts, kind="stable")[:COARSE_LEVELS])
    places = {int(level): place for place, level in enumerate(largest)}
    rest = len(places)
    return LevelBins(levels=tuple(levels), coarse=tuple(places.get(code, rest) for code in range(len(levels) + 1)))


def to_coarse(counts: npt.NDArray[np.generic], coarse: Sequence[int]) -> Float64s:
    """Sums of `counts` [fine] by coarse bin, float64 [coarse]."""
    totals = np.zeros(max(coarse) + 1)
    np.add.at(totals, np.asarray(coarse), np.asarray(counts, dtype=np.float64))
    return totals


def _value_bins(distinct: Floats) -> NumericBins:
    edges = _around(distinct)
    places = np.searchsorted(edges, distinct, side="left")
    coarse = np.full(len(edges) + 1, len(distinct))
    coarse[places] = np.arange(len(distinct))
    return NumericBins(edges=_floats(edges), coarse=tuple(int(part) for part in coarse))


def _distinct(values: Floats, most: int) -> Floats:
    """The first `most` distinct ones of sorted values, each found by a search: to compare all is most of the work."""
    starts: list[int] = []
    place = 0
    while place < len(values) and len(starts) < most:
        starts.append(place)
        place = int(np.searchsorted(values, values[place], side="right"))
    return values[starts]


def _atoms(values: Floats, share: float) -> Floats:
    """Those of sorted values that this share of them or more are."""
    # So many equal ones in a row hold one of these places.
    candidates = np.unique(values[:: max(1, int(share * len(values)))])
    counts = np.searchsorted(values, candidates, side="right") - np.searchsorted(values, candidates, side="left")
    return candidates[counts / len(values) >= share]


def _quantiles(values: Floats, parts: int) -> Floats:
    """Inner edges that cut sorted values into equal parts, by the inverse of their distribution function."""
    ranks = np.ceil(np.arange(1, parts) * (len(values) / parts)).astype(np.int64) - 1
    return np.unique(values[np.maximum(ranks, 0)])


def _around(atoms: Floats) -> Floats:
    """The edges that leave each atom alone in its bin."""
    return np.union1d(np.nextafter(atoms, atoms.dtype.type(-np.inf)), atoms)


def _parts(edges: Floats, coarse: Floats) -> tuple[int, ...]:
    """The coarse bin of each fine one: how many coarse edges lie below its upper end."""
    inside = np.searchsorted(coarse, edges, side="left")
    return (*(int(part) for part in inside), len(coarse))


def _check_coarse(coarse: Sequence[int], size: int) -> None:
    if len(coarse) != size:
        raise ValueError(f"{size} fine bins need as many entries in coarse, which has {len(coarse)}")
    if sorted(set(coarse)) != list(range(max(coarse) + 1)):
        raise ValueError("coarse bins must be numbered from 0 without gaps")


def _interval_names(edges: Sequence[float], coarse: Sequence[int]) -> tuple[str, ...]:
    bounds = [float("-inf"), *edges, float("inf")]
    members: dict[int, list[int]] = {}
    for fine, part in enumerate(coarse):
        members.setdefault(part, []).append(fine)
    return tuple(_interval_name(bounds, members[part]) for part in range(len(members)))


def _interval_name(bounds: Sequence[float], fine: Sequence[int]) -> str:
    if fine[-1] - fine[0] != len(fine) - 1:
        return OTHER
    low, high = bounds[fine[0]], bounds[fine[-1] + 1]
    if _are_neighbours(low, high):
        return f"{high:g}"
    following = bounds[fine[-1] + 2] if fine[-1] + 2 < len(bounds) else high
    # The edge just below an atom is no number that a person has seen; the atom is.
    end = f"{following:g})" if _are_neighbours(high, following) else f"{high:g}]"
    if low == -np.inf:
        return "all" if high == np.inf else f"{'<' if end[-1] == ')' else '≤'} {end[:-1]}"
    return f"> {low:g}" if high == np.inf else f"({low:g}, {end}"


def _are_neighbours(low: float, high: float) -> bool:
    if abs(high) > float(np.finfo(np.float32).max):
        return bool(np.nextafter(high, -np.inf) == low)
    return low in (np.nextafter(high, -np.inf), float(np.nextafter(np.float32(high), np.float32(-np.inf))))


def _floats(values: Iterable[np.floating]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
