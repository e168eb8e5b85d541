"""Rollouts of the dashboard's models, written as the monitor writes what it is told and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from modelloop_core.wire.evidence import (
    Check,
    CheckName,
    Comparison,
    EvidenceQuery,
    Experiment,
    Measured,
    RolloutEvidence,
    Share,
    Verdict,
    VersionTraffic,
)
from modelloop_core.wire.reports import Interval
from modelloop_core.wire.rollouts import ModelRollouts, Rollout, RolloutRequest, RolloutStep, RolloutVersion
from modelloop_monitor.store import rollout_evidence, rollouts
from modelloop_monitor.store.engine import Store
from support.dashboard_story import MODEL, QUIET

HOUR = 3600
MINUTE = 60
TESTED_HOURS_LATER = 10
"""After the rollout that failed an A/B test began."""


def tell_rollouts(database: str, now: float) -> int:
    """Write them into a database that no process has open; when the one began that failed, in seconds since 1970."""
    store = Store(database)
    store.open()
    live, failed, tested = _now_tried(now), _failed(now), _tested(now)
    told = ModelRollouts(
        live=RolloutVersion(version="1.4.0", weight=75, confirmed=75, ready=4),
        tried=RolloutVersion(version="1.5.0", weight=25, ready=1),
        message="1.5.0 stays at 25 %: not enough evidence yet about ErrorIncrease, PredictionPSI",
        rollouts=(_refused(now), failed, tested, _promoted(now), _aborted(now), live),
    )
    quiet = ModelRollouts(
        live=RolloutVersion(version="2.0.1", weight=100, confirmed=100, ready=2), message="2.0.1 serves"
    )
    with store.writing() as connection:
        rollouts.save(connection, MODEL, told, now)
        rollouts.save(connection, QUIET, quiet, now)
        for rollout, ends in ((live, Verdict.INCONCLUSIVE), (failed, Verdict.FAILED), (tested, Verdict.PASSED)):
            for query, answer in _answers(rollout, ends, now):
                rollout_evidence.keep(connection, rollouts.key_of(MODEL, rollout), query, answer)
    store.close()
    return int(failed.started.timestamp())


def _now_tried(now: float) -> Rollout:
    return Rollout(
        version="1.5.0",
        against="1.4.0",
        strategy="Canary",
        started=_at(now - 5 * HOUR),
        steps=(_step(now - 4.9 * HOUR, 5, "Passed"), _step(now - 2 * HOUR, 25, "Inconclusive")),
        asked=(
            RolloutRequest(verb="pause", by="ann", at=_at(now - 3 * HOUR)),
            RolloutRequest(verb="resume", by="bob <bob@example.org>", at=_at(now - 2.2 * HOUR)),
        ),
        plan=(5, 25, 50, 100),
        waits_for="Inconclusive",
        until=_at(now + 70 * HOUR),
    )


def _failed(now: float) -> Rollout:
    return Rollout(
        version="1.3.0",
        against="1.2.0",
        strategy="Canary",
        started=_at(now - 200 * HOUR),
        steps=(_step(now - 199.9 * HOUR, 5, "Passed"), _step(now - 199 * HOUR, 25, "Failed")),
        ended=_at(now - 198.5 * HOUR),
        outcome="RolledBack",
        reason="EvidenceFailed",
        message="at 25 %: ErrorRate: 310 of 9,000 requests (3.4 %) failed, shown to be beyond 1 %: at least 2.9 %",
    )


def _promoted(now: float) -> Rollout:
    steps = ((100, 5, "Passed"), (99, 25, "Passed"), (98, 50, "Passed"), (97, 100, None))
    return Rollout(
        version="1.4.0",
        against="1.2.0",
        strategy="Canary",
        started=_at(now - 100.5 * HOUR),
        steps=tuple(_step(now - hours * HOUR, weight, verdict) for hours, weight, verdict in steps),
        asked=(RolloutRequest(verb="approve", by="ann", at=_at(now - 98 * HOUR)),),
        ended=_at(now - 97 * HOUR),
        outcome="Promoted",
        reason="RolloutPassed",
        message="1.4.0 has held every step, is ready with 4 pods and replaces 1.2.0",
    )


def _aborted(now: float) -> Rollout:
    return Rollout(
        version="1.4.1",
        against="1.4.0",
        strategy="Canary",
        started=_at(now - 50 * HOUR),
        steps=(_step(now - 49.9 * HOUR, 5, "Inconclusive"),),
        asked=(RolloutRequest(verb="abort", by="bob <bob@example.org>", at=_at(now - 49 * HOUR)),),
        ended=_at(now - 49 * HOUR),
        outcome="RolledBack",
        reason="Aborted",
        message="1.4.1 was taken back from 5 % by request of bob <bob@example.org>; 1.4.0 serves",
    )


def _tested(now: float) -> Rollout:
    return Rollout(
        version="1.3.1",
        against="1.2.0",
        strategy="AB",
        started=_at(now - (200 - TESTED_HOURS_LATER) * HOUR),
        steps=(_step(now - 189.9 * HOUR, 50, "Passed"),),
        ended=_at(now - 150 * HOUR),
        outcome="RolledBack",
        reason="LiveIsBetter",
        message="at 50 %: accuracy of 1.3.1 is lower by 0.8 points: 1.2.0 is better",
    )


def _refused(now: float) -> Rollout:
    return Rollout(
        version="1.2.9",
        against="1.2.0",
        strategy="Canary",
        started=_at(now - 300 * HOUR),
        ended=_at(now - 299.8 * HOUR),
        outcome="Refused",
        reason="ProgressDeadlineExceeded",
        message="0 of 1 pods of 1.2.9 are ready: image not found, after 10m",
    )


def _answers(rollout: Rollout, ends: Verdict, now: float) -> Iterator[tuple[EvidenceQuery, RolloutEvidence]]:
    since, over = rollout.steps[0].since, (rollout.ended or _at(now)).timestamp()
    minutes = int((over - since.timestamp()) / MINUTE)
    for minute in range(2, minutes, max(1, minutes // 60)):
        at = since.timestamp() + minute * MINUTE
        step = next(step for step in reversed(rollout.steps) if step.since.timestamp() <= at)
        last = minute + max(1, minutes // 60) >= minutes
        query = EvidenceQuery(version=rollout.version, against=rollout.against, since=since, step_since=step.since)
        yield query, _answer(rollout, at, minute, ends if last else Verdict.INCONCLUSIVE)


def _answer(rollout: Rollout, at: float, minute: int, verdict: Verdict) -> RolloutEvidence:
    asked = 90 * minute
    checks = (_error_rate(asked, verdict), _increase(asked), _psi(minute))
    return RolloutEvidence(
        namespace=MODEL[0],
        name=MODEL[1],
        verdict=verdict,
        message="; ".join(f"{check.name}: {check.message}" for check in checks),
        checks=checks,
        since=rollout.steps[0].since,
        until=_at(at),
        interval_seconds=MINUTE,
        candidate=VersionTraffic(version=rollout.version, requests=asked, errors=asked // 300),
        stable=VersionTraffic(version=rollout.against, requests=19 * asked, errors=19 * asked // 400),
        step_requests=asked // 3,
        comparisons=(_orders(minute),) if rollout.strategy == "AB" else (),
        experiment=_experiment(minute) if rollout.strategy == "AB" else None,
        generated=_at(at + 15),
    )


def _experiment(minute: int) -> Experiment:
    room = 0.4 / minute**0.5
    shown = room < 0.008
    return Experiment(
        metric="accuracy",
        kind="quality",
        higher=True,
        candidate=Measured(of=30 * minute, value=Interval(value=0.842, low=0.842 - room, high=0.842 + room)),
        stable=Measured(of=30 * minute, value=Interval(value=0.85, low=0.85 - room, high=0.85 + room)),
        difference=-0.008,
        low=-0.008 - room,
        high=-0.008 + room,
        winner="stable" if shown else None,
        e_worse=minute / 20,
        needed=40,
        message="accuracy of 1.3.1 is lower by 0.008 (limits at any time)",
    )


def _orders(minute: int) -> Comparison:
    few = {"metric": "orders", "kind": "rate", "higher": True}
    if minute < 30:
        return Comparison(**few, note="12 of 200 requests of 1.3.1 are old enough")
    room = 0.3 / minute**0.5
    return Comparison(**few, difference=0.002, low=0.002 - room, high=0.002 + room)


def _error_rate(asked: int, verdict: Verdict) -> Check:
    failed = verdict is Verdict.FAILED
    rate, room = 0.034 if failed else 0.0033, 0.6 / asked**0.5
    return Check(
        name=CheckName.ERROR_RATE,
        verdict=verdict if failed else Verdict.PASSED,
        limit=0.01,
        value=rate,
        at_least=max(0.0, rate - room) if failed else None,
        at_most=rate + room,
        candidate=Share(hits=asked * rate, of=asked),
        message=f"{asked * rate:,.0f} of {asked:,} requests ({100 * rate:.2g} %) failed (limit 1 %)",
    )


def _increase(asked: int) -> Check:
    fields: dict[str, Any] = {"value": 1.32, "at_most": 1.32 + 30 / asked**0.5, "limit": 1.25}
    said = "1.32 times the rate of the live version (limit 1.25 times); up to 1.6 times cannot be excluded yet"
    return Check(name=CheckName.ERROR_INCREASE, verdict=Verdict.INCONCLUSIVE, message=said, **fields)


def _psi(minute: int) -> Check:
    if minute < 10:
        missing = "1.5.0 has told no answers in the bins of a reference yet"
        return Check(name=CheckName.PREDICTION_PSI, verdict=Verdict.INCONCLUSIVE, limit=0.2, message=missing)
    value = 0.05 + 0.2 / minute
    said = f"the answers' PSI is {value:.3f} (limit 0.2)"
    return Check(
        name=CheckName.PREDICTION_PSI, verdict=Verdict.PASSED, limit=0.2, value=value, at_most=value + 1 / minute,
        message=said,
    )  # fmt: skip


def _step(at: float, weight: int, verdict: str | None) -> RolloutStep:
    return RolloutStep(weight=weight, since=_at(at), verdict=verdict)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
