"""What is read for an A/B test: the metric that decides, from labels, events, or the answers of each interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from modelloop_core.drift.bins import Float64s, Int64s, NumericBins
from modelloop_core.drift.reference import PREDICTION, ColumnReference, Reference
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.totals import Totals, output_metric
from modelloop_core.feature_schema import BinaryOutput
from modelloop_core.wire.evidence import COMPARED_METRICS, OUTPUT_METRICS, EvidenceQuery
from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.checking import References
from modelloop_monitor.rollouts.worth import quality_of
from modelloop_monitor.store import windows
from modelloop_monitor.store.compared import Span

Counted = Mapping[int, MinuteCounts]
"""What a version was counted, by interval."""


def tried_metric(
    connection: Connection,
    references: References,
    span: Span,
    query: EvidenceQuery,
    *,
    quality: Metric | None,
    events: Mapping[str, Metric],
    counted: Sequence[Counted],
) -> Metric | None:
    """The metric of the A/B test that is asked for, both versions beside each other."""
    for name in COMPARED_METRICS:
        if name == query.ab_metric:
            return quality if name == query.quality_metric else quality_of(connection, references, span, name)
    if query.ab_metric is not None and query.ab_metric in events:
        return _facing(events[query.ab_metric], higher=query.ab_higher)
    if query.ab_metric in OUTPUT_METRICS:
        return _of_answers(connection, references, span, query, counted)
    return None


def _facing(metric: Metric, *, higher: bool) -> Metric:
    blocks = None if metric.blocks is None else replace(metric.blocks, higher=higher)
    return replace(metric, blocks=blocks, higher=higher)


def _of_answers(
    connection: Connection, references: References, span: Span, query: EvidenceQuery, counted: Sequence[Counted]
) -> Metric:
    name = str(query.ab_metric)
    found = [_reference(connection, references, span, version) for version in span.versions]
    columns = [None if reference is None else reference.outputs.get(PREDICTION) for reference in found]
    live, column = found[1], columns[1]
    if live is None or column is None or columns[0] is None or columns[0].bins != column.bins:
        note = f"{name} needs one number for each answer, in bins that both versions have"
        return Metric(name, "output", note=note, higher=query.ab_higher)
    if name == "positive_rate" and not isinstance(live.output, BinaryOutput):
        return Metric(name, "output", note=f"the task is {live.output.task}: only binary has a positive rate")
    worth = _positive(live) if name == "positive_rate" else _worth(column)
    places = np.array(sorted(set(counted[0]) | set(counted[1])), dtype=np.int64)
    ours, theirs = (_totals(side, places, worth) for side in counted)
    return output_metric(name, ours, theirs, places, higher=query.ab_higher, share=name == "positive_rate")


def _reference(connection: Connection, references: References, span: Span, version: str) -> Reference | None:
    digest = windows.last_reference(connection, span.model, version)
    return None if digest is None else references.whole(digest)


def _totals(counted: Counted, places: Int64s, worth: Float64s) -> Totals:
    nothing = (0,) * len(worth)
    rows = [counted[place].outputs.get(PREDICTION, nothing) if place in counted else nothing for place in places]
    counts = np.array([row if len(row) == len(worth) else nothing for row in rows], dtype=np.int64)
    counts = counts.reshape(len(places), len(worth))
    return Totals(counts.sum(axis=1), counts @ worth, float((counts @ worth**2).sum()))


def _positive(reference: Reference) -> Float64s:
    """The part of each bin that is at or over the threshold; within the bin that holds it, by length."""
    bins, output = reference.outputs[PREDICTION].bins, reference.output
    if not isinstance(output, BinaryOutput) or not isinstance(bins, NumericBins):
        raise TypeError("only probabilities have a threshold")
    edges = np.array([0.0, *bins.edges, 1.0])
    return np.clip((edges[1:] - output.threshold) / np.diff(edges), 0.0, 1.0)


def _worth(column: ColumnReference) -> Float64s:
    """What an answer in each bin counts: the mean of the reference's there, else the middle between its edges."""
    counts, sums = np.array(column.counts, dtype=np.float64), np.array(column.sums)
    edges = np.array(column.bins.edges if isinstance(column.bins, NumericBins) else ())
    ends = np.concatenate([edges[:1], edges, edges[-1:]]) if len(edges) else np.zeros(2)
    return np.where(counts > 0, sums / np.maximum(counts, 1), (ends[1:] + ends[:-1]) / 2)
