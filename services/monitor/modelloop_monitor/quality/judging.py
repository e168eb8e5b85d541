"""What is said of a version's quality, in one window and as a whole, from what is known of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from modelloop_core.drift.quality import judge
from modelloop_core.drift.quality_business import Followed, business_rate, business_sum, kind_of
from modelloop_core.drift.quality_change import worsened
from modelloop_core.drift.quality_estimates import BLIND, Estimates, Scores, estimate
from modelloop_core.drift.quality_intervals import wilson
from modelloop_core.drift.quality_labels import answer_array, labelled_arrays
from modelloop_core.drift.quality_losses import errors_of
from modelloop_core.feature_schema import Output
from modelloop_core.wire.reports import (
    BusinessReport,
    ErrorChange,
    QualityReport,
    VersionFeedback,
    Window,
)
from modelloop_core.wire.settings import BusinessKind, ModelSettings
from modelloop_monitor.quality.times import moment
from modelloop_monitor.store.quality import QualityKey
from modelloop_monitor.store.quality_rows import LabelledRow, Row, WindowCounts

NO_OUTPUT = "nothing is known of what this version's answers mean: no predictor has brought its reference"


@dataclass(frozen=True)
class Seen:
    """What is known of one window by now; `labelled` is how many labels there are, `labels` at most the newest."""

    counts: WindowCounts
    labelled: int = 0
    labels: Sequence[LabelledRow] = ()
    predictions: Sequence[Row] = ()
    past: Sequence[LabelledRow] = ()
    followed: Mapping[str, Sequence[Followed]] = field(default_factory=dict)


def judge_window(
    key: QualityKey, seen: Seen, output: Output | None, settings: ModelSettings, now: float
) -> QualityReport:
    """Judge one window; the same rows always give the same numbers."""
    seed = zlib.crc32("/".join(map(str, key)).encode())
    base = QualityReport(
        version=key.version,
        window=Window(since=moment(key.since), until=moment(key.until)),
        predictions=max(seen.counts.predictions, seen.labelled),
        labelled=seen.labelled,
        share_labelled=wilson(seen.labelled, max(seen.counts.predictions, seen.labelled)),
        business=_business(seen, {item.name: item.kind for item in settings.business}, seed),
        message=_message(key, seen, now),
    )
    if output is None:
        return base.model_copy(update={"message": NO_OUTPUT})
    answers, labels = labelled_arrays(output, [(row.prediction, row.label) for row in seen.labels])
    quality = judge(output, answers, labels, [row.unit for row in seen.labels], seed=seed)
    estimates = _estimates(output, seen, seed)
    changes = {
        "metrics": quality.metrics,
        "left_out": quality.left_out,
        "estimated": estimates.metrics,
        "estimate_note": BLIND if estimates.metrics else estimates.reason,
    }
    return base.model_copy(update=changes)


def judge_version(version: str, labelled: int, rows: Sequence[LabelledRow], output: Output | None) -> VersionFeedback:
    """How late labels come, and since when errors grow, from the newest labels in the order of their predictions."""
    late = np.array([max(row.told - row.predicted, 0.0) for row in rows])
    median, p90 = np.quantile(late, [0.5, 0.9]).tolist() if len(late) else (None, None)
    return VersionFeedback(
        version=version,
        labelled=labelled,
        latency_median=median,
        latency_p90=p90,
        worsened=None if output is None else _change(rows, output),
    )


def _change(rows: Sequence[LabelledRow], output: Output) -> ErrorChange | None:
    answers, labels = labelled_arrays(output, [(row.prediction, row.label) for row in rows])
    change = worsened(errors_of(output, answers, labels))
    if change is None:
        return None
    return ErrorChange(since=moment(rows[change.at].predicted), before=change.before, after=change.after)


def _estimates(output: Output, seen: Seen, seed: int) -> Estimates:
    if not seen.predictions:
        return Estimates(reason="no predictions were logged")
    past_answers, past_labels = labelled_arrays(output, [(row.prediction, row.label) for row in seen.past])
    answers = answer_array(output, [row.prediction for row in seen.predictions])
    now = Scores(answers, [row.unit for row in seen.predictions])
    past = Scores(past_answers, [row.unit for row in seen.past])
    return estimate(output, now, past, past_labels, seed=seed)


def _business(seen: Seen, kinds: Mapping[str, BusinessKind], seed: int) -> dict[str, BusinessReport]:
    found: dict[str, BusinessReport] = {}
    for name in sorted({*kinds, *seen.followed}):
        followed = seen.followed.get(name, ())
        if kinds.get(name, kind_of(followed)) == "rate":
            found[name] = business_rate(followed, requests=max(seen.counts.requests, len(followed)))
        else:
            requests, units = max(seen.counts.requests, len(followed)), seen.counts.units
            found[name] = business_sum(followed, requests=requests, units=units, seed=seed)
    return found


def _message(key: QualityKey, seen: Seen, now: float) -> str:
    said = []
    if now < key.until:
        said.append("the window is not over yet")
    if len(seen.labels) < seen.labelled:
        said.append(f"measured on the newest {len(seen.labels)} labels")
    return "; ".join(said)
