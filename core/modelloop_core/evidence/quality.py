"""A quality metric of two versions: what each prediction was worth, and blocks of both from the same hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.drift.quality_auc import auc
from modelloop_core.drift.quality_intervals import CONFIDENCE, Units, share
from modelloop_core.drift.quality_losses import errors_of, log_losses_of
from modelloop_core.evidence.blocks import Arrivals, Blocks, deal, means_of
from modelloop_core.evidence.metrics import Metric, normal_interval
from modelloop_core.feature_schema import MulticlassOutput, Output
from modelloop_core.wire.evidence import Measured
from modelloop_core.wire.settings import HIGHER_IS_BETTER, QualityMetric

_BOUNDED: frozenset[QualityMetric] = frozenset({"accuracy", "auc", "brier"})
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A version's predictions with their labels [n, …], in the order in which these came.

    `request` numbers those that came together for one request: they count as one. `interval` is in which the label
    came, `hour` that of the prediction; only predictions of the same hours are compared.
    """

    answers: Float64s
    labels: Float64s
    request: Int64s
    interval: Int64s
    hour: Int64s

    def pick(self, kept: _Flags) -> Labelled:
        """Those alone."""
        return Labelled(self.answers[kept], self.labels[kept], self.request[kept], self.interval[kept], self.hour[kept])

    @property
    def arrivals(self) -> Arrivals:
        """When each came."""
        return Arrivals(self.interval, self.hour)


def quality_metric(name: QualityMetric, output: Output, ours: Labelled, theirs: Labelled) -> Metric:
    """The metric of both versions; of classes without probabilities only accuracy can be had."""
    if name != "accuracy" and isinstance(output, MulticlassOutput) and 1 in (ours.answers.ndim, theirs.answers.ndim):
        note = f"{name} needs the probabilities of all classes, and these predictions are the names of classes"
        return Metric(name, "quality", note=note)
    return _areas(output, ours, theirs) if name == "auc" else _means(name, output, ours, theirs)


def _means(name: QualityMetric, output: Output, ours: Labelled, theirs: Labelled) -> Metric:
    sides = [_valued(name, output, side) for side in (ours, theirs)]
    atoms = [_by_request(side, values) for side, values in sides]
    dealt = deal([arrivals for arrivals, _ in atoms])
    number = len(dealt.interval)
    (our_mean, n), (their_mean, m) = (
        means_of(values, block, number) for (_, values), block in zip(atoms, dealt.block, strict=True)
    )
    blocks = Blocks(
        our_mean, their_mean, n * m / np.maximum(n + m, 1), dealt.interval,
        higher=name in HIGHER_IS_BETTER, bound=1.0 if name in _BOUNDED else None,
    )  # fmt: skip
    candidate, stable = (_measured(name, side, values) for side, values in sides)
    return Metric(name, "quality", blocks, candidate, stable)


def _valued(name: QualityMetric, output: Output, side: Labelled) -> tuple[Labelled, Float64s]:
    """The predictions whose worth is a number, and that."""
    values = _values(name, output, side)
    known = np.isfinite(values)
    return side.pick(known), values[known]


def _values(name: QualityMetric, output: Output, side: Labelled) -> Float64s:
    if name == "log_loss":
        return log_losses_of(side.answers, side.labels)
    if name == "brier":
        return np.asarray(np.square(side.answers - side.labels), dtype=np.float64)
    errors = errors_of(output, side.answers, side.labels)
    return 1 - errors if name == "accuracy" else errors


def _by_request(side: Labelled, values: Float64s) -> tuple[Arrivals, Float64s]:
    """One for each request: rows of one request are not independent."""
    if not len(values):
        return side.arrivals, values
    first = np.flatnonzero(np.diff(side.request, prepend=side.request[0] - 1))
    counts = np.diff(first, append=len(values))
    return Arrivals(side.interval[first], side.hour[first]), np.add.reduceat(values, first) / counts


def _measured(name: QualityMetric, side: Labelled, values: Float64s) -> Measured:
    if name == "accuracy":
        return Measured(of=len(values), value=share(values > 0, Units.of(len(values), side.request.tolist())))
    return Measured(of=len(values), value=normal_interval(_by_request(side, values)[1]))


def _areas(output: Output, ours: Labelled, theirs: Labelled) -> Metric:
    """AUC in blocks that have positives and negatives of both versions: each is the area of its own few."""
    sides = [side.pick(np.isfinite(side.answers) & np.isfinite(side.labels)) for side in (ours, theirs)]
    groups = [side.pick(side.labels == label) for side in sides for label in (1, 0)]
    dealt = deal([group.arrivals for group in groups])
    number = len(dealt.interval)
    parts = [_parted(group.answers, block, number) for group, block in zip(groups, dealt.block, strict=True)]
    our_area, their_area = (_each_area(parts[place], parts[place + 1]) for place in (0, 2))
    blocks = Blocks(our_area, their_area, np.ones(number), dealt.interval, higher=True, bound=1.0)
    candidate, stable = (_measured_area(side) for side in sides)
    return Metric("auc", "quality", blocks, candidate, stable)


def _measured_area(side: Labelled) -> Measured:
    rows = len(side.labels)
    if not rows:
        return Measured()
    units = Units.of(rows, side.request.tolist())
    return Measured(of=rows, value=auc(side.answers, side.labels == 1, units, CONFIDENCE))


def _parted(scores: Float64s, block: Int64s, number: int) -> list[Float64s]:
    dealt = block >= 0
    order = np.argsort(block[dealt], kind="stable")
    ends = np.cumsum(np.bincount(block[dealt], minlength=number))
    return np.split(scores[dealt][order], ends)[:number]


def _each_area(positive: Sequence[Float64s], negative: Sequence[Float64s]) -> Float64s:
    return np.array([_area(*pair) for pair in zip(positive, negative, strict=True)])


def _area(positive: Float64s, negative: Float64s) -> float:
    ordered = np.sort(negative)
    below, upto = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    return float((below + upto).mean()) / (2 * len(negative))
