"""What is read of labels and events for a rollout, as the metrics that its checks judge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_labels import labelled_arrays
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.quality import Labelled, quality_metric
from modelloop_core.evidence.totals import Totals, event_metric
from modelloop_core.feature_schema import Output
from modelloop_core.wire.events import AskedEvent
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.settings import METRICS, QualityMetric
from modelloop_monitor.checking import References
from modelloop_monitor.quality.judging import NO_OUTPUT
from modelloop_monitor.rollouts.tallies import Tallies
from modelloop_monitor.store import compared, quality_rows
from modelloop_monitor.store.compared import Bucket, LabelRow, Span

_HOUR_OF_INTERVALS = 60
"""Only predictions of the same so many intervals are compared: an hour, where these are minutes."""


def quality_of(connection: Connection, references: References, span: Span, metric: QualityMetric) -> Metric:
    """The quality of the first of the span's versions beside the second one's, by the labels that have come."""
    found = [_output(connection, references, span, version) for version in span.versions]
    outputs = [output for output in found if output is not None]
    if len(outputs) < len(found) or outputs[0].task != outputs[1].task:
        return Metric(metric, "quality", note=NO_OUTPUT if len(outputs) < len(found) else "the versions' tasks differ")
    if metric not in METRICS[outputs[0].task]:
        return Metric(metric, "quality", note=f"the task is {outputs[0].task}, which has no {metric}")
    rows = compared.labels(connection, span)
    sides = [
        _labelled(output, [row for row in rows if row.version == version], span.width)
        for version, output in zip(span.versions, outputs, strict=True)
    ]
    told = quality_metric(metric, outputs[0], *sides)
    full = len(rows) == compared.MOST_LABELS and told.blocks is not None
    return replace(told, note=f"by the first {compared.MOST_LABELS:,} labels") if full else told


def events_of(
    connection: Connection, tallies: Tallies, span: Span, events: Sequence[AskedEvent]
) -> Mapping[str, Metric]:
    """Business events of the versions, each of requests that are older than its delay."""
    return {event.name: _event(connection, tallies, span, event) for event in events}


def span_of(model: tuple[str, str], query: EvidenceQuery, *, since: float, until: float, width: int) -> Span:
    """Both versions since the rollout began, in whole intervals."""
    return Span(model, (query.version, query.against), since, math.floor(until / width) * width, width)


def _output(connection: Connection, references: References, span: Span, version: str) -> Output | None:
    digest = quality_rows.reference(connection, span.model, version)
    reference = None if digest is None else references.whole(digest)
    return None if reference is None else reference.output


def _labelled(output: Output, rows: Sequence[LabelRow], width: int) -> Labelled:
    answers, labels = labelled_arrays(output, [(row.prediction, row.label) for row in rows])
    predicted = _intervals([row.predicted for row in rows], width)
    received = _intervals([row.received for row in rows], width)
    return Labelled(answers, labels, _numbered(rows), received, predicted // _HOUR_OF_INTERVALS)


def _numbered(rows: Sequence[LabelRow]) -> Int64s:
    """One number for the rows of each request that came together; they follow one another."""
    keys = [(row.request, row.received) for row in rows]
    new = [place == 0 or keys[place] != keys[place - 1] for place in range(len(keys))]
    return np.cumsum(np.array(new, dtype=np.int64))


def _intervals(moments: Sequence[float], width: int) -> Int64s:
    return np.floor(np.array(moments, dtype=np.float64) / width).astype(np.int64)


def _event(connection: Connection, tallies: Tallies, span: Span, event: AskedEvent) -> Metric:
    waited = -(-event.delay_seconds // span.width)
    old = span._replace(until=span.until - waited * span.width)
    asked = tallies.read(old, "requests", lambda part: compared.requests(connection, part))
    followed = tallies.read(old, event, lambda part: _followed(connection, part, event))
    places = np.array(sorted({bucket.interval for bucket in asked}), dtype=np.int64)
    ours, theirs = (_totals(version, asked, followed, places) for version in span.versions)
    return event_metric(event, ours, theirs, places + waited)


def _followed(connection: Connection, span: Span, event: AskedEvent) -> list[Bucket]:
    return compared.followed(connection, span, event.name, event.kind, event.delay_seconds)


def _totals(version: str, asked: Sequence[Bucket], followed: Sequence[Bucket], places: Int64s) -> Totals:
    own = [bucket for bucket in followed if bucket.version == version]
    # An event joins a logged prediction, but that may have been left out at its first row, or erased since.
    number = np.maximum(_placed(asked, version, places, "number"), _placed(followed, version, places, "number"))
    total = _placed(followed, version, places, "total")
    return Totals(number.astype(np.int64), total, sum(bucket.squares for bucket in own))


def _placed(buckets: Sequence[Bucket], version: str, places: Int64s, what: str) -> Float64s:
    own = [bucket for bucket in buckets if bucket.version == version]
    found = np.zeros(len(places))
    at = np.searchsorted(places, [bucket.interval for bucket in own])
    for place, bucket in zip(at, own, strict=True):
        if place < len(places) and places[place] == bucket.interval:
            found[place] = getattr(bucket, what)
    return found
