"""What a set of answers amounts to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hack.demo.traffic import Answer
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True)
class Figures:
    """Counts, worth of the answers, latencies in milliseconds, and requests per second."""

    sent: int
    failed: int
    accuracy: float
    auc: float
    p50_ms: float
    p99_ms: float
    qps: float


def figures(answers: Sequence[Answer]) -> Figures:
    """Of these answers, in the order in which they came; zeros where there is nothing to tell."""
    good = [answer for answer in answers if not failed(answer)]
    times = sorted(answer.seconds * 1000 for answer in good)
    starts = [answer.at for answer in answers]
    span = max(starts) - min(starts) if starts else 0.0
    return Figures(
        sent=len(answers),
        failed=len(answers) - len(good),
        accuracy=sum(answer.right for answer in good) / len(good) if good else 0.0,
        auc=_auc(good),
        p50_ms=statistics.median(times) if times else 0.0,
        p99_ms=times[int(0.99 * (len(times) - 1))] if times else 0.0,
        qps=len(answers) / span if span else 0.0,
    )


def failed(answer: Answer) -> bool:
    """Whether the caller did not get a prediction."""
    return answer.status != 200


def _auc(good: Sequence[Answer]) -> float:
    labels = [answer.person.label for answer in good]
    if len(set(labels)) < 2:
        return 0.0
    return float(roc_auc_score(labels, [answer.probability for answer in good]))
