"""Judges pairs of columns as the monitor judges a window: the reference's bins, both sides counted in them."""

from __future__ import annotations

from modelloop_cli.column_pairs import Pair
from modelloop_cli.table_pairs import Pairs
from modelloop_core.drift.bins import level_bins
from modelloop_core.drift.counter import count_columns
from modelloop_core.drift.exact import with_samples
from modelloop_core.drift.reference import ColumnReference, column_reference, numeric_reference
from modelloop_core.drift.statistics import compare_all
from modelloop_core.drift.verdicts import Column, Verdict, judge_columns
from modelloop_core.wire.settings import DriftSettings


def judge_pairs(pairs: Pairs, *, exact: bool) -> Verdict:
    """The verdict by the default settings; with `exact`, KS and Wasserstein are those of the raw values."""
    references = {pair.name: _reference(pair) for pair in pairs.columns}
    current = count_columns(references, {pair.name: pair.current for pair in pairs.columns})
    found = compare_all(references, current)
    if exact:
        numeric = [pair for pair in pairs.columns if pair.levels is None]
        found |= {
            pair.name: with_samples(found[pair.name], references[pair.name], pair.reference, pair.current)
            for pair in numeric
        }
    columns = [
        Column(pair.name, "feature", references[pair.name].bins.kind, found[pair.name], pair.unseen)
        for pair in pairs.columns
    ]
    return judge_columns(columns, DriftSettings())


def _reference(pair: Pair) -> ColumnReference:
    if pair.levels is not None:
        return column_reference(level_bins(pair.levels, pair.level_counts), pair.dtype, pair.reference)
    return numeric_reference(pair.dtype, pair.reference)
