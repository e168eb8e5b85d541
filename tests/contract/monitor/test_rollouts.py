"""The operator tells of rollouts and asks for evidence: both are kept, bounded, and go with time; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, evidence_path
from modelloop_core.wire.rollouts import ModelRollouts, Rollout, RolloutStep, RolloutVersion, rollouts_path
from modelloop_core.wire.settings import ModelSettings, settings_path
from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.store import rollout_evidence
from modelloop_monitor.store.rollout_schema import ROLLOUT_EVIDENCE, ROLLOUT_STATES, ROLLOUTS
from modelloop_monitor.store.rollouts import RolloutKey
from support.monitors import NOON, Running, example_post, running

MODEL = ("shop", "churn")
PATH = rollouts_path(*MODEL)
DAY = 86_400.0
START = datetime.fromtimestamp(NOON, UTC)
KEY = RolloutKey(*MODEL, "1.1.0", int(NOON))
STEP = START + timedelta(minutes=1)


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database, report_days=20, window_days=10, traffic_days=5) as found:
        found.put_reference()
        found.client.put(settings_path(*MODEL), content=ModelSettings().model_dump_json())
        yield found


def question(step: datetime = STEP, **fields: Any) -> EvidenceQuery:
    usual = {"version": "1.1.0", "against": "1.0.0", "since": STEP, "max_error_rate": 0.01}
    return EvidenceQuery(**{**usual, "step_since": step, **fields})


def a_rollout(**fields: Any) -> Rollout:
    return Rollout(version="1.1.0", against="1.0.0", started=START, plan=(5, 50, 100), **fields)


def told(*rollouts: Rollout, weight: int = 5) -> ModelRollouts:
    return ModelRollouts(
        live=RolloutVersion(version="1.0.0", weight=100 - weight, confirmed=100 - weight, ready=2),
        tried=RolloutVersion(version="1.1.0", weight=weight, ready=1) if weight else None,
        message="1.1.0 has 5 % and holds it",
        rollouts=rollouts,
    )


def put(monitor: Running, body: ModelRollouts) -> None:
    answer = monitor.client.put(PATH, content=body.model_dump_json())
    assert answer.status_code == 204, answer.text


def ask(monitor: Running, query: EvidenceQuery, minute: int) -> RolloutEvidence:
    """Both versions post a minute, and the operator asks."""
    at = NOON + 60 * minute
    for number, version in enumerate(("1.0.0", "1.1.0")):
        monitor.post(example_post(2 * minute + number, at - 30, version=version))
    monitor.time[0] = at + 15
    monitor.fold()
    answer = monitor.client.get(evidence_path(*MODEL), params=query.parameters())
    assert answer.status_code == 200, answer.text
    return RolloutEvidence.model_validate_json(answer.content)


def kept(monitor: Running) -> list[rollout_evidence.Kept]:
    with monitor.monitor.store.reading() as connection:
        return rollout_evidence.of(connection, KEY)


def rows(monitor: Running) -> list[int]:
    tables = (ROLLOUTS, ROLLOUT_STATES, ROLLOUT_EVIDENCE)
    with monitor.monitor.store.reading() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def test_what_the_operator_tells_is_read_back_newest_first(monitor: Running) -> None:
    before = Rollout(
        version="1.0.1", against="1.0.0", started=START - timedelta(days=1), ended=START, outcome="RolledBack",
        reason="Aborted", message="1.0.1 was taken back",
    )  # fmt: skip
    present = a_rollout(steps=(RolloutStep(weight=5, since=STEP),), question=question())
    for _ in range(2):
        put(monitor, told(before, present))
    found = monitor.get("rollouts")
    assert [one["version"] for one in found["rollouts"]] == ["1.1.0", "1.0.1"]
    assert ModelRollouts.model_validate(
        {**told().model_dump(), "rollouts": [Rollout.model_validate(one) for one in found["rollouts"][::-1]]}
    ) == told(before, present)
    assert (found["live"]["weight"], found["tried"]["confirmed"]) == (95, None)
    assert rows(monitor) == [2, 1, 0]


def test_a_rollout_that_is_not_told_of_any_more_is_over(monitor: Running) -> None:
    put(monitor, told(a_rollout()))
    monitor.time[0] += 60
    again = Rollout(version="1.1.0", against="1.0.0", started=START + timedelta(seconds=50))
    put(monitor, told(again))
    newest, lost = monitor.get("rollouts")["rollouts"]
    assert newest["ended"] is None
    assert (lost["ended"], lost["outcome"]) == ((START + timedelta(seconds=60)).isoformat().replace("+00:00", "Z"), "")
    assert "status was lost" in lost["message"]


def test_nothing_is_known_before_the_operator_tells(monitor: Running) -> None:
    answer = monitor.client.get(PATH)
    assert (answer.status_code, answer.json()["reason"]) == (404, "UnknownModel")


def test_answers_to_the_rollouts_own_question_are_kept(monitor: Running) -> None:
    put(monitor, told(a_rollout(question=question())))
    answers = [ask(monitor, question(), minute) for minute in (2, 3)]
    assert [one.evidence for one in kept(monitor)] == answers
    assert {one.step for one in kept(monitor)} == {STEP.timestamp()}


@pytest.mark.parametrize(
    "other", [question(max_error_rate=0.5), question(START + timedelta(minutes=2)), question(min_requests=1)]
)
def test_answers_to_other_questions_are_not_kept(monitor: Running, other: EvidenceQuery) -> None:
    put(monitor, told(a_rollout(question=question())))
    ask(monitor, other, 2)
    assert kept(monitor) == []


def test_without_a_rollout_nothing_is_kept(monitor: Running) -> None:
    ask(monitor, question(), 2)
    assert rows(monitor) == [0, 0, 0]


def test_answers_of_a_long_rollout_lie_apart_and_the_last_of_each_step_stays(monitor: Running) -> None:
    put(monitor, told(a_rollout(question=question())))
    example = ask(monitor, question(), 2)
    second = START + timedelta(minutes=1500)
    with monitor.monitor.store.writing() as connection:
        for minute in range(3, 3000):
            query = question(second if minute > 1500 else STEP)
            said = example.model_copy(update={"until": START + timedelta(minutes=minute)})
            rollout_evidence.keep(connection, KEY, query, said)
    minutes = [round((one.at - NOON) / 60) for one in kept(monitor)]
    assert len(minutes) < 500
    assert minutes[:50] == list(range(2, 52)), "while it is young each answer is kept"
    assert {1500, 1501, 2999} <= set(minutes)
    assert max(after - before for before, after in pairwise(minutes)) <= 31


def test_what_is_kept_goes_with_time(monitor: Running) -> None:
    put(monitor, told(a_rollout(question=question())))
    ask(monitor, question(), 2)
    assert rows(monitor) == [1, 1, 1]
    monitor.monitor.pruner.prune(NOON + 9 * DAY)
    assert rows(monitor) == [1, 1, 1]
    monitor.monitor.pruner.prune(NOON + 11 * DAY)
    assert rows(monitor) == [1, 1, 0]
    monitor.monitor.pruner.prune(NOON + 21 * DAY)
    assert rows(monitor) == [0, 0, 0]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"live": 1}',
        json.dumps({"rollouts": [{"version": "1.1.0"}]}).encode(),
        json.dumps({"nothing": "known"}).encode(),
        json.dumps({"rollouts": [a_rollout().model_dump(mode="json")] * 17}).encode(),
        json.dumps({"message": "x" * 5000}).encode(),
    ],
)
def test_what_cannot_be_understood_changes_nothing(monitor: Running, body: bytes) -> None:
    assert monitor.client.put(PATH, content=body).status_code in (400, 422)
    assert rows(monitor) == [0, 0, 0]


def test_only_who_may_write_in_the_namespace_tells(database: str) -> None:
    with running(database, token="s3cret") as monitor:
        body = told(a_rollout()).model_dump_json()
        statuses = [
            monitor.client.put(path, content=body, headers={"authorization": f"Bearer {token}"}).status_code
            for token, path in (
                ("guess", PATH),
                (namespace_token("s3cret", "bank"), PATH),
                (namespace_token("s3cret", "shop"), PATH),
                ("s3cret", rollouts_path("bank", "churn")),
            )
        ]
        assert statuses == [401, 403, 204, 204]
        other = {"authorization": f"Bearer {namespace_token('s3cret', 'bank')}"}
        assert monitor.client.get(PATH, headers=other).status_code == 403
