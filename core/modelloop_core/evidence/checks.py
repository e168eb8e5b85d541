"""The checks of a rollout: what each one counts, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modelloop_core.drift.bins import Float64s, Int64s
from modelloop_core.evidence import growth, latencies
from modelloop_core.evidence.asked import Asked
from modelloop_core.evidence.drops import business_drop, quality_drop
from modelloop_core.evidence.observed import Observed, Pair
from modelloop_core.evidence.outputs import Shift, shift_of
from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Verdict

SLOW_SHARE = 0.05
"""The share of requests that is slower than the 95th percentile."""


def error_rate(asked: Asked, limit: float) -> Check:
    """The share of requests that the model did not answer."""
    one, other = asked.observed.candidate, asked.observed.stable
    pair = Pair.of_counts(one.failed, one.asked, other.failed, other.asked)
    path = asked.rate_path(pair, limit, compared=asked.query.max_error_increase is not None)
    ours, until = pair.ours, pair.upto(path.failed_at).ours
    return asked.check(
        CheckName.ERROR_RATE, limit,
        within=_rarely(asked, pair, limit),
        failed_at=path.failed_at, excused=path.excused,
        value=ours.rate,
        at_least=growth.rate_at_least(until.hits, until.of, asked.needed),
        at_most=growth.rate_at_most(ours.hits, ours.of),
        **path.numbers(pair),
    )  # fmt: skip


def error_increase(asked: Asked, limit: float) -> Check:
    """The share of requests that were not answered, callers who left among them, beside the live version's."""
    one, other = asked.observed.candidate, asked.observed.stable
    pair = Pair.of_counts(one.unanswered, one.asked, other.unanswered, other.asked)
    return _increase(asked, CheckName.ERROR_INCREASE, pair, limit)


def refusal_increase(asked: Asked, limit: float) -> Check:
    """The share of requests that were refused for what they asked, beside the live version's."""
    one, other = asked.observed.candidate, asked.observed.stable
    pair = Pair.of_counts(one.refused, one.requests, other.refused, other.requests)
    return _increase(asked, CheckName.REFUSAL_INCREASE, pair, limit)


def latency_p95(asked: Asked, limit: float) -> Check:
    """The share of answers slower than the limit, which is rounded up to the bound of a bucket."""
    ours, theirs = asked.observed.candidate.latency, asked.observed.stable.latency
    pair, bound = latencies.slower_than(ours, theirs, limit)
    path = asked.rate_path(pair, SLOW_SHARE, compared=asked.query.max_latency_increase is not None)
    return asked.check(
        CheckName.LATENCY_P95, limit,
        within=_rarely(asked, pair, SLOW_SHARE),
        failed_at=path.failed_at, excused=path.excused,
        value=latencies.p95(ours),
        at_least=None if path.failed_at is None else bound,
        at_most=latencies.p95_at_most(ours),
        **path.numbers(pair),
    )  # fmt: skip


def latency_increase(asked: Asked, limit: float) -> Check:
    """The share of answers slower than `limit` times the live version's 95th percentile."""
    ours, theirs, step = asked.observed.candidate.latency, asked.observed.stable.latency, asked.observed.in_step
    pair = latencies.slower_by(ours, theirs, limit)
    path = asked.ratio_path(pair, 1.0)
    in_step = latencies.increase(step.candidate.latency, step.stable.latency)
    return asked.check(
        CheckName.LATENCY_INCREASE, limit,
        within=in_step is None or in_step <= limit,
        failed_at=path.failed_at,
        value=latencies.increase(ours, theirs),
        at_least=None if path.failed_at is None else limit,
        at_most=latencies.increase_at_most(ours, theirs),
        **path.numbers(pair),
    )  # fmt: skip


