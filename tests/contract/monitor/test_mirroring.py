"""Copies of requests: counted apart, held against the live version's answers, and judged, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, RolloutEvidence, Verdict, evidence_path
from modelloop_monitor.rollouts.comparing import LONGEST_WAIT_SECONDS
from support.monitors import NOON, Running, example_post, running

LIMITS: dict[str, Any] = {
    "max_error_rate": 0.01,
    "max_error_increase": 1.25,
    "max_latency_increase": 1.25,
    "min_agreement": 0.95,
}
NO_REQUESTS: dict[str, Any] = {"requests": 0, "rows": 0, "latency": [0] * 24}


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        found.put_reference()
        yield found


class Mirroring:
    """A candidate that gets copies of the live version's requests; each minute both post once."""

    def __init__(self, monitor: Running) -> None:
        self.monitor = monitor
        self.now = NOON
        self.sequence = self.number = 0

    def minutes(self, number: int, *, differing: int = 0, errors: int = 0, copies: int = 20, **posts: Any) -> None:
        """So many minutes, in each of which so many copies come, of which some are answered otherwise or not at all."""
        for _ in range(number):
            self.now += 60
            ids = [f"r{self.number + place}" for place in range(copies)]
            self.number += copies
            self.post_copies(ids, differing=differing, errors=errors, **posts)
            self.post_live(ids)
        self.monitor.work(self.now + 15)

    def post_copies(
        self, ids: Sequence[str], *, differing: int = 0, errors: int = 0, reference: bool = True, logged: bool = True
    ) -> None:
        """What the candidate's predictors tell: of no live request, and of copies."""
        answered = len(ids) - errors
        mirrored = {
            "requests": len(ids),
            "rows": answered,
            "errors": {"ModelFailed": errors} if errors else {},
            "latency": [0] * 5 + [answered] + [0] * 18,
        }
        answers = [0.1 if place < differing else 0.9 for place in range(answered)]
        told = self.logged(ids, answers) if logged else []
        counts = {} if reference else {"reference": None}
        self.post(version="1.1.0", mirrored=mirrored, mirrored_predictions=told, **NOTHING_COUNTED, **counts)

    def post_live(self, ids: Sequence[str]) -> None:
        """What the live version's tell: ten times as many requests, and these with their answers."""
        rows = 10 * len(ids)
        traffic = {"requests": rows, "rows": rows, "latency": [0] * 5 + [rows] + [0] * 18}
        self.post(version="1.0.0", traffic=traffic, predictions=self.logged(ids, [0.8] * len(ids)))

    def logged(self, ids: Sequence[str], answers: Sequence[float]) -> list[dict[str, Any]]:
        """The log of predictions."""
        pairs = zip(ids, answers, strict=False)
        return [{"request_id": one, "at": self.now - 30, "prediction": answer} for one, answer in pairs]

    def post(self, **changes: Any) -> None:
        """One post in the middle of the last minute."""
        self.sequence += 1
        self.monitor.time[0] = self.now + 15
        document = example_post(self.sequence, self.now - 28, **{"source": changes["version"], **changes})
        answer = self.monitor.post(document)
        assert answer.status_code == 200, answer.text

    def evidence(self, **query: Any) -> RolloutEvidence:
        """What the monitor says."""
        usual = {"version": "1.1.0", "against": "1.0.0", "since": _time(NOON), "mirrored": True, **LIMITS}
        asked = EvidenceQuery(**{**usual, **query})
        answer = self.monitor.client.get(evidence_path("shop", "churn"), params=asked.parameters())
        assert answer.status_code == 200, answer.text
        return RolloutEvidence.model_validate_json(answer.content)


NOTHING_COUNTED: dict[str, Any] = {"traffic": NO_REQUESTS, "features": {}, "outputs": {}}


@pytest.fixture
def mirroring(monitor: Running) -> Mirroring:
    return Mirroring(monitor)


def of(found: RolloutEvidence, name: CheckName) -> Check:
    return next(check for check in found.checks if check.name is name)


def test_a_candidate_that_answers_copies_as_well_passes_with_its_numbers(mirroring: Mirroring) -> None:
    mirroring.minutes(12)
    found = mirroring.evidence()

    assert (found.verdict, len(found.checks)) == (Verdict.PASSED, 5), found.message
    assert (found.candidate.requests, found.stable.requests, found.step_requests) == (240, 2400, 240)
    assert of(found, CheckName.DISAGREEMENT).candidate is not None
    assert of(found, CheckName.DISAGREEMENT).message.startswith("0 of 240 (0 %) were answered otherwise than 1.0.0")


