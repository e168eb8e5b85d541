"""What status remembers of rollouts: shares and verdicts as they came, who asked for what, how each ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.seen import NOW, a_status, observed, ready, routed, stamp
from fakes.trying import FAILED, LIVE, PASSED, TRIED, a_rollout, in_rollout, trying
from modelloop_core.api import MLModelStatus
from modelloop_core.api.past_rollouts import ASKED_LENGTH, PAST_ROLLOUTS_LENGTH, STEPS_LENGTH, PastRollout
from modelloop_operator.decide.decisions import (
    Abandon,
    Advance,
    Answer,
    Approve,
    Condemn,
    Decision,
    Force,
    Forget,
    Pause,
    Promote,
    Refuse,
    RollBack,
    Shift,
    Wait,
)
from modelloop_operator.decide.observation import Observation, Policy, Request
from modelloop_operator.decide.status import next_status

KEEP = Policy().recheck
BEGUN = [{"weight": 5, "since": stamp(-600), "verdict": "Passed"}, {"weight": 25, "since": stamp(-61)}]
BEFORE = {"version": "1.0.0", "against": "0.9.0", "from": stamp(-900), "until": stamp(-800)}


def past(status: MLModelStatus) -> list[tuple[str, str, str]]:
    return [(one.version, one.outcome, one.reason) for one in status.pastRollouts]


def shares(steps: Any) -> list[tuple[int, str | None]]:
    return [(step.weight, step.verdict) for step in steps]


def at_25(**fields: Any) -> Observation:
    return in_rollout(25, rollout=a_rollout(steps=BEGUN, **fields))


def then(seen: Observation, decision: Decision) -> MLModelStatus:
    return next_status(seen, decision, NOW)


ENDS = [
    pytest.param(Promote(TRIED, "RolloutPassed", "…"), ("Promoted", [(5, "Passed"), (25, None), (100, None)]), id="up"),
    pytest.param(Refuse(TRIED, "EvidenceFailed", "…"), ("RolledBack", [(5, "Passed"), (25, "Failed")]), id="failed"),
    pytest.param(Refuse(TRIED, "KeepsFailing", "…"), ("RolledBack", [(5, "Passed"), (25, None)]), id="lost its pods"),
    pytest.param(Abandon(TRIED, "Superseded", "…"), ("Abandoned", [(5, "Passed"), (25, None)]), id="not wanted"),
    pytest.param(RollBack(LIVE, "BackToWarm", "…"), ("Abandoned", [(5, "Passed"), (25, None)]), id="passed by"),
]


@pytest.mark.parametrize(("decision", "ended"), ENDS)
def test_a_rollout_that_ends_is_remembered_with_its_shares(decision: Decision, ended: tuple[str, list[Any]]) -> None:
    status = then(at_25(), decision)
    assert status.rollout is None
    (found,) = status.pastRollouts
    assert (str(found.outcome), shares(found.steps)) == ended
    assert (found.version, found.against, found.strategy) == ("1.1.0", "1.0.0", "Canary")
    assert (found.from_, found.until, found.reason) == (stamp(-600), stamp(0), decision.reason)  # type: ignore[union-attr]


def test_what_never_had_traffic_was_refused() -> None:
    seen = in_rollout(0, rollout=a_rollout(advancing=True, stepStartedAt=None))
    status = then(seen, Refuse(TRIED, "ProgressDeadlineExceeded", "no pods"))
    assert past(status) == [("1.1.0", "Refused", "ProgressDeadlineExceeded")]


def test_a_share_is_noted_when_the_gateway_confirmed_it_and_its_verdict_when_it_changes() -> None:
    seen = in_rollout(25, rollout=a_rollout(steps=BEGUN[:1], stepStartedAt=None))
    begun = then(replace(seen, judgement=None), Wait("StepBegins", "…", KEEP))
    assert begun.rollout is not None
    assert shares(begun.rollout.steps) == [(5, "Passed"), (25, None)]
    judged = then(in_rollout(25, rollout=begun.rollout, judgement=PASSED), Wait("HoldingStep", "…", KEEP))
    assert judged.rollout is not None
    assert shares(judged.rollout.steps) == [(5, "Passed"), (25, "Passed")]


def test_a_verdict_that_comes_with_the_move_is_noted_too() -> None:
    status = then(at_25(), Advance(TRIED, "StepPassed", "…"))
    assert status.rollout is not None
    assert shares(status.rollout.steps)[-1] == (25, "Passed")


def test_the_loss_of_all_pods_is_a_share_of_nothing() -> None:
    status = then(at_25(), Shift(TRIED, 0, "LostItsPods", "…"))
    assert status.rollout is not None
    assert shares(status.rollout.steps)[-1] == (0, None)


def asked(verb: str, effect: Any, seen: Observation, by: str = "ann") -> MLModelStatus:
    return then(replace(seen, request=Request("1", verb, by)), Answer("1", verb, True, "Done", "…", effect))


@pytest.mark.parametrize(
    ("verb", "effect"), [("promote", Force()), ("approve", Approve()), ("pause", Pause(True)), ("resume", Pause(False))]
)
def test_who_asked_is_noted_at_the_rollout(verb: str, effect: Any) -> None:
    rollout = asked(verb, effect, at_25()).rollout
    assert rollout is not None
    assert [(one.verb, one.by, one.at) for one in rollout.asked] == [(verb, "ann", stamp(0))]


def test_who_aborted_stands_in_what_is_remembered() -> None:
    status = asked("abort", Refuse(TRIED, "Aborted", "…"), at_25())
    assert past(status) == [("1.1.0", "RolledBack", "Aborted")]
    assert [(one.verb, one.by) for one in status.pastRollouts[0].asked] == [("abort", "ann")]


def test_who_asked_for_a_promotion_is_still_known_after_it() -> None:
    seen = at_25()
    forced = asked("promote", Force(), seen)
    moved = replace(seen, model=seen.model.model_copy(update={"status": forced}))
    status = then(moved, Promote(TRIED, "PromotedByRequest", "…"))
    assert [one.by for one in status.pastRollouts[0].asked] == ["ann"]


def test_a_retry_says_nothing_about_a_rollout() -> None:
    rollout = asked("retry", Forget((), "Retried", "…"), at_25()).rollout
    assert rollout is not None
    assert rollout.asked == []


def promoted(**changes: Any) -> Observation:
    came = {"version": "1.1.0", "against": "1.0.0", "from": stamp(-700), "until": stamp(-60), "outcome": "Promoted"}
    gone = {**BEFORE, "outcome": "Promoted", "reason": "RolloutPassed"}
    status = a_status("1.1.0", warm={"1.0.0": 600}, history=["1.0.0", "1.1.0"]).model_copy(
        update={"pastRollouts": [PastRollout(**gone), PastRollout(**came, reason="RolloutPassed", **changes)]}
    )
    return observed(status, pods={"1.1.0": ready(), "1.0.0": ready()}, route=routed("1.1.0"))


def test_what_failed_after_its_promotion_was_rolled_back() -> None:
    status = then(promoted(), Condemn(TRIED, "EvidenceFailed", "after its promotion: …"))
    assert past(status) == [("1.0.0", "Promoted", "RolloutPassed"), ("1.1.0", "RolledBack", "EvidenceFailed")]
    assert status.pastRollouts[-1].until == stamp(0)


def test_who_rolled_it_back_after_its_promotion_is_known() -> None:
    status = asked("rollback", Condemn(TRIED, "RolledBackByRequest", "…"), promoted())
    assert past(status)[-1] == ("1.1.0", "RolledBack", "RolledBackByRequest")
    assert [(one.verb, one.by) for one in status.pastRollouts[-1].asked] == [("rollback", "ann")]


def test_the_way_back_is_no_rollout_of_its_own() -> None:
    seen = observed(
        trying(0, rollout=a_rollout(strategy="BlueGreen")),
        pods={"1.0.0": ready(), "1.1.0": ready()},
        route=routed("1.0.0"),
    )
    assert past(then(seen, Promote(TRIED, "RolledBack", "…"))) == []


def test_of_many_the_last_ones_are_kept() -> None:
    many = [PastRollout(**BEFORE, outcome="Promoted", reason="RolloutPassed")] * PAST_ROLLOUTS_LENGTH
    long = a_rollout(steps=[{"weight": 5, "since": stamp(-9)}] * STEPS_LENGTH, asked=[_PAUSE] * ASKED_LENGTH)
    full = trying(25, rollout=long).model_copy(update={"pastRollouts": many})
    seen = in_rollout(25, status=full, judgement=FAILED)
    status = asked("abort", Refuse(TRIED, "Aborted", "…"), seen)
    assert len(status.pastRollouts) == PAST_ROLLOUTS_LENGTH
    last = status.pastRollouts[-1]
    assert (len(last.steps), len(last.asked)) == (STEPS_LENGTH, ASKED_LENGTH)
    assert last.asked[-1].verb == "abort"


_PAUSE = {"verb": "pause", "by": "ann", "at": stamp(-9)}
