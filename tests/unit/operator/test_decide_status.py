"""The status after each decision, and the conditions that people and tools read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.seen import GATEWAY, NOW, WITH_GATEWAY, a_status, observed, ready, routed, stamp, starting
from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import FAILED_VERSIONS_LENGTH, HISTORY_LENGTH
from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import (
    Abandon,
    Adopt,
    Answer,
    Decision,
    Drain,
    Forget,
    Promote,
    Refuse,
    Retire,
    Start,
    Wait,
)
from modelloop_operator.decide.observation import Capabilities, Observation
from modelloop_operator.decide.status import next_status

ONE, NEXT = Version(1, 0, 0), Version(1, 1, 0)
KEEP = timedelta(seconds=30)
WAIT = Wait("UpToDate", "1.0.0 serves", KEEP)
SERVING = observed(a_status("1.0.0"), pods={"1.0.0": ready()}, route=routed("1.0.0"))
TRYING = observed(a_status("1.0.0", "1.1.0"), pods={"1.0.0": ready(), "1.1.0": starting()}, route=routed("1.0.0"))


def versions(status: MLModelStatus) -> tuple[str | None, str | None, list[str]]:
    stable = status.stable.version if status.stable else None
    candidate = status.candidate.version if status.candidate else None
    return stable, candidate, [block.version for block in status.warm]


def settle(seen: Observation, decision: Decision) -> MLModelStatus:
    return next_status(seen, decision, NOW)


EFFECTS = [
    pytest.param(SERVING, WAIT, ("1.0.0", None, []), id="waiting changes no role"),
    pytest.param(SERVING, Start(NEXT, "NewVersion", "…"), ("1.0.0", "1.1.0", []), id="a start adds a candidate"),
    pytest.param(
        observed(a_status("1.1.0", warm={"1.0.0": 9}), pods={"1.0.0": ready(), "1.1.0": ready()}),
        Start(ONE, "NewVersion", "…"),
        ("1.1.0", "1.0.0", []),
        id="a start of a warm version takes it out of the warm ones",
    ),
    pytest.param(
        TRYING,
        Promote(NEXT, "CandidateReady", "…"),
        ("1.1.0", None, ["1.0.0"]),
        id="a promotion keeps the old",
    ),
    pytest.param(
        observed(a_status(None, "1.0.0")),
        Promote(ONE, "FirstVersion", "…"),
        ("1.0.0", None, []),
        id="a first promotion has no old one",
    ),
    pytest.param(TRYING, Abandon(NEXT, "Superseded", "…"), ("1.0.0", None, []), id="giving up drops the candidate"),
    pytest.param(TRYING, Refuse(NEXT, "Broken", "…"), ("1.0.0", None, []), id="a refusal drops the candidate"),
    pytest.param(observed(), Adopt(ONE, "RouteFound", "…"), ("1.0.0", None, []), id="an adoption makes it live"),
    pytest.param(
        observed(a_status("1.1.0", warm={"1.0.0": 0, "0.9.0": 9})),
        Retire(ONE, "Drained", "…"),
        ("1.1.0", None, ["0.9.0"]),
        id="retiring drops that version only",
    ),
]


@pytest.mark.parametrize(("seen", "decision", "roles"), EFFECTS)
def test_roles_after(seen: Observation, decision: Decision, roles: tuple[str | None, str | None, list[str]]) -> None:
    assert versions(settle(seen, decision)) == roles


def test_a_drain_dates_the_end_of_that_version_only() -> None:
    seen = observed(a_status("1.2.0", warm={"1.1.0": None, "1.0.0": None}))
    warm = settle(seen, Drain(ONE, KEEP, "Unrouted", "…")).warm
    assert [(block.version, block.warmUntil) for block in warm] == [("1.1.0", None), ("1.0.0", stamp(30))]


def test_a_promotion_dates_the_history_and_not_yet_the_drain() -> None:
    after = settle(TRYING, Promote(NEXT, "CandidateReady", "…"))
    assert after.warm[0].warmUntil is None
    assert after.warm[0].requestedWeight == 0
    assert after.stable is not None
    assert (after.stable.requestedWeight, after.stable.since) == (100, stamp())
    assert [(entry.version, entry.from_, entry.until) for entry in after.history] == [("1.1.0", stamp(), None)]


def test_a_second_promotion_ends_the_first_one_in_the_history() -> None:
    seen = observed(a_status("1.0.0", "1.1.0", history=["1.0.0"]))
    history = settle(seen, Promote(NEXT, "CandidateReady", "…")).history
    assert [(entry.version, entry.until) for entry in history] == [("1.0.0", stamp()), ("1.1.0", None)]


def test_the_history_keeps_the_last_ten() -> None:
    old = [f"0.{number}.0" for number in range(HISTORY_LENGTH)]
    history = settle(observed(a_status("0.9.0", "1.1.0", history=old)), Promote(NEXT, "X", "…")).history
    assert [entry.version for entry in history] == [*old[1:], "1.1.0"]


def test_a_refusal_remembers_reason_time_and_pin() -> None:
    seen = observed(a_status("1.0.0", "1.1.0"), spec={"version": "^1"})
    (failure,) = settle(seen, Refuse(NEXT, "Broken", "m" * 3000)).failedVersions
    assert (failure.version, failure.reason, failure.at, failure.pin) == ("1.1.0", "Broken", stamp(), "^1")
    assert len(failure.message) == 1024


def test_failures_are_the_last_twenty_and_each_version_once() -> None:
    old = [f"0.{number}.0" for number in range(FAILED_VERSIONS_LENGTH)]
    failures = settle(observed(a_status("1.0.0", "1.1.0", failed=old)), Refuse(NEXT, "Broken", "…")).failedVersions
    assert [failure.version for failure in failures] == [*old[1:], "1.1.0"]


def test_a_version_that_fails_again_is_listed_once() -> None:
    # The API server refuses a second entry with the same key, and with it the whole status.
    failures = settle(observed(a_status("1.0.0", "1.1.0", failed=["1.1.0"])), Refuse(NEXT, "B", "…")).failedVersions
    assert [failure.version for failure in failures] == ["1.1.0"]


def test_an_abandoned_candidate_has_nothing_against_it() -> None:
    assert settle(TRYING, Abandon(NEXT, "Superseded", "…")).failedVersions == []


def test_forgetting_drops_the_named_failures_only() -> None:
    seen = observed(a_status("1.0.0", failed=["1.1.0", "1.2.0"]))
    kept = settle(seen, Forget((NEXT,), "PinMoved", "…")).failedVersions
    assert [failure.version for failure in kept] == ["1.2.0"]


def test_counts_and_weights_are_what_was_observed() -> None:
    after = settle(TRYING, Wait("CandidateNotReady", "…", KEEP))
    assert after.stable is not None
    assert after.candidate is not None
    assert (after.stable.readyReplicas, after.stable.effectiveWeight, after.replicas) == (2, 100, 2)
    assert (after.candidate.readyReplicas, after.candidate.effectiveWeight) == (0, 0)


def test_a_weight_that_no_gateway_confirmed_is_unknown() -> None:
    seen = observed(a_status("1.0.0"), pods={"1.0.0": ready()}, route=routed("1.0.0", confirmed=False))
    after = settle(seen, Wait("RouteNotConfirmed", "…", KEEP))
    assert after.stable is not None
    assert after.stable.effectiveWeight is None


def test_the_same_pass_again_gives_the_same_status() -> None:
    once = settle(SERVING, WAIT)
    again = observed(once, pods={"1.0.0": ready()}, route=routed("1.0.0"))
    assert next_status(again, WAIT, NOW + timedelta(hours=1)) == once


def test_status_speaks_of_the_generation_it_was_made_from() -> None:
    after = settle(observed(a_status("1.0.0"), pods={"1.0.0": ready()}, generation=7), WAIT)
    assert after.observedGeneration == 7
    assert {condition.observedGeneration for condition in after.conditions} == {7}


def scaled(problems: dict[Version, str]) -> Observation:
    spec = {"serving": {"autoscaling": {"maxReplicas": 4}}}
    return observed(a_status("1.0.0"), spec=spec, pods={"1.0.0": ready()}, scaling_problems=problems)


INGRESS = {"ingress": {"host": "churn.example.com", "className": "nginx"}}
GPU = {"serving": {"device": "cuda"}}
CONDITIONS = [
    pytest.param(observed(), Wait("NoVersions", "…", KEEP), "Ready", ("False", "NotServing"), id="nothing serves"),
    pytest.param(SERVING, WAIT, "Ready", ("True", "Serving"), id="the live version serves"),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": starting()}, route=routed("1.0.0")),
        Wait("Updating", "…", KEEP),
        "Ready",
        ("False", "NoReadyPods"),
        id="no pod is ready",
    ),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": starting(1)}, route=routed("1.0.0")),
        Wait("Updating", "…", KEEP),
        "Ready",
        ("True", "Serving"),
        id="one pod is enough to be ready",
    ),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": ready()}), WAIT, "Ready", ("False", "NoRoute"), id="no route yet"
    ),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": ready()}, route=routed("1.0.0", confirmed=False, accepted=False)),
        Wait("RouteNotConfirmed", "…", KEEP),
        "Ready",
        ("False", "RouteNotAccepted"),
        id="no gateway took the route",
    ),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": ready()}, route=routed("1.0.0", confirmed=False)),
        Wait("RouteNotConfirmed", "…", KEEP),
        "Ready",
        ("True", "Serving"),
        id="a lagging gateway does not end readiness",
    ),
    pytest.param(SERVING, WAIT, "CandidateReady", None, id="no candidate, no word about it"),
    pytest.param(
        TRYING,
        Wait("CandidateNotReady", "0 of 2", KEEP),
        "CandidateReady",
        ("False", "CandidateNotReady"),
        id="it waits",
    ),
    pytest.param(
        SERVING, Start(NEXT, "NewVersion", "…"), "CandidateReady", ("False", "Starting"), id="a candidate starts"
    ),
    pytest.param(
        observed(a_status("1.0.0"), spec={"traffic": GATEWAY}, pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "RouteAccepted",
        ("False", "GatewayAPIMissing"),
        id="a gateway is asked for where the Gateway API is missing",
    ),
    pytest.param(
        observed(
            a_status("1.0.0"),
            spec={"traffic": GATEWAY},
            pods={"1.0.0": ready()},
            route=routed("1.0.0"),
            capabilities=WITH_GATEWAY,
        ),
        WAIT,
        "RouteAccepted",
        ("True", "Accepted"),
        id="the gateway took the route",
    ),
    pytest.param(
        observed(a_status("1.0.0"), spec={"traffic": INGRESS}, pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "RouteAccepted",
        ("False", "IngressNotTakenUp"),
        id="no Ingress controller gave an address",
    ),
    pytest.param(
        observed(a_status("1.0.0"), spec={"traffic": INGRESS}, pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "Ready",
        ("True", "Serving"),
        id="which does not end readiness",
    ),
    pytest.param(
        observed(
            a_status("1.0.0"),
            spec={"traffic": INGRESS},
            pods={"1.0.0": ready()},
            route=routed("1.0.0"),
            ingress_taken_up=True,
        ),
        WAIT,
        "RouteAccepted",
        ("True", "Accepted"),
        id="an Ingress controller took it up",
    ),
    pytest.param(SERVING, WAIT, "ScalingAvailable", None, id="no autoscaling asked for, no word about it"),
    pytest.param(
        scaled({}), WAIT, "ScalingAvailable", ("Unknown", "NotReported"), id="an autoscaler that says nothing"
    ),
    pytest.param(scaled({ONE: ""}), WAIT, "ScalingAvailable", ("True", "Scaling"), id="an autoscaler that scales"),
    pytest.param(
        scaled({ONE: "FailedGetResourceMetric: no metrics"}),
        WAIT,
        "ScalingAvailable",
        ("False", "CannotScale"),
        id="an autoscaler that cannot scale",
    ),
    pytest.param(
        scaled({NEXT: "FailedGetResourceMetric: no metrics"}),
        WAIT,
        "ScalingAvailable",
        ("Unknown", "NotReported"),
        id="the autoscaler of another version does not matter",
    ),
    pytest.param(SERVING, WAIT, "DeviceAvailable", None, id="no GPU asked for, no word about it"),
    pytest.param(
        observed(a_status("1.0.0"), spec=GPU, capabilities=Capabilities(gpu_nodes=False)),
        WAIT,
        "DeviceAvailable",
        ("False", "NoGPUNodes"),
        id="a GPU is asked for and no node has one",
    ),
    pytest.param(
        observed(a_status("1.0.0"), spec=GPU), WAIT, "DeviceAvailable", ("True", "NodesFound"), id="a node has a GPU"
    ),
    pytest.param(SERVING, WAIT, "Stalled", ("False", "Progressing"), id="all is well"),
    pytest.param(
        observed(), Wait("AccessDenied", "…", KEEP), "Stalled", ("True", "AccessDenied"), id="a person has to act"
    ),
    pytest.param(
        TRYING, Refuse(NEXT, "ChecksumMismatch", "…"), "Stalled", ("True", "ChecksumMismatch"), id="it was just refused"
    ),
    pytest.param(
        observed(a_status("1.0.0", failed=["1.1.0"]), pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "Stalled",
        ("True", "VersionFailed"),
        id="a newer version was refused",
    ),
    pytest.param(
        observed(a_status("1.0.0", failed=["1.1.0"], why="RuntimeMissing"), pods={"1.0.0": ready()}),
        WAIT,
        "Stalled",
        ("True", "PodsFailed"),
        id="a newer version could not run with this spec",
    ),
    pytest.param(
        observed(a_status("1.0.0", failed=["2.0.0"]), pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "Stalled",
        ("False", "Progressing"),
        id="a failure of another major than the live one holds nothing back",
    ),
    pytest.param(
        observed(a_status("1.2.0", failed=["1.1.0"]), pods={"1.2.0": ready()}, route=routed("1.2.0")),
        WAIT,
        "Stalled",
        ("False", "Progressing"),
        id="an older failure is history",
    ),
    pytest.param(
        observed(a_status("1.0.0"), rejected="quota exceeded", pods={"1.0.0": ready()}, route=routed("1.0.0")),
        WAIT,
        "Stalled",
        ("True", "WriteRejected"),
        id="the API server refuses a child",
    ),
    pytest.param(
        observed(a_status(None, "1.0.0"), pods={"1.0.0": starting()}),
        Wait("CandidateNotReady", "…", KEEP),
        "Reconciling",
        ("True", "CandidateNotReady"),
        id="a first start is under way",
    ),
    pytest.param(TRYING, Wait("CandidateNotReady", "…", KEEP), "Reconciling", None, id="never through an update"),
    pytest.param(SERVING, WAIT, "Reconciling", None, id="not when served"),
    pytest.param(observed(), Wait("NoVersions", "…", KEEP), "Reconciling", None, id="not when stalled"),
]


@pytest.mark.parametrize(("seen", "decision", "kind", "expected"), CONDITIONS)
def test_condition(seen: Observation, decision: Decision, kind: str, expected: tuple[str, str] | None) -> None:
    found = settle(seen, decision).condition(kind)
    assert (found and (found.status, found.reason)) == expected


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        pytest.param(INGRESS, "class nginx", id="a class"),
        pytest.param({"ingress": {"host": "churn.example.com"}}, "cluster's default", id="none"),
    ],
)
def test_an_ingress_that_nobody_took_up_names_its_class(declared: dict[str, Any], said: str) -> None:
    seen = observed(a_status("1.0.0"), spec={"traffic": declared}, pods={"1.0.0": ready()}, route=routed("1.0.0"))
    found = settle(seen, WAIT).condition("RouteAccepted")
    assert found is not None
    assert "no Ingress controller has taken the Ingress up" in found.message
    assert said in found.message


@pytest.mark.parametrize("why", ["ChecksumMismatch", "ProgressDeadlineExceeded"])
def test_a_stall_by_a_failed_version_says_how_to_try_it_again(why: str) -> None:
    stalled = settle(observed(a_status("1.0.0", failed=["1.1.0"], why=why)), WAIT).condition("Stalled")
    assert stalled is not None
    assert "1.1.0" in stalled.message
    assert "`kubectl mlmodel retry churn`" in stalled.message


def test_a_transition_time_moves_only_with_the_status_it_dates() -> None:
    first = settle(SERVING, WAIT)
    later = NOW + timedelta(hours=1)
    same = next_status(observed(first, pods={"1.0.0": ready()}, route=routed("1.0.0")), WAIT, later)
    down = observed(same, pods={"1.0.0": starting()}, route=routed("1.0.0"))
    changed = next_status(down, Wait("Updating", "…", KEEP), later)
    assert _times(same) == _times(first)
    assert changed.condition("Ready").lastTransitionTime == stamp(3600)  # type: ignore[union-attr]
    assert changed.condition("Stalled").lastTransitionTime == stamp()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "decision",
    [
        pytest.param(Answer("7", "refresh", True, "Refreshed", "…"), id="an answer"),
        pytest.param(Drain(Version(0, 9, 0), KEEP, "Unrouted", "…"), id="a drain that begins"),
        pytest.param(Retire(Version(0, 9, 0), "Drained", "…"), id="a drain that ended"),
        pytest.param(Forget((Version(0, 9, 0),), "PinMoved", "…"), id="a failure that was forgiven"),
    ],
)
def test_a_move_beside_the_matter_does_not_lift_a_stall(decision: Decision) -> None:
    stuck = Wait("VersionNotFound", "2.0.0 is not in the registry", KEEP)
    spec: dict[str, Any] = {"version": "2.0.0"}
    before = settle(observed(a_status("1.0.0"), spec=spec, pods={"1.0.0": ready()}, route=routed("1.0.0")), stuck)
    between = settle(observed(before, spec=spec, pods={"1.0.0": ready()}, route=routed("1.0.0")), decision)
    stalled = between.condition("Stalled")
    assert stalled is not None
    assert stalled.status == "True"


PHASES = [
    pytest.param(observed(), Wait("Updating", "…", KEEP), "Pending", id="nothing yet"),
    pytest.param(observed(), Wait("NoVersions", "…", KEEP), "Stalled", id="nothing, and waiting does not help"),
    pytest.param(observed(), Start(ONE, "NewVersion", "…"), "Starting", id="the first one comes"),
    pytest.param(SERVING, WAIT, "Serving", id="it serves"),
    pytest.param(SERVING, Wait("AccessDenied", "…", KEEP), "Serving", id="it serves, whatever the registry does"),
    pytest.param(TRYING, Wait("CandidateNotReady", "…", KEEP), "Updating", id="another one comes"),
    pytest.param(observed(a_status("1.0.0")), WAIT, "Unavailable", id="it has no pod"),
]


NO_METRICS = "FailedGetResourceMetric: no metrics"
NOT_TAKEN_UP = "no Ingress controller has taken the Ingress up (class nginx): it has no address yet"
BEHIND_INGRESS = observed(a_status("1.0.0"), spec={"traffic": INGRESS}, pods={"1.0.0": ready()}, route=routed("1.0.0"))
UNCONFIRMED = observed(
    a_status("1.0.0"),
    spec={"traffic": GATEWAY},
    pods={"1.0.0": ready()},
    route=routed("1.0.0", confirmed=False),
    capabilities=WITH_GATEWAY,
)
SENTENCES = [
    pytest.param(SERVING, WAIT, "1.0.0 serves", id="what the decision says"),
    pytest.param(scaled({ONE: NO_METRICS}), WAIT, f"1.0.0 serves; {NO_METRICS}", id="and that it cannot scale"),
    pytest.param(scaled({ONE: ""}), WAIT, "1.0.0 serves", id="but not that it can"),
    pytest.param(scaled({}), WAIT, "1.0.0 serves", id="nor what is not known yet"),
    pytest.param(BEHIND_INGRESS, WAIT, f"1.0.0 serves; {NOT_TAKEN_UP}", id="and that nobody took the Ingress up"),
    pytest.param(
        replace(BEHIND_INGRESS, rejected="PATCH /x: 403 no"), WAIT, f"PATCH /x: 403 no; {NOT_TAKEN_UP}", id="both"
    ),
    pytest.param(
        UNCONFIRMED,
        Wait("RouteNotConfirmed", UNCONFIRMED.route.problem, KEEP),
        UNCONFIRMED.route.problem,
        id="but once",
    ),
]


@pytest.mark.parametrize(("seen", "decision", "sentence"), SENTENCES)
def test_the_message_says(seen: Observation, decision: Decision, sentence: str) -> None:
    assert settle(seen, decision).message == sentence


@pytest.mark.parametrize(("seen", "decision", "word"), PHASES)
def test_phase(seen: Observation, decision: Decision, word: str) -> None:
    assert settle(seen, decision).phase == word


def _times(status: MLModelStatus) -> dict[str, str]:
    return {condition.type: condition.lastTransitionTime for condition in status.conditions}
