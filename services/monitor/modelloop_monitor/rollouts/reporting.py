"""The answer to a rollout's question, from what is kept. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection

from modelloop_core.evidence.experiments import experiment_of
from modelloop_core.evidence.observed import moment, traffic_of
from modelloop_core.evidence.verdict import judge
from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence
from modelloop_monitor.checking import References
from modelloop_monitor.rollouts.reading import read_observed
from modelloop_monitor.rollouts.tallies import Tallies
from modelloop_monitor.store.models import Model

_CONFIDENT = 40.0
"""The e-value at each end of an interval of 95 %."""


def rollout_evidence(
    connection: Connection,
    references: References,
    tallies: Tallies,
    model: Model,
    query: EvidenceQuery,
    *,
    width: int,
    settled: float,
    now: float,
) -> RolloutEvidence:
    """What is known of a candidate by now; `settled` is until when predictors' posts have come and were folded."""
    observed = read_observed(connection, references, tallies, model, query, width=width, until=settled)
    judgement = judge(query, observed)
    return RolloutEvidence(
        namespace=model[0],
        name=model[1],
        verdict=judgement.verdict,
        message=judgement.message,
        checks=judgement.checks,
        since=moment(observed.since),
        until=moment(observed.until),
        interval_seconds=width,
        candidate=traffic_of(query.version, observed.candidate, observed.heard),
        stable=traffic_of(query.against, observed.stable, observed.stable_heard),
        step_requests=int(observed.in_step.candidate.asked.sum()),
        stable_failing=judgement.stable_failing,
        comparisons=tuple(
            metric.compared(_CONFIDENT) for metric in (observed.quality, *observed.events.values()) if metric
        ),
        experiment=experiment_of(query, observed),
        generated=moment(now),
    )
