"""Before any traffic: captured requests are replayed to a version whose pods are ready, and it is left for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.seen import NOW, POLICY, ready, stamp
from fakes.trying import PASSED, a_rollout, after, in_rollout
from modelloop_core.api.status import RolloutStatus, StagingStatus
from modelloop_core.wire.runs import ReplayOutcome
from modelloop_operator.decide.decisions import Refuse, Shift, Stage, Wait
from modelloop_operator.decide.observation import Observation, Trouble
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

RUN = "churn-replay-0123456789ab"
ALIKE = {"minAgreement": 0.95}
UNJUDGED: dict[str, Any] = {"analysis": {}}
CRASHED = Trouble("ContainerFailed", "exit code 1: AccessDenied: s3://models/churn")
GIVEN_UP = Trouble("ReplayUnfinished", "BackoffLimitExceeded: it failed 4 times", permanent=True)


def outcome(asked: int = 500, **found: Any) -> ReplayOutcome:
    """What a Job found: by default that all is well."""
    usual = {"compared": asked, "began": NOW, "ended": NOW, "run": RUN, "version": "1.1.0", "against": "1.0.0"}
    return ReplayOutcome(**{**usual, **found}, asked=asked)


def staged(since: float = -1, run: str | None = RUN, **fields: Any) -> RolloutStatus:
    """A rollout whose staging has begun."""
    usual: dict[str, Any] = {"advancing": True, "preparingSince": -60, "stepStartedAt": None, "judgedSince": None}
    staging = StagingStatus(since=stamp(since), run=run)
    return a_rollout(**{**usual, "staging": staging, **fields})


def ready_for_it(rollout: RolloutStatus | None = None, staging: Any = None, **changes: Any) -> Observation:
    """1.1.0 has its pods and no traffic; by default nothing was begun."""
    declared = {"staging": staging or {"replay": 500}, "analysis": ALIKE, **changes.pop("declared", {})}
    begun = rollout or staged(staging=None)
    return in_rollout(0, rollout=begun, declared=declared, **{"judgement": None, **changes})


CASES = [
    pytest.param(ready_for_it(), Stage, "Replaying", id="ready pods are asked what callers asked"),
    pytest.param(ready_for_it(tried=ready(0)), Wait, "CandidateNotReady", id="not before they are ready"),
    pytest.param(ready_for_it(staged()), Wait, "Replaying", id="it waits for the Job"),
    pytest.param(ready_for_it(staged(), replay=CRASHED), Wait, "ContainerFailed", id="a pod that fails is named"),
    pytest.param(ready_for_it(staged(), replay=GIVEN_UP), Wait, "ReplayUnfinished", id="a Job that gave up holds"),
    pytest.param(ready_for_it(staged(), replay=outcome()), Shift, "PodsReady", id="what answers alike gets its share"),
    pytest.param(
        ready_for_it(staged(), replay=outcome(differing=100)), Refuse, "ReplayFailed", id="what answers otherwise goes"
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(differing=30)), Shift, "PodsReady", id="6 % of 500 may be 5 % by chance"
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(compared=400, failures={"ModelFailed": 60, "DeadlineExceeded": 40})),
        Refuse,
        "ReplayFailed",
        id="what fails goes",
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(failures={"NoAnswer": 1})), Shift, "PodsReady", id="one failure is chance"
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(compared=450, failures={"Unreachable": 50})),
        Shift,
        "PodsReady",
        id="what came to no pod says nothing about it",
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(0, note="no captures")),
        Shift,
        "PodsReady",
        id="nothing to replay goes on",
    ),
    pytest.param(
        ready_for_it(staged(), replay=outcome(differing=100), declared=UNJUDGED),
        Shift,
        "PodsReady",
        id="without a limit other answers are told and not judged",
    ),
    pytest.param(
        ready_for_it(staged(promoted=True)),
        Wait,
        "EndpointsPending",
        id="a promotion does not wait for the Job",
    ),
    pytest.param(
        ready_for_it(staged(promoted=True), replay=outcome(differing=100)),
        Refuse,
        "ReplayFailed",
        id="a promotion does not carry what failed",
    ),
    pytest.param(
        ready_for_it(staged(since=-60, run=None), staging={"replay": 0, "hold": "1m"}, declared=UNJUDGED),
        Shift,
        "PodsReady",
        id="held",
    ),
    pytest.param(
        ready_for_it(staged(since=-59, run=None), staging={"replay": 0, "hold": "1m"}, declared=UNJUDGED),
        Wait,
        "HoldingStaging",
        id="a second short",
    ),
    pytest.param(
        ready_for_it(staged(since=-59), staging={"hold": "1m"}, replay=outcome()),
        Wait,
        "HoldingStaging",
        id="held with a replay that is over",
    ),
    pytest.param(ready_for_it(declared={"paused": True}), Wait, "PausedBySpec", id="a pause holds it"),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), CASES)
def test_next_move(seen: Observation, kind: type, reason: str) -> None:
    if reason == "EndpointsPending":
        seen = replace(seen, pods={**seen.pods, seen.candidate: replace(ready(4), reachable=3)})  # type: ignore[dict-item]
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason), move
    assert move.message


def test_a_run_is_named_once_and_for_this_try_alone() -> None:
    first = decide(ready_for_it(), NOW, POLICY)
    again = decide(ready_for_it(), after(60), POLICY)
    assert isinstance(first, Stage)
    assert isinstance(again, Stage)
    assert first.run == again.run
    assert first.run is not None
    assert first.run.startswith("churn-replay-")
    assert len(first.run) <= 63
    status = next_status(ready_for_it(), first, NOW)
    assert status.rollout is not None
    assert status.rollout.staging == StagingStatus(since=stamp(), run=first.run)


def test_what_was_found_is_in_status() -> None:
    told = {"latency_p95": 0.012, "psi": 0.01, "failures": {"ModelFailed": 2}, "compared": 498, "differing": 3}
    seen = ready_for_it(staged(), replay=outcome(**told))
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.staging is not None
    assert (status.rollout.staging.verdict, status.rollout.staging.message) == (
        "Passed",
        "2 of 500 replayed requests failed (ModelFailed 2), 3 of 498 were answered otherwise than 1.0.0 did, "
        "PSI 0.010, 95 % within 12 ms",
    )


def test_nothing_to_replay_is_said() -> None:
    seen = ready_for_it(staged(), replay=outcome(0, note="the registry has no captured features"))
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.staging is not None
    assert status.rollout.staging.verdict is None
    assert status.rollout.staging.message == "nothing was replayed: the registry has no captured features"


def test_what_another_run_found_counts_for_nothing() -> None:
    seen = ready_for_it(staged(), replay=outcome(run="churn-replay-of-another"))
    status = next_status(seen, Wait("x", "x", POLICY.recheck), NOW)
    assert status.rollout is not None
    assert status.rollout.staging is not None
    assert status.rollout.staging.message == ""


@pytest.mark.parametrize(("then", "kind"), [("Hold", Wait), ("RollBack", Refuse)])
def test_a_job_that_gave_up_is_waited_for_until_the_deadline(then: str, kind: type) -> None:
    doubted = staged(inconclusiveSince=-3600)
    seen = ready_for_it(doubted, replay=GIVEN_UP, declared={"onInconclusive": then})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, "InconclusiveDeadlineExceeded")
    assert "kubectl delete job" in move.message


def test_what_was_live_here_is_not_staged_again() -> None:
    seen = ready_for_it()
    history = [*seen.model.status.history, seen.model.status.history[0].model_copy(update={"version": "1.1.0"})]
    status = seen.model.status.model_copy(update={"history": history})
    again = replace(seen, model=seen.model.model_copy(update={"status": status}))
    assert not isinstance(decide(again, NOW, POLICY), Stage)


def test_a_version_that_lost_its_pods_is_not_asked_all_again() -> None:
    held = a_rollout(staging=StagingStatus(since=stamp(-300), run=RUN))
    lost = in_rollout(5, rollout=held, tried=ready(0), declared={"staging": {"replay": 500}}, replay=outcome())
    status = next_status(lost, decide(lost, NOW, POLICY), NOW)
    back = in_rollout(status=status, declared={"staging": {"replay": 500}}, replay=outcome(), judgement=PASSED)
    assert isinstance(decide(back, NOW, POLICY), Shift)


WAITING = [
    pytest.param({"staging": {"replay": 0, "hold": "20m"}, **UNJUDGED}, staged(run=None), "HoldingStaging", id="held"),
    pytest.param({}, staged(), "Replaying", id="a replay that takes long"),
    pytest.param({"staging": None, "paused": True, **UNJUDGED}, staged(staging=None), "PausedBySpec", id="a pause"),
]


@pytest.mark.parametrize(("declared", "rollout", "reason"), WAITING)
def test_pods_that_move_late_in_a_long_wait_have_the_whole_deadline(
    declared: dict[str, Any], rollout: RolloutStatus, reason: str
) -> None:
    late = {"progressDeadline": "2m", "staging": {"replay": 500}, "analysis": ALIKE, **declared}
    seen = ready_for_it(rollout, declared=late)
    move = decide(seen, NOW, POLICY)
    assert move.reason == reason
    status = next_status(seen, move, NOW)
    assert status.rollout is not None
    assert status.rollout.preparingSince is None
    missing = ready_for_it(declared=late, status=status, tried=ready(3, settled=False))
    first = decide(missing, after(400), POLICY)
    assert (type(first), first.reason) == (Wait, "CandidateNotReady")
    waited = next_status(missing, first, after(400))
    assert waited.rollout is not None
    assert waited.rollout.preparingSince == stamp(400)
    still = ready_for_it(declared=late, status=waited, tried=ready(3, settled=False))
    assert next_status(still, decide(still, after(519), POLICY), after(519)).rollout == waited.rollout
    assert decide(still, after(520), POLICY).reason == "ProgressDeadlineExceeded"
