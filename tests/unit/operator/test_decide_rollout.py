"""Every rule of a rollout: pods before traffic, holds, verdicts, approvals, deadlines, and the ways back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.seen import BROKEN_FOR_EVER, GATEWAY, NOW, POLICY, WITH_GATEWAY, a_status, observed, ready, routed, starting
from fakes.trying import (
    FAILED,
    INCONCLUSIVE,
    LIVE,
    PASSED,
    ROLLOUT,
    SILENT,
    TRIED,
    WATCHED,
    a_rollout,
    after,
    in_rollout,
    shared,
)
from modelloop_operator.decide.capacity import Replicas, replicas_of
from modelloop_operator.decide.decisions import (
    Abandon,
    Adopt,
    Advance,
    Answer,
    Condemn,
    Drain,
    Promote,
    Refuse,
    Retire,
    RollBack,
    Shift,
    Start,
    Wait,
)
from modelloop_operator.decide.effects import stamp
from modelloop_operator.decide.failures import ROLLED_BACK
from modelloop_operator.decide.observation import UNJUDGED, Capabilities, Observation, Request, Trouble
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

COMING = a_rollout(advancing=True, stepStartedAt=None, judgedSince=None, preparingSince=-30)
NEXT = a_rollout(advancing=True, preparingSince=-30)
CRASHED = Trouble("Error", "container exited with code 1")


def by_labels(delay: str, *, limited: bool = True, **changes: Any) -> Observation:
    """A rollout whose labels take this long, at a step whose hold is over."""
    quality = {"quality": {"metric": "accuracy", "min": 0.5, "labelDelay": delay}}
    declared = {"analysis": {"maxQualityDrop": 0.1}} if limited else {}
    return in_rollout(declared=declared, spec={"monitoring": quality}, **{"judgement": INCONCLUSIVE, **changes})


PODS_FIRST = [
    pytest.param(in_rollout(0, rollout=COMING, tried=ready(1)), Shift, "PodsReady", id="one pod is enough for 5 of 4"),
    pytest.param(
        in_rollout(0, rollout=COMING, tried=ready(0, settled=False)),
        Wait,
        "CandidateNotReady",
        id="without a ready pod it gets no traffic",
    ),
    pytest.param(
        in_rollout(0, rollout=COMING, tried=ready(1, reachable=0)),
        Wait,
        "EndpointsPending",
        id="a pod that no Service reaches is not enough",
    ),
    pytest.param(
        in_rollout(25, rollout=NEXT, tried=ready(1)), Wait, "CandidateNotReady", id="50 of 4 pods needs two, not one"
    ),
    pytest.param(in_rollout(25, rollout=NEXT, tried=ready(2)), Shift, "PodsReady", id="two pods carry half of four"),
    pytest.param(
        in_rollout(50, rollout=NEXT, tried=ready(3)),
        Wait,
        "CandidateNotReady",
        id="before all of it come as many as serve",
    ),
    pytest.param(in_rollout(50, rollout=NEXT), Promote, "RolloutPassed", id="as many pods as serve take all of it"),
    pytest.param(
        in_rollout(0, rollout=COMING, tried=starting(trouble=Trouble("FailedCreate", "exceeded quota"))),
        Wait,
        "FailedCreate",
        id="a quota that stops its pods is named",
    ),
    pytest.param(
        in_rollout(0, rollout=a_rollout(advancing=True, preparingSince=-600), tried=starting()),
        Refuse,
        "ProgressDeadlineExceeded",
        id="at the very deadline it is refused",
    ),
    pytest.param(
        in_rollout(0, rollout=a_rollout(advancing=True, preparingSince=-599), tried=starting()),
        Wait,
        "CandidateNotReady",
        id="a second before the deadline it is waited for",
    ),
    pytest.param(
        in_rollout(0, rollout=a_rollout(advancing=True, preparingSince=-900), tried=ready(1)),
        Shift,
        "PodsReady",
        id="pods that are ready are not late, however long nobody looked",
    ),
    pytest.param(
        in_rollout(25, rollout=a_rollout(advancing=True, preparingSince=-600), tried=starting(1, 2)),
        Refuse,
        "ProgressDeadlineExceeded",
        id="each step has the deadline anew, and it takes traffic back",
    ),
    pytest.param(
        in_rollout(0, rollout=COMING, tried=starting(trouble=BROKEN_FOR_EVER)),
        Refuse,
        "ChecksumMismatch",
        id="what can never serve is refused at once",
    ),
]

HOLDING = [
    pytest.param(in_rollout(), Advance, "StepPassed", id="held and passed, it goes on"),
    pytest.param(
        in_rollout(rollout=a_rollout(stepStartedAt=-60)), Advance, "StepPassed", id="exactly held, it goes on"
    ),
    pytest.param(
        in_rollout(rollout=a_rollout(stepStartedAt=-59)), Wait, "HoldingStep", id="a second short, it is held"
    ),
    pytest.param(
        in_rollout(route=shared(5, confirmed=False)), Wait, "RouteNotConfirmed", id="an unconfirmed share holds"
    ),
    pytest.param(
        in_rollout(route=shared(25)), Wait, "RouteNotConfirmed", id="a share that somebody changed by hand holds"
    ),
    pytest.param(
        in_rollout(rollout=a_rollout(stepStartedAt=None)), Wait, "StepBegins", id="time counts from the gateway's yes"
    ),
    pytest.param(in_rollout(judgement=INCONCLUSIVE), Wait, "Inconclusive", id="too little evidence holds"),
    pytest.param(by_labels("10m"), Wait, "LabelsPending", id="before labels can have come, it waits for them"),
    pytest.param(by_labels("61s"), Wait, "Inconclusive", id="when they are due and do not come, its time runs"),
    pytest.param(by_labels("10m", judgement=FAILED), Refuse, "EvidenceFailed", id="what fails waits for no label"),
    pytest.param(by_labels("10m", judgement=None), Advance, "StepHeld", id="nobody who judges, no label to wait for"),
    pytest.param(by_labels("10m", limited=False), Wait, "Inconclusive", id="without a limit no label is waited for"),
    pytest.param(in_rollout(judgement=SILENT), Wait, "MonitorUnreachable", id="a silent monitor holds and is named"),
    pytest.param(in_rollout(judgement=FAILED), Refuse, "EvidenceFailed", id="evidence of failing takes it back"),
    pytest.param(
        in_rollout(rollout=a_rollout(stepStartedAt=-1), judgement=FAILED),
        Refuse,
        "EvidenceFailed",
        id="that does not wait for the hold",
    ),
    pytest.param(
        in_rollout(50, judgement=FAILED),
        Refuse,
        "EvidenceFailed",
        id="a pending approval does not keep what fails",
    ),
    pytest.param(in_rollout(50), Wait, "ApprovalPending", id="a step with approval waits for a person"),
    pytest.param(
        in_rollout(50, rollout=a_rollout(approvedWeight=25)),
        Wait,
        "ApprovalPending",
        id="a yes to another step is none to this",
    ),
    pytest.param(
        in_rollout(50, rollout=a_rollout(approvedWeight=50)), Advance, "StepPassed", id="with a yes it goes on"
    ),
    pytest.param(
        in_rollout(50, rollout=a_rollout(approvedWeight=50), judgement=INCONCLUSIVE),
        Wait,
        "Inconclusive",
        id="a yes is no verdict",
    ),
    pytest.param(in_rollout(judgement=None), Advance, "StepHeld", id="where nobody judges, time alone goes on"),
    pytest.param(
        in_rollout(10), Advance, "StepPassed", id="a share that the spec no longer names goes by the one below it"
    ),
]

DEADLINE = [
    pytest.param(-3599, "Hold", Wait, "Inconclusive", id="a second before the deadline it is waited for"),
    pytest.param(-3600, "Hold", Wait, "InconclusiveDeadlineExceeded", id="Hold goes on waiting, and says so"),
    pytest.param(-3600, "RollBack", Refuse, "InconclusiveDeadlineExceeded", id="RollBack takes it back"),
]

PAUSED = [
    pytest.param(in_rollout(declared={"paused": True}), Wait, "PausedBySpec", id="the spec holds a step"),
    pytest.param(in_rollout(rollout=a_rollout(paused=True)), Wait, "PausedByRequest", id="a person holds a step"),
    pytest.param(
        in_rollout(25, rollout=a_rollout(advancing=True, paused=True)),
        Wait,
        "PausedByRequest",
        id="pods may come, traffic may not",
    ),
    pytest.param(
        in_rollout(declared={"paused": True}, judgement=FAILED), Refuse, "EvidenceFailed", id="what fails goes even so"
    ),
    pytest.param(
        in_rollout(status=a_status("1.0.0"), declared={"paused": True}, route=routed("1.0.0")),
        Wait,
        "PausedBySpec",
        id="nothing new is begun",
    ),
]

LOSSES = [
    pytest.param(0, Shift, "LostItsPods", id="the first time it is taken out of the traffic"),
    pytest.param(1, Shift, "LostItsPods", id="and the second time"),
    pytest.param(2, Refuse, "KeepsFailing", id="the third time it is taken back"),
]

CRASHES = [
    pytest.param(5, 4, 2, 0, "StepPassed", id="twice may be chance"),
    pytest.param(5, 4, 3, 0, "KeepsCrashing", id="three times, and the live version never"),
    pytest.param(5, 4, 15, 3, "StepPassed", id="five times as often as the live version: that may be both"),
    pytest.param(5, 4, 16, 3, "KeepsCrashing", id="oftener than that"),
    pytest.param(95, 4, 19, 1, "StepPassed", id="with nearly all requests it crashes no oftener for each of them"),
    pytest.param(95, 4, 96, 1, "KeepsCrashing", id="with nearly all requests, oftener for each of them"),
    pytest.param(5, 80, 3, 12, "StepPassed", id="one pod beside twenty crashes five times as often as each of these"),
    pytest.param(5, 80, 4, 12, "KeepsCrashing", id="one pod beside twenty, oftener than that"),
]

SPEC_CHANGES = [
    pytest.param({"version": "1.0.0"}, (), Abandon, "Superseded", id="back to the old version returns to it"),
    pytest.param({"version": "1.1.0"}, (), Advance, "StepPassed", id="the same version again goes on"),
    pytest.param({}, ("1.2.0",), Abandon, "Superseded", id="a third version returns to what is live first"),
    pytest.param({"version": "^2"}, (), Abandon, "NoVersionInRange", id="a range without it returns too"),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), [*PODS_FIRST, *HOLDING, *PAUSED])
def test_next_move(seen: Observation, kind: type, reason: str) -> None:
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason), move
    assert move.message


@pytest.mark.parametrize(("since", "then", "kind", "reason"), DEADLINE)
def test_what_stays_without_a_verdict(since: int, then: str, kind: type, reason: str) -> None:
    doubted = a_rollout(inconclusiveSince=since)
    seen = in_rollout(rollout=doubted, judgement=INCONCLUSIVE, declared={"onInconclusive": then})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason)


@pytest.mark.parametrize(("weight", "pods", "ours", "theirs", "reason"), CRASHES)
def test_a_version_whose_pods_crash_one_at_a_time(weight: int, pods: int, ours: int, theirs: int, reason: str) -> None:
    tried, live = ready(4, crashes=ours), ready(pods, crashes=theirs)
    steps = [{"weight": weight, "hold": "60s"}]
    assert decide(in_rollout(weight, live=live, tried=tried, declared={"steps": steps}), NOW, POLICY).reason == reason


@pytest.mark.parametrize(("before", "kind", "reason"), LOSSES)
def test_a_version_that_lost_all_its_pods_under_traffic(before: int, kind: type, reason: str) -> None:
    seen = in_rollout(25, rollout=a_rollout(failedChecks=before), tried=starting(0, 1, trouble=CRASHED))
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason)
    if isinstance(move, Shift):
        assert move.weight == 0
        status = next_status(seen, move, NOW)
        assert status.rollout is not None
        assert (status.rollout.failedChecks, status.rollout.advancing) == (before + 1, True)


@pytest.mark.parametrize(("spec", "published", "kind", "reason"), SPEC_CHANGES)
def test_a_spec_that_changes_in_mid_rollout(
    spec: dict[str, Any], published: tuple[str, ...], kind: type, reason: str
) -> None:
    move = decide(in_rollout(25, spec=spec, versions=("1.0.0", "1.1.0", *published)), NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason)


WAYS = [
    pytest.param({"rollout": ROLLOUT}, WITH_GATEWAY, True, True, id="a canary with gateway and monitor"),
    pytest.param({"rollout": ROLLOUT}, WITH_GATEWAY, False, True, id="a canary without monitor goes by its holds"),
    pytest.param({"rollout": ROLLOUT}, Capabilities(), True, False, id="without the Gateway API all at once"),
    pytest.param({"rollout": {"strategy": "BlueGreen"}}, WITH_GATEWAY, True, False, id="blue and green all at once"),
    pytest.param({}, WITH_GATEWAY, True, True, id="nothing said, and it can be judged: a canary"),
    pytest.param({}, WITH_GATEWAY, False, False, id="nothing said and nobody to judge it: all at once"),
    pytest.param({}, Capabilities(), True, False, id="nothing said and no Gateway API: all at once"),
]


@pytest.mark.parametrize(("spec", "offered", "monitor", "staged"), WAYS)
def test_how_a_new_version_is_begun(spec: dict[str, Any], offered: Capabilities, monitor: bool, staged: bool) -> None:
    watch = {"watch": WATCHED} if monitor else {}
    seen = observed(
        a_status("1.0.0"),
        spec={"traffic": GATEWAY, **spec},
        versions=("1.0.0", "1.1.0"),
        pods={"1.0.0": ready()},
        route=routed("1.0.0"),
        capabilities=offered,
        **watch,
    )
    move = decide(seen, NOW, POLICY)
    assert isinstance(move, Start)
    assert move.staged is staged


def test_a_version_that_may_not_be_judged_goes_live_and_is_told_of() -> None:
    seen = observed(
        a_status("1.0.0", "1.1.0"),
        versions=("1.0.0", "1.1.0"),
        pods={"1.0.0": ready(), "1.1.0": ready()},
        route=routed("1.0.0"),
    )
    started = next_status(
        replace(seen, model=seen.model.model_copy(update={"status": a_status("1.0.0")})), a_start(), NOW
    )
    move = decide(replace(seen, model=seen.model.model_copy(update={"status": started})), NOW, POLICY)
    assert isinstance(move, Promote)
    found = next_status(replace(seen, model=seen.model.model_copy(update={"status": started})), move, NOW)
    judged = found.condition("RolloutJudged")
    assert judged is not None
    assert (judged.status, judged.reason) == ("False", "NoGateway")


def a_start() -> Start:
    return Start(TRIED, "NewVersion", "…")


def test_a_rollout_that_runs_by_steps_goes_on_by_steps_when_what_judges_it_is_taken_away() -> None:
    seen = in_rollout(25, rollout=a_rollout(advancing=True), spec={"rollout": None}, watch=observed().watch)
    assert isinstance(decide(seen, NOW, POLICY), Shift)


def test_shares_always_add_to_a_hundred() -> None:
    seen = in_rollout(5, rollout=NEXT)
    status = next_status(seen, Shift(TRIED, 25, "PodsReady", "…"), NOW)
    assert status.stable is not None
    assert status.candidate is not None
    assert (status.stable.requestedWeight, status.candidate.requestedWeight) == (75, 25)


def test_the_step_and_the_evidence_begin_when_the_gateway_says_yes() -> None:
    shifted = next_status(in_rollout(0, rollout=COMING, tried=ready(1)), Shift(TRIED, 5, "PodsReady", "…"), NOW)
    assert shifted.rollout is not None
    assert shifted.rollout.stepStartedAt is None
    lagging = in_rollout(status=shifted, route=shared(5, confirmed=False))
    waiting = next_status(lagging, decide(lagging, after(9), POLICY), after(9))
    assert waiting.rollout is not None
    assert waiting.rollout.stepStartedAt is None
    confirmed = in_rollout(status=waiting)
    begun = next_status(confirmed, decide(confirmed, after(20), POLICY), after(20))
    assert begun.rollout is not None
    assert begun.rollout.stepStartedAt == begun.rollout.judgedSince == stamp(after(20))
    later = next_status(in_rollout(status=begun, rollout=NEXT), Shift(TRIED, 25, "PodsReady", "…"), after(99))
    assert later.rollout is not None
    assert (later.rollout.stepStartedAt, later.rollout.judgedSince) == (None, stamp(after(20)))
    confirmed = in_rollout(25, status=later)
    second = next_status(confirmed, decide(confirmed, after(120), POLICY), after(120))
    assert second.rollout is not None
    assert (second.rollout.stepStartedAt, second.rollout.judgedSince) == (stamp(after(120)), stamp(after(20)))


def test_a_new_leader_that_asked_nobody_yet_takes_no_verdict_back() -> None:
    seen = in_rollout(rollout=a_rollout(stepStartedAt=-20, verdict="Passed"), judgement=UNJUDGED)
    rollout = next_status(seen, decide(seen, NOW, POLICY), NOW).rollout
    assert rollout is not None
    assert rollout.verdict == "Passed"


def test_what_it_waits_for_and_until_when_is_in_status() -> None:
    seen = in_rollout(rollout=a_rollout(stepStartedAt=-20))
    rollout = next_status(seen, decide(seen, NOW, POLICY), NOW).rollout
    assert rollout is not None
    assert (rollout.waitsFor, rollout.until, rollout.verdict) == ("HoldingStep", stamp(after(40)), "Passed")


def test_a_rollout_that_waits_writes_nothing_new() -> None:
    for judgement in (PASSED, INCONCLUSIVE, SILENT):
        seen = in_rollout(judgement=judgement, rollout=a_rollout(stepStartedAt=-20))
        once = next_status(seen, decide(seen, NOW, POLICY), NOW)
        again = in_rollout(judgement=judgement, status=once)
        assert next_status(again, decide(again, after(5), POLICY), after(5)) == once


def test_a_version_that_is_taken_back_keeps_its_pods_until_no_request_goes_to_it() -> None:
    seen = in_rollout(25, judgement=FAILED)
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.stable is not None
    assert (status.stable.requestedWeight, status.candidate, status.rollout) == (100, None, None)
    assert [(block.version, block.requestedWeight, block.warmUntil) for block in status.warm] == [("1.1.0", 0, None)]
    assert [(failed.version, failed.reason, failed.podsDigest) for failed in status.failedVersions] == [
        ("1.1.0", "EvidenceFailed", None)
    ]
    drained = in_rollout(status=status, route=shared(0))
    assert isinstance(decide(drained, NOW, POLICY), Drain)
    done = in_rollout(status=status, route=shared(25), judgement=None)
    assert isinstance(decide(done, NOW, POLICY), Wait), "it is not begun again"


def test_what_crashed_under_traffic_is_not_tried_again_for_other_pods() -> None:
    seen = in_rollout(25, tried=ready(4, crashes=3))
    (failure,) = next_status(seen, decide(seen, NOW, POLICY), NOW).failedVersions
    assert (failure.reason, failure.podsDigest) == ("KeepsCrashing", None)
    assert failure.reason in ROLLED_BACK, "the registry's history says so too"


COUNTS = [
    pytest.param(0, COMING, 1, id="5 of 4 is one"),
    pytest.param(5, a_rollout(), 1, id="while a step is held its pods stay"),
    pytest.param(25, NEXT, 2, id="the next step's pods come before its traffic"),
    pytest.param(50, NEXT, 4, id="before all of it come as many as serve"),
    pytest.param(5, a_rollout(advancing=True, promoted=True), 4, id="a person's promotion needs them all"),
]


@pytest.mark.parametrize(("weight", "rollout", "count"), COUNTS)
def test_pods_of_what_is_tried(weight: int, rollout: Any, count: int) -> None:
    assert replicas_of(TRIED, in_rollout(weight, rollout=rollout)) == Replicas(count, count)


def test_what_is_live_is_not_shrunk_in_a_rollout_and_grows_with_the_spec() -> None:
    fewer = in_rollout(25, spec={"serving": {"replicas": 2}})
    assert replicas_of(LIVE, fewer) == Replicas(4, 4)
    assert replicas_of(LIVE, in_rollout(25, spec={"serving": {"replicas": 6}})) == Replicas(6, 6)
    assert replicas_of(LIVE, in_rollout(0, rollout=COMING, spec={"serving": {"replicas": 2}})) == Replicas(2, 2)


def test_an_autoscaler_does_not_shrink_what_is_live_in_a_rollout() -> None:
    scaled = {"serving": {"replicas": None, "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}}
    taken_over = ready(5, count_is_ours=False)
    assert replicas_of(LIVE, in_rollout(25, spec=scaled, live=taken_over)) == Replicas(None, 5)
    assert replicas_of(TRIED, in_rollout(25, spec=scaled, live=taken_over, tried=taken_over)).fewest == 2


PROMOTED = a_status("1.1.0", warm={"1.0.0": 3000}, history=["1.0.0", "1.1.0"])


def promoted(status: Any = PROMOTED, **changes: Any) -> Observation:
    return in_rollout(status=status, **{"route": routed("1.1.0"), **changes})


def condemned(**changes: Any) -> Observation:
    status = a_status("1.1.0", failed=["1.1.0"], why="EvidenceFailed", history=["1.0.0", "1.1.0"], **changes)
    return promoted(status)


WAYS_BACK = [
    pytest.param(
        promoted(judgement=FAILED), Condemn, "EvidenceFailed", id="what fails after its promotion is held against it"
    ),
    pytest.param(promoted(judgement=SILENT), Wait, "UpToDate", id="silence condemns nobody"),
    pytest.param(
        promoted(tried=ready(4, crashes=3)), Condemn, "KeepsCrashing", id="what crashes after its promotion, too"
    ),
    pytest.param(
        promoted(tried=ready(4, crashes=15), live=ready(4, crashes=3)), Wait, "UpToDate", id="but not what nodes do"
    ),
    pytest.param(
        promoted(a_status("1.1.0", history=["1.0.0", "1.1.0"]), tried=ready(4, crashes=3)),
        Wait,
        "UpToDate",
        id="what crashes when nothing is warm any more stays",
    ),
    pytest.param(condemned(warm={"1.0.0": 3000}), RollBack, "RolledBack", id="a warm version takes over by one write"),
    pytest.param(condemned(), Start, "GoingBack", id="one that is no longer warm is brought up again"),
    pytest.param(promoted(spec={"version": "1.0.0"}), RollBack, "BackToWarm", id="a pin back to a warm version, too"),
    pytest.param(
        promoted(a_status("1.1.0", history=["1.0.0", "1.1.0"]), spec={"version": "1.0.0"}),
        Start,
        "GoingBack",
        id="a pin back to what is cold brings it up",
    ),
    pytest.param(
        promoted(spec={"version": "1.0.0"}, live=ready(3)),
        Start,
        "GoingBack",
        id="a warm version that lost pods is brought up first",
    ),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), WAYS_BACK)
def test_ways_back(seen: Observation, kind: type, reason: str) -> None:
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason), move
    if isinstance(move, Start):
        assert not move.staged, "nobody waits for steps on the way back"


def test_a_way_back_is_one_change_of_weights_and_is_not_undone() -> None:
    seen = condemned(warm={"1.0.0": 3000})
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.stable is not None
    assert (status.stable.version, status.stable.requestedWeight) == ("1.0.0", 100)
    assert [(block.version, block.warmUntil) for block in status.warm] == [("1.1.0", None)]
    settled = in_rollout(status=status, route=shared(100), judgement=None)
    assert isinstance(decide(settled, NOW, POLICY), Wait), "what failed is not begun again"


def test_the_way_back_passes_by_what_failed_before() -> None:
    history = ["0.9.0", "1.0.0", "1.1.0"]
    status = a_status("1.1.0", failed=["1.0.0", "1.1.0"], why="EvidenceFailed", history=history)
    move = decide(promoted(status), NOW, POLICY)
    assert isinstance(move, Start)
    assert str(move.version) == "0.9.0"


def test_the_way_back_is_held_up_by_nobody() -> None:
    coming = a_rollout(strategy="BlueGreen", advancing=True)
    status = a_status("1.1.0", "1.0.0", failed=["1.1.0"], history=["1.0.0", "1.1.0"])
    status = status.model_copy(update={"rollout": coming})
    seen = in_rollout(status=status, declared={"paused": True}, route=routed("1.1.0"))
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Promote, "RolledBack")


def test_a_replaced_version_is_kept_warm_as_long_as_the_spec_says() -> None:
    move = decide(promoted(a_status("1.1.0", warm={"1.0.0": None}, history=["1.0.0", "1.1.0"])), NOW, POLICY)
    assert isinstance(move, Drain)
    assert move.after == timedelta(hours=1)


def test_a_version_before_the_one_to_go_back_to_is_not_kept_warm() -> None:
    status = a_status("1.1.0", warm={"0.9.0": 3000, "1.0.0": 3000}, history=["0.9.0", "1.0.0", "1.1.0"])
    move = decide(promoted(status), NOW, POLICY)
    assert isinstance(move, Drain)
    assert (str(move.version), move.after) == ("0.9.0", POLICY.drain)


def test_a_warm_version_leaves_when_its_time_is_over() -> None:
    status = a_status("1.1.0", warm={"1.0.0": 0}, history=["1.0.0", "1.1.0"])
    assert isinstance(decide(promoted(status), NOW, POLICY), Retire)


LOST = [
    pytest.param(5, id="early"),
    pytest.param(50, id="at the same share"),
    pytest.param(75, id="when the tried one has more"),
]


@pytest.mark.parametrize("weight", LOST)
def test_a_status_that_is_lost_in_mid_rollout_never_takes_the_tried_version_for_live(weight: int) -> None:
    seen = in_rollout(status=a_status(), route=shared(weight))
    move = decide(seen, NOW, POLICY)
    assert isinstance(move, Adopt)
    assert (move.version, move.beside) == (LIVE, (TRIED,))
    status = next_status(seen, move, NOW)
    assert [(block.version, block.warmUntil) for block in status.warm] == [("1.1.0", None)]


def test_pods_stay_for_a_gateway_that_lags_behind_a_lost_status() -> None:
    lagging = in_rollout(status=a_status(), route=shared(0, confirmed=False))
    settled = in_rollout(status=a_status(), route=shared(0))
    found = [move for move in (decide(seen, NOW, POLICY) for seen in (lagging, settled)) if isinstance(move, Adopt)]
    assert [(move.version, move.beside) for move in found] == [(LIVE, (TRIED,)), (LIVE, ())]


def asked(verb: str, **changes: Any) -> Observation:
    return in_rollout(request=Request("7", verb, "ada"), **changes)


def answered(seen: Observation) -> tuple[Answer, Any]:
    reply = decide(seen, NOW, POLICY)
    assert isinstance(reply, Answer)
    return reply, next_status(seen, reply, NOW)


OBEYED = [
    pytest.param(asked("promote", judgement=INCONCLUSIVE), "Promoting", id="promote skips a verdict that is missing"),
    pytest.param(asked("promote", rollout=a_rollout(paused=True)), "Promoting", id="promote ends a pause"),
    pytest.param(asked("approve", weight=50), "Approved", id="approve says yes"),
    pytest.param(asked("pause"), "Paused", id="pause"),
    pytest.param(asked("resume", rollout=a_rollout(paused=True)), "Resumed", id="resume"),
    pytest.param(asked("abort"), "Aborted", id="abort takes it back"),
    pytest.param(asked("rollback"), "Aborted", id="rollback in a rollout does as well"),
    pytest.param(
        asked("rollback", status=PROMOTED, route=routed("1.1.0")), "RollingBack", id="rollback after the promotion"
    ),
]
REFUSED = [
    pytest.param(asked("promote", judgement=FAILED), "EvidenceFailed", id="what failed is not promoted"),
    pytest.param(asked("promote", declared={"paused": True}), "PausedBySpec", id="what the spec holds is not promoted"),
    pytest.param(asked("approve"), "NothingToApprove", id="a step that asks for no yes"),
    pytest.param(asked("resume"), "NotPaused", id="what is not paused"),
    pytest.param(asked("resume", declared={"paused": True}), "PausedBySpec", id="what the spec holds is not resumed"),
    *(
        pytest.param(asked(verb, status=a_status("1.0.0"), route=routed("1.0.0")), "NoRollout", id=f"{verb} of nothing")
        for verb in ("promote", "approve", "pause", "resume", "abort")
    ),
    pytest.param(
        asked("promote", status=a_status(None, "1.0.0"), route=None),
        "NotARollout",
        id="a first version replaces nothing",
    ),
    pytest.param(
        asked("rollback", status=a_status("1.0.0", history=["1.0.0"]), route=routed("1.0.0")),
        "NothingToGoBackTo",
        id="rollback of the first version",
    ),
    pytest.param(
        asked("rollback", status=a_status("1.1.0", failed=["1.1.0"], history=["1.0.0", "1.1.0"])),
        "RollingBack",
        id="rollback of what is taken back already",
    ),
]


@pytest.mark.parametrize(("seen", "reason"), OBEYED)
def test_a_command_is_obeyed(seen: Observation, reason: str) -> None:
    reply, status = answered(seen)
    assert (reply.done, reply.reason) == (True, reason), reply
    assert status.handledRequest.outcome == "Done"


@pytest.mark.parametrize(("seen", "reason"), REFUSED)
def test_a_command_is_refused_and_changes_nothing_else(seen: Observation, reason: str) -> None:
    reply, status = answered(seen)
    assert (reply.done, reply.reason, reply.effect) == (False, reason, None), reply
    assert status.handledRequest.outcome == "Refused"


def test_a_person_promotes_and_the_rest_waits_for_pods_alone() -> None:
    _, status = answered(asked("promote", judgement=INCONCLUSIVE))
    few = in_rollout(status=status, judgement=INCONCLUSIVE, tried=ready(3))
    assert isinstance(decide(few, NOW, POLICY), Wait)
    enough = in_rollout(status=status, judgement=INCONCLUSIVE)
    assert decide(enough, NOW, POLICY).reason == "PromotedByRequest"
    assert isinstance(decide(in_rollout(status=status, judgement=FAILED), NOW, POLICY), Refuse), "never what failed"


def test_who_asked_is_told() -> None:
    _, status = answered(asked("abort"))
    (failed,) = status.failedVersions
    assert (failed.version, failed.reason) == ("1.1.0", "Aborted")
    assert "ada" in failed.message


def test_a_status_says_that_it_waits_for_a_person() -> None:
    seen = in_rollout(50)
    message = next_status(seen, decide(seen, NOW, POLICY), NOW).message
    assert "kubectl mlmodel approve churn" in message


PROGRESS = [
    pytest.param(in_rollout(), ("True", "StepPassed"), id="on its way"),
    pytest.param(in_rollout(50, rollout=NEXT), ("False", "RolloutPassed"), id="arrived"),
    pytest.param(in_rollout(judgement=FAILED), ("False", "EvidenceFailed"), id="taken back"),
]


@pytest.mark.parametrize(("seen", "told"), PROGRESS)
def test_the_condition_says_how_it_goes_and_how_it_ended(seen: Observation, told: tuple[str, str]) -> None:
    waiting = in_rollout(judgement=INCONCLUSIVE)
    before = next_status(waiting, decide(waiting, NOW, POLICY), NOW)
    status = seen.model.status.model_copy(update={"conditions": before.conditions})
    seen = replace(seen, model=seen.model.model_copy(update={"status": status}))
    found = next_status(seen, decide(seen, NOW, POLICY), NOW).condition("RolloutProgressing")
    assert found is not None
    assert (found.status, found.reason) == told
