"""What a candidate is worth beside the live version: labels and business events in a rollout, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from modelloop_core.wire.evidence import (
    Check,
    CheckName,
    Comparison,
    EvidenceQuery,
    Experiment,
    RolloutEvidence,
    Verdict,
    evidence_path,
)
from support.monitors import NOON, Running, counted_post, example_post, running
from support.outcomes import follow, tell

VERSIONS = ("1.0.0", "1.1.0")


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        found.put_reference()
        yield found


class Traffic:
    """Both versions log each minute; what was logged is remembered."""

    def __init__(self, monitor: Running) -> None:
        self.monitor = monitor
        self.sequence = 0
        self.random = np.random.default_rng(1)
        self.labels: dict[str, bool] = {}

    def minutes(
        self, number: int, *, right: dict[str, float], each: tuple[int, int] = (40, 20), begin: int = 0
    ) -> None:
        """So many minutes, in which each version is right about so many of its requests."""
        for minute in range(begin, begin + number):
            for version, count in ((name, some) for name, some in zip(VERSIONS, each, strict=True) if some):
                self.log(version, NOON + 60 * minute + 30, [f"{version}-{minute}-{n}" for n in range(count)], right)
        self.monitor.time[0] = NOON + 60 * (begin + number) + 15
        self.monitor.fold()

    def log(self, version: str, at: float, ids: list[str], right: dict[str, float]) -> None:
        scores = np.round(self.random.uniform(size=len(ids)), 3)
        known = zip(ids, scores, strict=True)
        logged = [{"request_id": name, "row": 0, "at": at, "prediction": score} for name, score in known]
        hits = self.random.random(len(ids)) < right[version]
        self.labels |= {
            name: bool((score >= 0.5) == hit) for name, score, hit in zip(ids, scores.tolist(), hits, strict=True)
        }
        traffic = {"requests": len(ids), "rows": len(ids), "latency": [len(ids)] + [0] * 23}
        self.sequence += 1
        self.monitor.time[0] = at
        document = example_post(
            self.sequence, at, len(ids), version=version, source=version, predictions=logged, traffic=traffic
        )
        assert self.monitor.post(document).status_code == 200

    def tell(self, at: float, part: float = 1.0) -> None:
        """All labels that are known come at once, or a part of them."""
        self.monitor.time[0] = at
        some = [item for item in self.labels.items() if self.random.random() < part]
        for start in range(0, len(some), 5000):
            tell(self.monitor, *some[start : start + 5000])

    def evidence(self, at: float, **query: Any) -> RolloutEvidence:
        """What the monitor says then; predictors of both are up, with traffic or without."""
        self.monitor.time[0] = at
        for version in VERSIONS:
            self.sequence += 1
            nothing: dict[str, Any] = {"reference": None, "features": {}, "outputs": {}, "traffic": {}}
            idle = example_post(self.sequence, at - 60, version=version, source=version, **nothing)
            assert self.monitor.post(idle).status_code == 200
        self.monitor.fold()
        since = datetime.fromtimestamp(NOON, UTC)
        asked = EvidenceQuery(version="1.1.0", against="1.0.0", since=since, **query)
        answer = self.monitor.client.get(evidence_path("shop", "churn"), params=asked.parameters())
        assert answer.status_code == 200, answer.text
        return RolloutEvidence.model_validate_json(answer.content)


QUALITY: dict[str, Any] = {"quality_metric": "accuracy", "max_quality_drop": 0.02, "label_delay_seconds": 3600}


def drop(found: RolloutEvidence, name: CheckName = CheckName.QUALITY_DROP) -> Check:
    return next(check for check in found.checks if check.name is name)


def compared(found: RolloutEvidence, metric: str) -> Comparison:
    return next(one for one in found.comparisons if one.metric == metric)


def test_a_version_that_is_wrong_more_often_fails_once_its_labels_have_come(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right={"1.0.0": 0.9, "1.1.0": 0.7})
    before = traffic.evidence(NOON + 1815, **QUALITY)
    assert drop(before).verdict is Verdict.INCONCLUSIVE
    assert "0 of 200 labelled predictions (labels come within 1h) that 1.1.0 needs" in drop(before).message

    traffic.tell(NOON + 1900)
    found = traffic.evidence(NOON + 2000, **QUALITY)
    assert (found.verdict, drop(found).verdict) == (Verdict.FAILED, Verdict.FAILED), found.message
    assert drop(found).failed_at == datetime.fromtimestamp(NOON + 1920, UTC)
    assert drop(found).value == pytest.approx(0.2, abs=0.06)
    assert "accuracy is 0.199 worse than that of 1.0.0 over the same hours" in drop(found).message
    told = compared(found, "accuracy")
    assert (told.candidate.of, told.stable.of, told.kind) == (600, 1200, "quality")
    assert told.stable.value.value == pytest.approx(0.9, abs=0.03)
    assert told.low is not None
    assert told.high is not None
    assert told.low < -0.2 < told.high < -0.02


@pytest.mark.parametrize("metric", ["accuracy", "auc", "brier", "log_loss"])
def test_a_version_that_is_as_good_passes_by_each_metric(monitor: Running, metric: str) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right={"1.0.0": 0.9, "1.1.0": 0.9})
    traffic.tell(NOON + 1900)
    found = traffic.evidence(NOON + 2000, quality_metric=metric, max_quality_drop=0.5)

    assert drop(found).verdict is Verdict.PASSED, found.message
    assert "cannot be excluded yet" in drop(found).message


def test_quality_without_a_limit_is_told_and_fails_nobody(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right={"1.0.0": 0.9, "1.1.0": 0.3})
    traffic.tell(NOON + 1900)
    found = traffic.evidence(NOON + 2000, quality_metric="accuracy", max_error_rate=0.5)

    assert found.verdict is Verdict.PASSED
    assert compared(found, "accuracy").difference == pytest.approx(-0.6, abs=0.07)


def test_what_has_failed_by_labels_stays_failed_when_better_ones_come(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right={"1.0.0": 0.9, "1.1.0": 0.6})
    traffic.tell(NOON + 1900)
    first = drop(traffic.evidence(NOON + 2000, **QUALITY))
    traffic.labels.clear()
    traffic.minutes(30, right={"1.0.0": 0.9, "1.1.0": 1.0}, begin=60)
    traffic.tell(NOON + 5500)
    later = drop(traffic.evidence(NOON + 5600, **QUALITY))

    assert (first.verdict, later.verdict) == (Verdict.FAILED, Verdict.FAILED)
    assert later.failed_at == first.failed_at


def test_a_metric_of_another_task_is_named_and_holds(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(12, right={"1.0.0": 0.9, "1.1.0": 0.9})
    found = traffic.evidence(NOON + 800, quality_metric="mae", max_quality_drop=0.1)

    assert drop(found).verdict is Verdict.INCONCLUSIVE
    assert "the task is binary, which has no mae" in drop(found).message


def test_a_version_whose_predictions_are_followed_less_often_fails(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(60, right=dict.fromkeys(VERSIONS, 1.0), each=(100, 100))
    monitor.time[0] = NOON + 3700
    rates = {"1.0.0": 0.2, "1.1.0": 0.08}
    clicked = [name for name in traffic.labels if traffic.random.random() < rates[name.split("-")[0]]]
    follow(monitor, *({"request_id": name, "name": "clicks"} for name in clicked))
    soon = traffic.evidence(NOON + 3800, events="clicks:rate:7200:0.1")
    assert drop(soon, CheckName.BUSINESS_DROP).verdict is Verdict.INCONCLUSIVE
    assert "requests older than 2h" in drop(soon, CheckName.BUSINESS_DROP).message

    found = traffic.evidence(NOON + 3600 + 7260, events="clicks:rate:7200:0.1,orders:sum:60")
    failed = drop(found, CheckName.BUSINESS_DROP)
    assert (found.verdict, failed.verdict, failed.subject) == (Verdict.FAILED, Verdict.FAILED, "clicks"), found.message
    assert failed.value == pytest.approx(0.6, abs=0.1)
    assert "less than that of 1.0.0 over the same hours, shown to be beyond 10 % less" in failed.message
    clicks, orders = compared(found, "clicks"), compared(found, "orders")
    assert clicks.candidate.value.value == pytest.approx(0.08, abs=0.02)
    assert (orders.kind, orders.candidate.value.value, orders.difference) == ("sum", 0.0, 0.0)


def test_an_event_that_comes_too_late_is_in_no_version(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(12, right=dict.fromkeys(VERSIONS, 1.0))
    monitor.time[0] = NOON + 3000
    follow(monitor, *({"request_id": name, "name": "clicks"} for name in traffic.labels))
    found = compared(traffic.evidence(NOON + 3100, events="clicks:rate:600"), "clicks")

    assert (found.candidate.of, found.candidate.value.value) == (240, 0.0)


def test_a_version_without_a_reference_is_named_with_what_to_do(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(12, right=dict.fromkeys(VERSIONS, 1.0), each=(40, 0))
    for minute in range(12):
        nothing: dict[str, Any] = {"reference": None, "features": {}, "outputs": {}}
        latency = {"requests": 20, "rows": 20, "latency": [20] + [0] * 23}
        bare = example_post(minute, NOON + 60 * minute + 30, version="1.1.0", source="b", traffic=latency, **nothing)
        assert monitor.post(bare).status_code == 200
    monitor.fold()
    held = drop(traffic.evidence(NOON + 735, max_prediction_psi=0.2), CheckName.PREDICTION_PSI)
    assert held.verdict is Verdict.INCONCLUSIVE
    assert "1.1.0 was published without a reference" in held.message
    assert "onNoReference: Skip" in held.message

    found = traffic.evidence(NOON + 735, max_prediction_psi=0.2, without_reference="Skip")
    assert found.verdict is Verdict.PASSED
    assert "not judged: 1.1.0 has no reference" in found.message


def the_test_of(found: RolloutEvidence) -> Experiment:
    assert found.experiment is not None
    return found.experiment


@pytest.mark.parametrize(
    ("right", "winner"), [({"1.0.0": 0.7, "1.1.0": 0.9}, "candidate"), ({"1.0.0": 0.9, "1.1.0": 0.7}, "stable")]
)
def test_a_test_on_quality_finds_the_better_version(monitor: Running, right: dict[str, float], winner: str) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right=right, each=(20, 20))
    traffic.tell(NOON + 1900)
    found = the_test_of(traffic.evidence(NOON + 2000, ab_metric="accuracy", max_error_rate=0.5))

    assert (found.winner, found.kind, found.higher) == (winner, "quality", True)
    assert found.decided_at == datetime.fromtimestamp(NOON + 1920, UTC)
    assert found.message.endswith(f"{'1.1.0' if winner == 'candidate' else '1.0.0'} is better")
    assert found.low is not None
    assert found.high is not None
    assert (found.low > 0) == (winner == "candidate")
    assert (found.high < 0) == (winner == "stable")
    assert max(found.e_better, found.e_worse) >= found.needed == 40


def test_a_test_of_equal_versions_goes_on(monitor: Running) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(30, right=dict.fromkeys(VERSIONS, 0.8), each=(20, 20))
    traffic.tell(NOON + 1900)
    found = the_test_of(traffic.evidence(NOON + 2000, ab_metric="accuracy", max_error_rate=0.5))

    assert (found.winner, found.decided_at) == (None, None)
    assert "neither is shown to be better yet" in found.message


@pytest.mark.parametrize(("higher", "winner"), [(True, "stable"), (False, "candidate")])
def test_a_test_on_an_event_knows_which_way_is_better(monitor: Running, higher: bool, winner: str) -> None:
    traffic = Traffic(monitor)
    traffic.minutes(60, right=dict.fromkeys(VERSIONS, 1.0), each=(100, 100))
    monitor.time[0] = NOON + 3610
    rates = {"1.0.0": 0.2, "1.1.0": 0.1}
    called = [name for name in traffic.labels if traffic.random.random() < rates[name.split("-")[0]]]
    follow(monitor, *({"request_id": name, "name": "orders", "value": 20.0 + len(name)} for name in called))
    asked = {"events": "orders:sum:3600", "ab_metric": "orders", "ab_higher": higher, "max_error_rate": 0.5}
    found = the_test_of(traffic.evidence(NOON + 3600 + 3660, **asked))

    assert (found.winner, found.kind, found.higher) == (winner, "sum", higher)
    assert found.high is not None
    assert found.high < 0


@pytest.mark.parametrize("metric", ["positive_rate", "mean_prediction"])
def test_a_test_on_answers_compares_what_was_counted_of_all_traffic(monitor: Running, metric: str) -> None:
    random = np.random.default_rng(5)
    for minute in range(40):
        for version, shift in (("1.0.0", 0.0), ("1.1.0", 1.5)):
            answers = random.beta(2 + shift, 2, 50)
            rows = np.column_stack([np.full(50, 40.0), np.zeros(50)])
            monitor.time[0] = NOON + 60 * minute + 30
            document = counted_post(minute, NOON + 60 * minute + 30, rows, answers, version=version, source=version)
            assert monitor.post(document).status_code == 200
    monitor.time[0] = NOON + 2415
    monitor.fold()
    found = the_test_of(Traffic(monitor).evidence(NOON + 2415, ab_metric=metric, ab_higher=False, max_error_rate=0.5))

    assert (found.winner, found.kind, found.candidate.of) == ("stable", "output", 2000)
    expected = 3.5 / 5.5 if metric == "mean_prediction" else 0.77
    assert found.candidate.value.value == pytest.approx(expected, abs=0.04)
    assert found.stable.value.value == pytest.approx(0.5, abs=0.04)


def test_a_metric_that_cannot_be_had_is_named(monitor: Running) -> None:
    found = the_test_of(Traffic(monitor).evidence(NOON + 100, ab_metric="positive_rate", max_error_rate=0.5))

    assert (found.winner, found.difference) == (None, None)
    assert "positive_rate needs one number for each answer" in found.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ab_metric": "clicks"}, "ab_metric clicks is none of"),
        ({"events": "clicks:mean:60"}, "is no event"),
        ({"events": "clicks:rate:60,clicks:sum:60"}, "of different names"),
        ({"events": "clicks:rate:60:1.5"}, "is no event"),
        ({"max_quality_drop": 0.1}, "needs quality_metric"),
        ({"quality_metric": "rmse"}, "quality_metric"),
    ],
)
def test_a_wrong_question_about_worth_is_refused(monitor: Running, wrong: dict[str, Any], words: str) -> None:
    monitor.post(example_post(0))
    asked = {"version": "1.1.0", "against": "1.0.0", "since": "2026-03-02T12:00:00Z", **wrong}
    answer = monitor.client.get(evidence_path("shop", "churn"), params=asked)

    assert answer.status_code == 422
    assert words in answer.text
