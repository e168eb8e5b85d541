"""What a replay found: failures by reason, answers that differ, and how far they lie from those of then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from modelloop_core.agreement import Answer, agree
from modelloop_core.drift.bins import Float64s, to_coarse
from modelloop_core.drift.distances import psi
from modelloop_core.drift.profile import count_column
from modelloop_core.drift.quality_labels import answer_array
from modelloop_core.drift.reference import ColumnReference, Reference, output_values
from modelloop_core.feature_schema import MulticlassOutput, Output
from modelloop_core.wire.runs import ReplayOutcome
from modelloop_predictor.replay.asking import Answered
from modelloop_predictor.replay.captured import Asked


def judged(
    outcome: ReplayOutcome,
    rows: Sequence[Asked],
    answers: Sequence[Answered],
    outputs: tuple[Output, Output],
    reference: Reference | None,
) -> ReplayOutcome:
    """The outcome with what was found; `outputs` are the version's and those of the one that answered then."""
    pairs = [
        (answered.answer, row.answer)
        for row, answered in zip(rows, answers, strict=True)
        if answered.answer is not None and row.answer is not None
    ]
    seconds = [answered.seconds for answered in answers if not answered.failure]
    times = [row.at for row in rows]
    return outcome.model_copy(
        update={
            "asked": len(rows),
            "failures": dict(Counter(answered.failure for answered in answers if answered.failure)),
            "compared": len(pairs),
            "differing": sum(not agree(ours, theirs, *outputs) for ours, theirs in pairs),
            "psi": shift(pairs, outputs[1], reference),
            "latency_p50": _percentile(seconds, 50),
            "latency_p95": _percentile(seconds, 95),
            "captured_since": min(times, default=None),
            "captured_until": max(times, default=None),
        }
    )


def shift(pairs: Sequence[tuple[Answer, Answer]], output: Output, reference: Reference | None) -> float | None:
    """The largest PSI of an output between both versions' answers, in the reference's coarse bins; None without."""
    if reference is None or not pairs:
        return None
    ours, theirs = (dict(_columns(output, [pair[side] for pair in pairs])) for side in (0, 1))
    found = [
        float(psi(_counts(column, ours[name]), _counts(column, theirs[name])))
        for name, column in reference.outputs.items()
        if name in ours and name in theirs
    ]
    return max(found, default=None)


def _columns(output: Output, answers: Sequence[Answer]) -> list[tuple[str, Float64s]]:
    values = answer_array(output, answers)
    if isinstance(output, MulticlassOutput):
        # Codes of classes, from names as they were logged.
        return [("prediction", values if values.ndim == 1 else values.argmax(axis=1).astype(np.float64))]
    return list(output_values(output, values))


def _counts(column: ColumnReference, values: Float64s) -> Float64s:
    return to_coarse(count_column(column.bins, column.dtype, values).counts, column.bins.coarse)


def _percentile(seconds: Sequence[float], share: float) -> float | None:
    return round(float(np.percentile(seconds, share)), 6) if seconds else None
