"""Every move an MLModel can make, and what makes it wait: one row per situation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fakes.seen import (
    BROKEN_FOR_EVER,
    NOW,
    OUT_OF_REACH,
    POLICY,
    a_catalog,
    a_status,
    observed,
    ready,
    routed,
    starting,
)
from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import floor_of, needed_replicas
from modelloop_operator.decide.decisions import Abandon, Adopt, Drain, Promote, Refuse, Retire, Start, Wait
from modelloop_operator.decide.observation import Observation, Request, Trouble
from modelloop_operator.decide.serving import decide

LIVE: dict[str, Any] = {"pods": {"1.0.0": ready()}, "route": routed("1.0.0")}
TWO: dict[str, Any] = {"versions": ("1.0.0", "1.1.0")}
TRYING = a_status("1.0.0", "1.1.0")
SCALED: dict[str, Any] = {"serving": {"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}}


def both(candidate: Any, **changes: Any) -> dict[str, Any]:
    return {**TWO, "pods": {"1.0.0": ready(), "1.1.0": candidate}, "route": routed("1.0.0"), **changes}


FIRST_START = [
    pytest.param(observed(versions=()), Wait, "NoVersions", id="an empty registry has nothing to start"),
    pytest.param(observed(), Start, "NewVersion", id="the first version is started"),
    pytest.param(observed(catalog=OUT_OF_REACH), Wait, "StoreUnavailable", id="an unreadable registry starts nothing"),
    pytest.param(observed(a_status(None, "1.0.0")), Wait, "PodsNotCreated", id="a first candidate waits for its pods"),
    pytest.param(
        observed(a_status(None, "1.0.0"), pods={"1.0.0": starting()}),
        Wait,
        "CandidateNotReady",
        id="a first candidate without a ready pod gets no traffic",
    ),
    pytest.param(
        observed(a_status(None, "1.0.0"), pods={"1.0.0": ready()}),
        Promote,
        "FirstVersion",
        id="a first candidate that is ready goes live",
    ),
    pytest.param(
        observed(a_status(None, "1.0.0"), pods={"1.0.0": starting(trouble=BROKEN_FOR_EVER)}),
        Refuse,
        "ChecksumMismatch",
        id="a first candidate that can never serve is refused",
    ),
    pytest.param(
        observed(a_status(failed=["1.0.0"])), Wait, "VersionFailed", id="a version that failed is not tried again"
    ),
]

CANDIDATE = [
    pytest.param(observed(a_status("1.0.0"), **TWO, **LIVE), Start, "NewVersion", id="a newer version is started"),
    pytest.param(
        observed(TRYING, **both(starting(1))), Wait, "CandidateNotReady", id="one ready pod fewer than needed waits"
    ),
    pytest.param(
        observed(TRYING, **both(ready(2, settled=False))),
        Wait,
        "CandidateNotReady",
        id="enough ready pods of an older template wait",
    ),
    pytest.param(
        observed(TRYING, **both(ready(2, reachable=1))),
        Wait,
        "EndpointsPending",
        id="one endpoint fewer than needed waits",
    ),
    pytest.param(observed(TRYING, **both(ready(2))), Promote, "CandidateReady", id="exactly as many as needed goes"),
    pytest.param(observed(TRYING, **both(ready(3))), Promote, "CandidateReady", id="one more than needed goes"),
    pytest.param(
        observed(TRYING, **both(ready(2, deadline_exceeded=True))),
        Refuse,
        "ProgressDeadlineExceeded",
        id="a deadline that passed refuses, whatever is ready",
    ),
    pytest.param(
        observed(TRYING, **both(starting(trouble=Trouble("ImagePullBackOff", "no such image")))),
        Wait,
        "ImagePullBackOff",
        id="trouble that may pass is waited out under its own name",
    ),
    pytest.param(
        observed(TRYING, **both(starting(trouble=BROKEN_FOR_EVER))),
        Refuse,
        "ChecksumMismatch",
        id="a candidate that can never serve is refused while the old one serves",
    ),
    pytest.param(
        observed(TRYING, **both(ready(), catalog=OUT_OF_REACH)),
        Promote,
        "CandidateReady",
        id="a ready candidate goes live although the registry is away",
    ),
    pytest.param(
        observed(TRYING, **both(starting(), catalog=OUT_OF_REACH)),
        Wait,
        "CandidateNotReady",
        id="a candidate stays although the registry is away",
    ),
    pytest.param(
        observed(TRYING, **both(ready(), versions=("1.0.0", "1.1.0", "1.2.0"))),
        Abandon,
        "Superseded",
        id="a third version returns to stable first",
    ),
    pytest.param(
        observed(TRYING, spec={"version": "1.0.0"}, **both(ready())),
        Abandon,
        "Superseded",
        id="a pin back to what is live drops the candidate",
    ),
    pytest.param(
        observed(TRYING, spec={"version": "1.1.0"}, **both(ready(), versions=("1.0.0",))),
        Abandon,
        "VersionNotFound",
        id="a candidate that left the registry is dropped",
    ),
    pytest.param(
        observed(TRYING, **both(ready(), route=routed("1.0.0", confirmed=False))),
        Promote,
        "CandidateReady",
        id="a gateway that lags does not hold a promotion up",
    ),
]

STABLE = [
    pytest.param(observed(a_status("1.0.0"), **LIVE), Wait, "UpToDate", id="everything healthy waits"),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": starting(1)}, route=routed("1.0.0")),
        Wait,
        "Updating",
        id="a live version that lost a pod says so",
    ),
    pytest.param(observed(a_status("1.0.0")), Wait, "Updating", id="a live version whose Deployment is gone says so"),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": ready()}),
        Wait,
        "UpToDate",
        id="a cluster without any route yet is no obstacle",
    ),
    pytest.param(
        observed(a_status("1.0.0"), pods={"1.0.0": ready()}, route=routed("1.0.0", confirmed=False)),
        Wait,
        "RouteNotConfirmed",
        id="a route that no gateway confirmed is waited for",
    ),
    pytest.param(
        observed(a_status("1.0.0"), catalog=OUT_OF_REACH, **LIVE),
        Wait,
        "StoreUnavailable",
        id="an unreadable registry changes nothing about what serves",
    ),
    pytest.param(
        observed(a_status("1.0.0"), versions=(), **LIVE),
        Wait,
        "UpToDate",
        id="a live version that left an unpinned registry goes on serving",
    ),
    pytest.param(
        observed(a_status("1.0.0"), spec={"version": "1.0.0"}, versions=("0.9.0",), **LIVE),
        Wait,
        "VersionNotFound",
        id="a pinned live version that left the registry is told",
    ),
    pytest.param(
        observed(a_status("1.0.0", failed=["1.1.0"]), **TWO, **LIVE),
        Wait,
        "UpToDate",
        id="a refused newer version leaves the live one alone",
    ),
    pytest.param(
        observed(a_status("1.1.0"), spec={"version": "1.0.0"}, **TWO, pods={"1.1.0": ready()}, route=routed("1.1.0")),
        Start,
        "NewVersion",
        id="a pin to an older version goes back",
    ),
]

TIDYING = [
    pytest.param(0.0, routed("1.1.0"), Retire, id="at the very moment the drain ends"),
    pytest.param(-1.0, routed("1.1.0"), Retire, id="a second after the drain ended"),
    pytest.param(1.0, routed("1.1.0"), Wait, id="a second before the drain ends it stays"),
    pytest.param(-9.0, routed("1.1.0", confirmed=False), Wait, id="while the gateway lags it stays"),
    pytest.param(-9.0, routed("1.0.0"), Wait, id="while a stale route still carries it, it stays"),
    pytest.param(-9.0, None, Wait, id="while no route is seen it stays"),
    pytest.param(None, routed("1.1.0"), Drain, id="its time to drain begins with the gateway's yes"),
    pytest.param(None, routed("1.1.0", confirmed=False), Wait, id="and not before"),
    pytest.param(None, routed("1.0.0"), Wait, id="and not while a stale route still carries it"),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), [*FIRST_START, *CANDIDATE, *STABLE])
def test_next_move(seen: Observation, kind: type, reason: str) -> None:
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason)
    assert move.message


@pytest.mark.parametrize(("ends_in", "route", "kind"), TIDYING)
def test_pods_of_a_replaced_version_leave_after_their_drain(ends_in: float | None, route: Any, kind: type) -> None:
    seen = observed(
        a_status("1.1.0", warm={"1.0.0": ends_in}),
        versions=("1.0.0", "1.1.0"),
        pods={"1.0.0": ready(), "1.1.0": ready()},
        route=route,
    )
    move = decide(seen, NOW, POLICY)
    assert type(move) is kind
    if isinstance(move, Drain | Retire):
        assert move.version == Version(1, 0, 0)


def test_an_object_of_another_owner_stops_everything_and_is_named() -> None:
    move = decide(observed(foreign=("Service churn",), request=Request("1", "refresh")), NOW, POLICY)
    assert isinstance(move, Wait)
    assert (move.reason, move.recheck) == ("NameTaken", POLICY.recheck)
    assert "Service churn" in move.message


def test_what_was_lost_is_adopted_before_a_request_is_answered() -> None:
    seen = observed(pods={"1.0.0": ready()}, route=routed("1.0.0"), request=Request("1", "refresh"))
    assert isinstance(decide(seen, NOW, POLICY), Adopt)


def test_a_quiet_model_is_looked_at_again_when_the_next_drain_ends() -> None:
    pods = {"1.1.0": ready(), "1.0.0": ready()}
    status = a_status("1.1.0", warm={"1.0.0": 12})
    move = decide(observed(status, **TWO, pods=pods, route=routed("1.1.0")), NOW, POLICY)
    assert isinstance(move, Wait)
    assert move.recheck == timedelta(seconds=12)


TROUBLES = [
    pytest.param({"catalog": OUT_OF_REACH, "versions": ()}, "StoreUnavailable", id="the registry is away"),
    pytest.param({"spec": {"version": "9.9.9"}}, "VersionNotFound", id="the pin names what is not there"),
]
STATES = [
    pytest.param(starting(1), routed("1.0.0"), "1 of 2 pods of 1.0.0 are ready", POLICY.recheck, id="pods are missing"),
    pytest.param(ready(), routed("1.0.0", confirmed=False), "not taken up", POLICY.recheck, id="the gateway lags"),
    pytest.param(ready(), routed("1.0.0"), "1.0.0 serves", timedelta(seconds=12), id="an older version drains"),
]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
@pytest.mark.parametrize(("pods", "route", "said", "recheck"), STATES)
def test_what_serves_is_looked_after_and_told_of_also_when_nothing_can_be_chosen(
    trouble: dict[str, Any], reason: str, pods: Any, route: Any, said: str, recheck: timedelta
) -> None:
    seen = observed(
        a_status("1.0.0", warm={"0.9.0": 12}), pods={"1.0.0": pods, "0.9.0": ready()}, route=route, **trouble
    )
    move = decide(seen, NOW, POLICY)
    assert isinstance(move, Wait)
    assert (move.reason, move.recheck) == (reason, recheck)
    assert said in move.message
    first = {"StoreUnavailable": "cannot read", "VersionNotFound": "9.9.9"}[reason]
    assert move.message.startswith(first)


def test_a_quiet_model_without_drains_is_looked_at_again_after_the_idle_time() -> None:
    move = decide(observed(a_status("1.0.0"), **LIVE), NOW, POLICY)
    assert isinstance(move, Wait)
    assert move.recheck == POLICY.idle


def test_a_refused_version_that_is_no_longer_wanted_is_not_spoken_of() -> None:
    move = decide(observed(a_status("1.0.0", failed=["2.0.0"]), versions=("1.0.0", "2.0.0"), **LIVE), NOW, POLICY)
    assert move.message == "1.0.0 serves"


def test_a_refused_newer_version_is_named_with_its_reason() -> None:
    move = decide(observed(a_status("1.0.0", failed=["1.1.0"]), **TWO, **LIVE), NOW, POLICY)
    assert "1.1.0 was refused (ChecksumMismatch): damaged" in move.message


AWAITING = [
    pytest.param({}, ("1.0.0", "2.0.0"), {}, "2.0.0", id="a new major waits and is named"),
    pytest.param({}, ("1.0.0", "2.0.0", "3.1.0"), {}, "3.1.0", id="of several the newest"),
    pytest.param({}, ("1.0.0", "2.0.0-rc.1"), {}, None, id="not a pre-release"),
    pytest.param({}, ("0.9.0", "1.0.0"), {}, None, id="not an older one"),
    pytest.param({"version": "^1"}, ("1.0.0", "2.0.0"), {}, None, id="not where a range was given: it says no"),
    pytest.param({}, ("1.0.0", "2.0.0"), {"failed": ["2.0.0"]}, None, id="not one that failed here"),
    pytest.param({"task": "binary"}, ("1.0.0", "2.0.0"), {}, "2.0.0", id="also where the task is named"),
]


@pytest.mark.parametrize(("spec", "versions", "status", "named"), AWAITING)
def test_a_new_signature_waits_for_a_person_who_is_told(
    spec: dict[str, Any], versions: tuple[str, ...], status: dict[str, Any], named: str | None
) -> None:
    move = decide(observed(a_status("1.0.0", **status), spec=spec, versions=versions, **LIVE), NOW, POLICY)
    waits = f"; {named} has another signature and waits for a yes: spec.version {named!r}, or a range with it"
    assert (move.reason, move.message) == ("UpToDate", f"1.0.0 serves{waits if named else ''}")


NEEDED = [
    pytest.param({"serving": {"replicas": 3}}, 5, 3, id="a fixed number needs what spec asks, whatever serves"),
    pytest.param({}, 5, 2, id="no number given needs two"),
    pytest.param(SCALED, None, 2, id="autoscaled and nothing live needs the least"),
    pytest.param(SCALED, 1, 2, id="autoscaled with less live than the least needs the least"),
    pytest.param(SCALED, 5, 5, id="autoscaled needs as many as serve now"),
    pytest.param(SCALED, 6, 6, id="autoscaled at the most needs the most"),
    pytest.param(SCALED, 7, 6, id="autoscaled above a lowered most needs no more than the most"),
]


@pytest.mark.parametrize(("spec", "live", "needed"), NEEDED)
def test_capacity_before_traffic(spec: dict[str, Any], live: int | None, needed: int) -> None:
    pods = {"1.0.0": ready(live)} if live else {}
    assert needed_replicas(observed(a_status("1.0.0"), spec=spec, pods=pods)) == needed


FLOORS = [
    pytest.param("1.1.0", 2, id="what is live may shrink to the least"),
    pytest.param("1.2.0", 4, id="what comes keeps as many as serve now"),
    pytest.param("1.0.0", 5, id="what leaves keeps its count while it drains"),
    pytest.param("0.9.0", 6, id="what leaves is never held above the most, which an autoscaler would refuse"),
]


@pytest.mark.parametrize(("version", "fewest"), FLOORS)
def test_fewest_pods_an_autoscaler_may_leave(version: str, fewest: int) -> None:
    seen = observed(
        a_status("1.1.0", "1.2.0", warm={"1.0.0": 30, "0.9.0": 30}),
        spec=SCALED,
        pods={"1.1.0": ready(4), "1.0.0": ready(5), "0.9.0": ready(9)},
    )
    assert floor_of(Version.parse(version), seen) == fewest


def test_the_same_situation_gives_the_same_move() -> None:
    assert decide(observed(TRYING, **both(ready())), NOW, POLICY) == decide(
        observed(TRYING, **both(ready())), NOW, POLICY
    )


def test_a_candidate_of_the_wrong_task_is_dropped() -> None:
    seen = observed(
        TRYING, spec={"task": "regression", "version": "1.1.0"}, **both(ready(), catalog=a_catalog("1.0.0", "1.1.0"))
    )
    assert (type(decide(seen, NOW, POLICY)), decide(seen, NOW, POLICY).reason) == (Abandon, "TaskDiffers")