def prediction_psi(asked: Asked, limit: float) -> Check:
    """The PSI of the output that differs most between the versions."""
    without = asked.observed.unreferenced
    if without and asked.query.without_reference == "Skip":
        said = f"not judged: {without} has no reference (onNoReference: Skip)"
        return Check(name=CheckName.PREDICTION_PSI, verdict=Verdict.PASSED, limit=limit, message=said)
    worst = _most_shifted(asked, limit)
    return asked.check(
        CheckName.PREDICTION_PSI, limit,
        within=worst.psi is not None and worst.psi <= limit,
        failed_at=worst.failed_at,
        value=worst.psi,
        at_least=worst.at_least,
        at_most=worst.at_most,
    )  # fmt: skip


def disagreement(asked: Asked, least: float) -> Check:
    """The share of copies that were answered otherwise than the live version did."""
    one, limit = asked.observed.candidate, 1 - least
    pair = Pair.of_counts(one.differing, one.compared, one.differing * 0, one.compared * 0)
    path = asked.rate_path(pair, limit, compared=False)
    ours, until = pair.ours, pair.upto(path.failed_at).ours
    return asked.check(
        CheckName.DISAGREEMENT, limit,
        within=_rarely(asked, pair, limit),
        failed_at=path.failed_at,
        value=ours.rate,
        at_least=growth.rate_at_least(until.hits, until.of, asked.needed),
        at_most=growth.rate_at_most(ours.hits, ours.of),
        **(path.numbers(pair) | {"stable": None}),
    )  # fmt: skip


Judge = Callable[[Asked, float], Check]
JUDGES: tuple[tuple[str, Judge], ...] = (
    ("max_error_rate", error_rate),
    ("max_error_increase", error_increase),
    ("max_error_increase", refusal_increase),
    ("max_latency_p95_seconds", latency_p95),
    ("max_latency_increase", latency_increase),
    ("max_prediction_psi", prediction_psi),
    ("min_agreement", disagreement),
    ("max_quality_drop", quality_drop),
)
"""The limit in EvidenceQuery, and the check that has it."""


def all_checks(query: EvidenceQuery, observed: Observed) -> tuple[Check, ...]:
    """Every check that has a limit; they share the false-rollback rate in equal parts."""
    judged = [(limit, judge) for name, judge in JUDGES if (limit := getattr(query, name)) is not None]
    events = [event for event in query.asked_events if event.most_drop is not None]
    asked = Asked(query, observed, query.false_rollback_rate / max(len(judged) + len(events), 1))
    return (*(judge(asked, limit) for limit, judge in judged), *(business_drop(asked, event) for event in events))


def _increase(asked: Asked, name: CheckName, pair: Pair, limit: float) -> Check:
    path, step = asked.ratio_path(pair, limit), pair.since(asked.observed.step)
    until = pair.upto(path.failed_at)
    expected = float(((step.hits + step.their_hits) * growth.shares(step.of, step.their_of, limit)).sum())
    return asked.check(
        name, limit,
        # One request makes no difference: of few errors the first one may be anybody's.
        within=step.ours.hits <= max(expected, 1.0),
        failed_at=path.failed_at,
        value=growth.ratio(*pair.counts),
        at_least=growth.ratio_at_least(*until.counts, needed=asked.needed),
        at_most=growth.ratio_at_most(*pair.counts),
        **path.numbers(pair),
    )  # fmt: skip


def _rarely(asked: Asked, pair: Pair, most: float) -> bool:
    step = pair.since(asked.observed.step).ours
    return step.hits <= most * step.of


def _most_shifted(asked: Asked, limit: float) -> Shift:
    one, other = asked.observed.candidate, asked.observed.stable
    shared = sorted(name for name in one.outputs if name in other.outputs)
    parts = _independent(one.answered, one.rows), _independent(other.answered, other.rows)
    found = [
        shift_of(one.outputs[name], other.outputs[name], parts, limit=limit, rate=asked.rate / len(shared))
        for name in shared
    ]
    return max(found, key=lambda shift: (shift.failed_at is not None, shift.psi or 0.0), default=Shift(None, (0, 0)))


def _independent(answered: Int64s, rows: Int64s) -> Float64s:
    """By how much a row counts in each interval: rows of one request go to one version together."""
    return np.asarray(np.minimum(1.0, answered / np.maximum(rows, 1)), dtype=np.float64)
