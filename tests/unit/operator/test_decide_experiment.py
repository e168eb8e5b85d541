"""An A/B test holds its split until one version is shown to be better, or its time is over; limits act meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.monitor import an_evidence, an_experiment
from fakes.seen import GATEWAY, NOW, POLICY, WITH_GATEWAY, a_status, observed, ready, routed, stamp
from fakes.trying import FAILED, INCONCLUSIVE, PASSED, SILENT, TRIED, WATCHED, a_rollout, after, in_rollout, shared
from modelloop_core.wire.evidence import Experiment, Verdict
from modelloop_operator.decide.capacity import replicas_of
from modelloop_operator.decide.decisions import Advance, Promote, Refuse, Shift, Start, Wait
from modelloop_operator.decide.figures import figures_of
from modelloop_operator.decide.observation import NO_MONITOR, UNJUDGED, Capabilities, Judgement, Observation
from modelloop_operator.decide.plan import unjudged
from modelloop_operator.decide.questions import question
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

EFFECT = "clicks: 1.1.0 0.12 of 9,000, 1.0.0 0.1 of 9,000; difference +0.02 (+0.01 to +0.03 at 95 %)"
BETTER = replace(PASSED, winner="candidate", experiment=f"{EFFECT}: 1.1.0 is better")
WORSE = replace(PASSED, winner="stable", experiment="clicks: …: 1.0.0 is better")
OPEN = replace(PASSED, experiment="clicks: …: neither is shown to be better yet")
AB = {"split": 50, "metric": "clicks", "maxDuration": "1h"}
CLICKS = {"monitoring": {"business": [{"name": "clicks", "kind": "rate"}]}}


def in_test(judgement: Judgement | None, seconds: float = 60, *, then: str = "RollBack", **changes: Any) -> Observation:
    """An A/B test since so many seconds."""
    usual = {"strategy": "AB", "stepStartedAt": -seconds, "judgedSince": -seconds}
    rollout = a_rollout(**{**usual, **changes.pop("rollout", {})})
    declared = {"strategy": "AB", "ab": {**AB, "onUndecided": then}, "inconclusiveDeadline": "1h"}
    return in_rollout(
        changes.pop("weight", 50),
        rollout=rollout,
        declared={**declared, "steps": None, **changes.pop("declared", {})},
        spec=CLICKS,
        judgement=judgement,
        **changes,
    )


DECIDED = [
    pytest.param(in_test(OPEN), Wait, "ABRunning", id="neither is better yet: the split is held"),
    pytest.param(in_test(BETTER), Advance, "ABWon", id="the new version is better: it goes on"),
    pytest.param(in_test(WORSE), Refuse, "ABLost", id="the live version is better: the new one is taken back"),
    pytest.param(in_test(FAILED), Refuse, "EvidenceFailed", id="a limit that fails ends it at once"),
    pytest.param(
        in_test(replace(FAILED, winner="candidate")),
        Refuse,
        "EvidenceFailed",
        id="also when it is better by the metric",
    ),
    pytest.param(
        in_test(replace(INCONCLUSIVE, winner="candidate")), Wait, "Inconclusive", id="better and not within limits yet"
    ),
    pytest.param(
        in_test(replace(SILENT, winner="stable")), Refuse, "ABLost", id="what was shown is not undone by silence"
    ),
    pytest.param(in_test(SILENT), Wait, "ABRunning", id="silence before the end decides nothing"),
    pytest.param(in_test(UNJUDGED, 3601), Wait, "EvidencePending", id="a new leader asks before it ends it"),
    pytest.param(in_test(SILENT, 3601), Wait, "MonitorUnreachable", id="silence at the end holds and is named"),
    pytest.param(in_test(OPEN, 3599), Wait, "ABRunning", id="a second before its end it runs"),
    pytest.param(in_test(OPEN, 3600), Refuse, "ABUndecided", id="at its end the live version stays"),
    pytest.param(in_test(OPEN, 3600, then="Promote"), Advance, "ABUndecided", id="or the new one goes on"),
    pytest.param(
        in_test(replace(INCONCLUSIVE, experiment="…"), 3600, then="Promote"),
        Wait,
        "Inconclusive",
        id="if it has passed",
    ),
    pytest.param(in_test(OPEN, 3600, then="Hold"), Wait, "ABUndecided", id="or a person is waited for"),
    pytest.param(in_test(BETTER, 9999, then="Hold"), Advance, "ABWon", id="and the test goes on"),
    pytest.param(in_test(None, 60), Wait, "ABRunning", id="nobody who judges: it is held"),
    pytest.param(in_test(None, 3600), Refuse, "ABUndecided", id="and ends as undecided"),
    pytest.param(
        in_test(BETTER, rollout={"paused": True}), Wait, "PausedByRequest", id="a pause holds the winner, too"
    ),
    pytest.param(
        in_test(BETTER, weight=5), Advance, "SplitChanged", id="a canary that became a test goes to its split first"
    ),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), DECIDED)
def test_next_move(seen: Observation, kind: type, reason: str) -> None:
    decision = decide(seen, NOW, POLICY)

    assert isinstance(decision, kind), decision
    assert decision.reason == reason


UNFIT = "the task is regression, which has no accuracy"


def unfit(judgement: Judgement = PASSED) -> Judgement:
    """What is told where the metric of the test cannot be had."""
    experiment = Experiment(metric="accuracy", kind="quality", higher=True, needed=40, note=UNFIT, message=UNFIT)
    evidence = an_evidence(Verdict.PASSED).model_copy(update={"experiment": experiment})
    return replace(judgement, experiment=UNFIT, figures=figures_of(evidence))


@pytest.mark.parametrize("then", ["RollBack", "Promote", "Hold"])
@pytest.mark.parametrize("seconds", [60, 3600])
def test_a_metric_that_cannot_be_had_is_told_at_once_and_blames_no_version(then: str, seconds: int) -> None:
    seen = in_test(unfit(), seconds, then=then)
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Wait, "ABMetricUnavailable")
    status = next_status(seen, move, NOW)
    assert UNFIT in status.message
    assert status.rollout is not None
    assert status.rollout.figures is not None
    assert status.rollout.figures.experiment is not None
    assert status.rollout.figures.experiment.note == UNFIT
    assert status.rollout.inconclusiveSince == stamp()


def test_a_metric_that_cannot_be_had_waits_for_a_person_in_the_end() -> None:
    seen = in_test(unfit(), 60, rollout={"inconclusiveSince": -3600})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Wait, "InconclusiveDeadlineExceeded")
    assert UNFIT in move.message


def test_a_split_that_grows_waits_for_its_pods_and_then_has_it() -> None:
    seen = in_test(BETTER, weight=10, rollout={"strategy": "Canary"})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Advance, "SplitChanged")
    assert "from 10 % to 50 %" in move.message
    status = next_status(seen, move, NOW)
    few = in_test(PASSED, status=status, weight=10, route=shared(10), tried=ready(1))
    assert decide(few, NOW, POLICY).reason == "CandidateNotReady"
    enough = in_test(PASSED, status=status, weight=10, route=shared(10))
    shift = decide(enough, NOW, POLICY)
    assert isinstance(shift, Shift)
    assert shift.weight == 50
    then = next_status(enough, shift, NOW)
    assert then.rollout is not None
    assert (then.rollout.strategy, then.rollout.judgedSince) == ("AB", stamp(-60))


def test_a_split_that_shrinks_is_obeyed_at_once_and_takes_no_version_live() -> None:
    less = {"ab": {**AB, "split": 5}}
    seen = in_test(OPEN, weight=50, declared=less)
    move = decide(seen, NOW, POLICY)
    assert isinstance(move, Shift)
    assert (move.weight, move.reason) == (5, "SplitChanged")
    advancing = in_test(OPEN, weight=50, declared=less, rollout={"advancing": True})
    assert replicas_of(TRIED, advancing).fixed == 2
    shift = decide(advancing, NOW, POLICY)
    assert isinstance(shift, Shift)
    assert shift.weight == 5


def test_a_test_that_is_won_goes_on_although_its_split_is_edited_then() -> None:
    seen = in_test(PASSED, weight=10, route=shared(10), rollout={"advancing": True, "outcome": "ABWon"})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Promote, "ABWon")


def test_a_winner_is_promoted_with_its_effect_in_the_history() -> None:
    seen = in_test(BETTER)
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.outcome == "ABWon"
    arrived = in_rollout(
        status=status, declared={"strategy": "AB", "ab": AB, "steps": None}, spec=CLICKS, judgement=PASSED
    )
    promotion = decide(arrived, NOW, POLICY)
    assert isinstance(promotion, Promote)
    assert promotion.reason == "ABWon"
    assert EFFECT in promotion.message
    newest = next_status(arrived, promotion, NOW).history[-1]
    assert (newest.version, newest.reason) == ("1.1.0", "ABWon")
    assert EFFECT in newest.evidence


def test_a_loser_is_remembered_with_its_effect_and_not_tried_again() -> None:
    seen = in_test(WORSE)
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    (failed,) = status.failedVersions
    assert (failed.version, failed.reason, failed.podsDigest) == ("1.1.0", "ABLost", None)
    assert "1.0.0 is better" in failed.message
    assert not isinstance(decide(in_rollout(status=status, route=routed("1.0.0")), NOW, POLICY), Start)


def test_a_test_that_waits_for_a_person_stalls_and_says_the_ways_on() -> None:
    seen = in_test(OPEN, 3600, then="Hold")
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    stalled = status.condition("Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", "ABUndecided")
    assert "kubectl mlmodel promote churn" in status.message


def test_a_test_that_ends_undecided_and_goes_on_waits_for_nobody() -> None:
    seen = in_test(OPEN, 3600, then="Promote")
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    arrived = in_rollout(
        status=status, declared={"strategy": "AB", "ab": AB, "steps": None}, spec=CLICKS, judgement=PASSED
    )
    promotion = decide(arrived, NOW, POLICY)
    assert (type(promotion), promotion.reason) == (Promote, "ABUndecided")
    for said in (status, next_status(arrived, promotion, NOW)):
        stalled = said.condition("Stalled")
        assert stalled is not None
        assert stalled.status == "False", stalled


def test_it_begins_with_its_split_and_says_so() -> None:
    declared = {"strategy": "AB", "ab": {**AB, "split": 20}}
    seen = observed(
        a_status("1.0.0"),
        spec={"traffic": GATEWAY, "rollout": declared, **CLICKS},
        versions=("1.0.0", "1.1.0"),
        pods={"1.0.0": ready()},
        route=routed("1.0.0"),
        capabilities=WITH_GATEWAY,
        watch=WATCHED,
    )
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.strategy == "AB"
    coming = replace(
        seen,
        model=seen.model.model_copy(update={"status": status}),
        pods={**seen.pods, TRIED: ready(1, reachable=1)},
    )
    assert decide(coming, NOW, POLICY).weight == 20  # type: ignore[union-attr]


QUESTIONS = [
    pytest.param({"metric": "clicks"}, ("clicks", True, 0.05), 0.2, id="an event, more is better"),
    pytest.param({"metric": "clicks", "better": "Lower"}, ("clicks", False, 0.05), 0.2, id="an event, less is better"),
    pytest.param({"metric": "accuracy", "falsePositiveRate": 0.01}, ("accuracy", True, 0.01), 0.2, id="quality"),
    pytest.param(
        {"metric": "positive_rate", "better": "Higher"}, ("positive_rate", True, 0.05), None,
        id="answers: that they differ is no fault then",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ab", "asked", "psi"), QUESTIONS)
def test_what_is_asked(ab: dict[str, Any], asked: tuple[Any, ...], psi: float | None) -> None:
    declared = {"strategy": "AB", "ab": ab, "steps": None}
    found = question(in_rollout(50, declared=declared, spec=CLICKS))
    assert found is not None
    assert (found.ab_metric, found.ab_higher, found.ab_false_positive_rate) == asked
    assert found.max_prediction_psi == psi


def test_a_test_that_nobody_can_judge_is_told_of() -> None:
    lacking = unjudged(in_test(None, watch=NO_MONITOR))
    assert lacking is not None
    assert "an A/B test comes to no decision" in lacking.message


def test_without_a_gateway_there_is_no_test_and_it_is_told() -> None:
    lacking = unjudged(in_test(None, capabilities=Capabilities()))
    assert lacking is not None
    assert lacking.reason == "GatewayAPIMissing"


def test_numbers_of_the_last_answer_are_in_status_and_the_same_ones_write_nothing() -> None:
    evidence = an_evidence(Verdict.PASSED).model_copy(update={"experiment": an_experiment("candidate")})
    judgement = replace(OPEN, figures=figures_of(evidence))
    seen = in_test(judgement)
    once = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert once.rollout is not None
    assert once.rollout.figures is not None
    assert once.rollout.figures.experiment is not None
    assert once.rollout.figures.experiment.winner == "candidate"
    again = replace(seen, model=seen.model.model_copy(update={"status": once}))
    assert next_status(again, decide(again, after(5), POLICY), after(5)) == once


def test_numbers_stay_while_nobody_has_answered_yet() -> None:
    figures = figures_of(an_evidence())
    seen = in_test(UNJUDGED, rollout={"figures": figures})
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.figures == figures