def test_a_candidate_that_answers_otherwise_fails_before_it_has_a_request_of_its_own(mirroring: Mirroring) -> None:
    mirroring.minutes(12, differing=5)
    found = mirroring.evidence()

    assert found.verdict is Verdict.FAILED
    check = of(found, CheckName.DISAGREEMENT)
    assert (check.verdict, check.value, check.limit) == (Verdict.FAILED, 0.25, pytest.approx(0.05))
    assert check.failed_at is not None
    assert check.failed_at < _time(mirroring.now)


def test_copies_that_fail_are_evidence_and_copies_are_no_live_traffic(mirroring: Mirroring) -> None:
    mirroring.minutes(12, errors=4)

    assert of(mirroring.evidence(), CheckName.ERROR_RATE).verdict is Verdict.FAILED
    live = mirroring.evidence(mirrored=False, min_agreement=None)
    assert (live.verdict, live.candidate.requests) == (Verdict.INCONCLUSIVE, 0)


def test_an_answer_waits_for_the_other_one_and_counts_once(mirroring: Mirroring) -> None:
    mirroring.now += 60
    ids = [f"r{place}" for place in range(20)]
    mirroring.post_copies(ids)
    mirroring.monitor.work(mirroring.now + 15)
    assert _compared(mirroring) == 0
    mirroring.post_live(ids)
    mirroring.monitor.work(mirroring.now + 25)
    assert _compared(mirroring) == 20
    mirroring.monitor.work(mirroring.now + 35)
    assert _compared(mirroring) == 20


def test_an_answer_whose_other_one_never_comes_is_forgotten(mirroring: Mirroring) -> None:
    mirroring.now += 60
    ids = [f"r{place}" for place in range(20)]
    mirroring.post_copies(ids)
    mirroring.monitor.work(mirroring.now + 15)
    mirroring.monitor.work(mirroring.now + 15 + LONGEST_WAIT_SECONDS)
    mirroring.post_live(ids)
    mirroring.monitor.work(mirroring.now + 30 + LONGEST_WAIT_SECONDS)
    assert _compared(mirroring) == 0


def test_answers_that_are_not_told_cannot_be_compared_and_it_is_said(mirroring: Mirroring) -> None:
    mirroring.minutes(12, logged=False)
    check = of(mirroring.evidence(), CheckName.DISAGREEMENT)

    assert check.verdict is Verdict.INCONCLUSIVE
    assert "0 of 200 answers that can be held against those of 1.0.0" in check.message
    assert "spec.monitoring.capture.predictions" in check.message


def test_answers_of_a_version_without_a_reference_cannot_be_compared(mirroring: Mirroring) -> None:
    mirroring.minutes(12, reference=False)
    found = mirroring.evidence()

    assert of(found, CheckName.DISAGREEMENT).verdict is Verdict.INCONCLUSIVE
    assert of(found, CheckName.ERROR_RATE).verdict is Verdict.PASSED


def test_labels_do_not_find_answers_to_copies(mirroring: Mirroring) -> None:
    mirroring.now += 60
    mirroring.post_copies(["r0"])
    mirroring.monitor.work(mirroring.now + 15)
    told = {"request_id": "r0", "label": 1, "namespace": "shop", "name": "churn"}
    answer = mirroring.monitor.client.post("/v1/feedback", json=told)
    assert answer.json()["joined"] == 0, answer.text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"min_agreement": "0.9"}, "min_agreement needs mirrored"),
        ({"mirrored": "true", "max_prediction_psi": "0.2"}, "max_prediction_psi is not for mirrored requests"),
        ({"mirrored": "true", "min_agreement": "1"}, "min_agreement"),
    ],
    ids=["agreement of no copies", "PSI of copies", "all must agree"],
)
def test_a_wrong_question_is_refused_by_name(monitor: Running, wrong: dict[str, str], words: str) -> None:
    asked = {"version": "1.1.0", "against": "1.0.0", "since": "2026-03-02T12:00:00Z", **wrong}
    answer = monitor.client.get(evidence_path("shop", "churn"), params=asked)

    assert answer.status_code == 422
    assert words in answer.text


def _compared(mirroring: Mirroring) -> int:
    check = of(mirroring.evidence(), CheckName.DISAGREEMENT)
    return check.candidate.of if check.candidate is not None else 0


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
