"""A rollout asks the monitor: what predictors posted comes back as verdicts, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from modelloop_core.drift.reference import Reference, build_reference, digest_of
from modelloop_core.feature_schema import Signature
from modelloop_core.wire.evidence import CheckName, EvidenceQuery, RolloutEvidence, Verdict, evidence_path
from support.monitors import NOON, SIGNATURE, Running, counted_post, example_post, running

LIMITS: dict[str, Any] = {
    "max_error_rate": 0.01,
    "max_error_increase": 1.25,
    "max_latency_p95_seconds": 0.1,
    "max_latency_increase": 1.25,
    "max_prediction_psi": 0.2,
}


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        found.put_reference()
        yield found


class Rollout:
    """A candidate beside the live version; each minute both post once."""

    def __init__(self, monitor: Running, seconds: int = 60, settle: float = 15) -> None:
        self.monitor = monitor
        self.seconds = seconds
        self.settle = settle
        self.now = NOON
        self.sequence = 0
        self.random = np.random.default_rng(1)

    def minutes(
        self, number: int, *, errors: int = 0, stable_errors: int = 0, shift: float = 0.0, rows: int = 20
    ) -> None:
        """So many minutes pass, in each of which the candidate is asked `rows` times, the live version 100."""
        for _ in range(number):
            self.now += self.seconds
            self.post("1.1.0", rows, errors, shift)
            self.post("1.0.0", 100, stable_errors)
        self.monitor.fold()

    def post(self, version: str, rows: int, errors: int = 0, shift: float = 0.0, **changes: Any) -> None:
        """One post in the middle of the last minute."""
        self.sequence += 1
        self.monitor.time[0] = self.now + self.settle
        features = np.column_stack([np.full(rows, 40.0), np.zeros(rows)])
        answers = self.random.beta(2 + shift, 2, rows)
        traffic = {
            "requests": rows + errors,
            "rows": rows,
            "errors": {"ModelFailed": errors} if errors else {},
            "latency": [0] * 5 + [rows] + [0] * 18,
            **changes.pop("traffic", {}),
        }
        document = counted_post(
            self.sequence, self.now - self.seconds / 2 + 2, features, answers,
            version=version, traffic=traffic, source=version, **changes,
        )  # fmt: skip
        assert self.monitor.post(document).status_code == 200

    def evidence(self, **query: Any) -> RolloutEvidence:
        """What the monitor says."""
        asked = EvidenceQuery(**{"version": "1.1.0", "against": "1.0.0", "since": _time(NOON), **LIMITS, **query})
        answer = self.monitor.client.get(evidence_path("shop", "churn"), params=asked.parameters())
        assert answer.status_code == 200, answer.text
        return RolloutEvidence.model_validate_json(answer.content)


@pytest.fixture
def rollout(monitor: Running) -> Rollout:
    return Rollout(monitor)


def test_a_candidate_that_does_as_well_passes_with_its_numbers(rollout: Rollout) -> None:
    rollout.minutes(12)
    found = rollout.evidence()

    assert (found.verdict, len(found.checks)) == (Verdict.PASSED, 6), found.message
    assert (found.candidate.requests, found.stable.requests, found.step_requests) == (240, 1200, 240)
    assert (found.since, found.until, found.interval_seconds) == (_time(NOON), _time(NOON + 720), 60)
    assert found.candidate.latency_p95 == pytest.approx(0.01, abs=0.0005)
    assert found.candidate.last_post == _time(NOON + 720)
    assert "cannot be excluded yet" in found.message


def test_a_candidate_that_fails_is_found_out_and_the_minute_is_told(rollout: Rollout) -> None:
    rollout.minutes(10)
    rollout.minutes(5, errors=10)
    found = rollout.evidence()

    assert found.verdict is Verdict.FAILED
    failed = {check.name: check for check in found.checks if check.verdict is Verdict.FAILED}
    assert set(failed) == {CheckName.ERROR_RATE, CheckName.ERROR_INCREASE}
    assert _time(NOON + 600) < failed[CheckName.ERROR_RATE].failed_at <= _time(NOON + 780)  # type: ignore[operator]
    assert (found.candidate.errors, found.stable.errors) == (50, 0)


def test_a_post_that_comes_again_counts_once(rollout: Rollout) -> None:
    rollout.minutes(3)
    before = rollout.evidence()
    rollout.sequence -= 2
    rollout.now -= 60
    rollout.minutes(1, errors=20)

    assert rollout.evidence().candidate == before.candidate


def test_other_answers_fail_and_like_ones_do_not(rollout: Rollout) -> None:
    rollout.minutes(20, shift=6.0)
    [psi] = [check for check in rollout.evidence().checks if check.name is CheckName.PREDICTION_PSI]

    assert psi.verdict is Verdict.FAILED
    assert psi.value is not None
    assert psi.value > 0.2


def test_answers_in_other_bins_cannot_be_compared_and_it_is_said(rollout: Rollout) -> None:
    other = _classifier().to_json()
    rollout.monitor.put_reference(other, digest_of(other))
    counts = {"counts": [20, 0, 0, 0], "sums": [0.0] * 4}
    for minute in range(12):
        rollout.now += 60
        rollout.post("1.0.0", 100)
        changes = {"version": "1.1.0", "source": "1.1.0", "reference": digest_of(other), "features": {}}
        document = example_post(minute, rollout.now, 20, outputs={"prediction": counts}, **changes)
        assert rollout.monitor.post(document).status_code == 200
    rollout.monitor.fold()
    [psi] = [check for check in rollout.evidence().checks if check.name is CheckName.PREDICTION_PSI]

    assert psi.verdict is Verdict.INCONCLUSIVE
    assert "1.1.0 and 1.0.0 count their answers in different bins" in psi.message


def test_no_traffic_is_inconclusive_and_no_post_is_an_error(rollout: Rollout) -> None:
    rollout.minutes(5, rows=0)
    assert rollout.evidence().verdict is Verdict.INCONCLUSIVE
    for _ in range(3):
        rollout.now += 60
        rollout.post("1.0.0", 100)
    rollout.monitor.fold()
    found = rollout.evidence()

    assert found.verdict is Verdict.ERROR
    assert found.message.startswith("the predictors of 1.1.0 have told the monitor nothing since 12:05:00 UTC")


def test_an_interval_is_judged_when_it_is_over_and_settled(rollout: Rollout) -> None:
    rollout.minutes(2)
    rollout.monitor.time[0] = NOON + 120 + 14
    assert rollout.evidence().until == _time(NOON + 60)
    rollout.monitor.time[0] = NOON + 120 + 15
    assert rollout.evidence().until == _time(NOON + 120)


def test_before_an_interval_is_over_nothing_can_be_said(rollout: Rollout) -> None:
    rollout.minutes(1)
    found = rollout.evidence(since=_time(rollout.now + 5))

    assert (found.verdict, found.candidate.requests) == (Verdict.INCONCLUSIVE, 0)


def test_what_was_before_the_rollout_and_the_step_is_told_apart(rollout: Rollout) -> None:
    rollout.minutes(5, errors=10)
    rollout.minutes(12)
    found = rollout.evidence(since=_time(NOON + 290), step_since=_time(NOON + 600))

    assert (found.verdict, found.candidate.errors) == (Verdict.INCONCLUSIVE, 0)
    assert (found.candidate.requests, found.step_requests) == (240, 140)


def test_intervals_may_be_shorter_for_a_rollout_in_compressed_time(database: str) -> None:
    with running(database, traffic_seconds=10, settle_seconds=0) as monitor:
        monitor.put_reference()
        rollout = Rollout(monitor, seconds=10, settle=0)
        rollout.minutes(1)
        rollout.minutes(11, errors=10)
        found = rollout.evidence()

        assert (found.interval_seconds, found.until) == (10, _time(NOON + 120))
        assert found.checks[0].failed_at == _time(NOON + 20)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"against": "1.1.0"}, "cannot be judged against itself"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-03-02T12:00:00"}, "timezone"),
        ({"max_error_rate": "nan"}, "max_error_rate"),
        ({"max_error_increase": "0.5"}, "max_error_increase"),
        ({"step_since": "2026-03-01T12:00:00Z"}, "a step begins with its rollout"),
        ({"maxErrorRate": "0.01"}, "maxErrorRate"),
        ({"version": ""}, "version"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_question_is_refused_by_name(monitor: Running, wrong: dict[str, str], words: str) -> None:
    monitor.post(example_post(0))
    monitor.fold()
    asked = {"version": "1.1.0", "against": "1.0.0", "since": "2026-03-02T12:00:00Z", **wrong}
    answer = monitor.client.get(evidence_path("shop", "churn"), params=asked)

    assert answer.status_code == 422
    assert words in answer.text


def test_a_model_that_nobody_told_of_is_not_found(monitor: Running) -> None:
    asked = EvidenceQuery(version="1.1.0", against="1.0.0", since=_time(NOON)).parameters()

    assert monitor.client.get(evidence_path("shop", "nobody"), params=asked).status_code == 404


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _classifier() -> Reference:
    changed = {**SIGNATURE.model_dump(), "output": {"task": "multiclass", "classes": ["a", "b", "c"]}}
    rows = np.column_stack([np.arange(50.0), np.zeros(50)])
    return build_reference(Signature.model_validate(changed), rows, np.tile([1.0, 0.0, 0.0], (50, 1)))
