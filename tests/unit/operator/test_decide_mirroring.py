"""Copies before a share: a candidate gets copies of requests, is judged by them, and goes on to requests of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.monitor import an_evidence
from fakes.seen import GATEWAY, NOW, POLICY, a_status, observed, ready, routed, stamp
from fakes.trying import FAILED, INCONCLUSIVE, LIVE, TRIED, WATCHED, a_rollout, in_rollout, shared, trying
from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import MetricStatus
from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_operator.decide.capacity import capacity_for, replicas_of
from modelloop_operator.decide.decisions import Abandon, Advance, Answer, Drain, Promote, Refuse, Shift, Start, Wait
from modelloop_operator.decide.figures import figures_of
from modelloop_operator.decide.observation import Observation, Request, Route
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.questions import question
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.shares import Share, share_in
from modelloop_operator.decide.status import next_status

STEPS: list[dict[str, Any]] = [
    {"mirror": 10, "hold": "60s"},
    {"mirror": 60, "hold": "60s", "approval": True},
    {"weight": 5, "hold": "60s"},
]
DECLARED = {"steps": STEPS, "analysis": {"minAgreement": 0.95}}
COMING = a_rollout(advancing=True, preparingSince=-60, stepStartedAt=None, judgedSince=None)


def copied(percent: int, **route: Any) -> Route:
    """The route with copies of so many percent for what is tried."""
    return replace(shared(0), mirrors={TRIED: percent} if percent else {}, **route)


def mirrored(percent: int = 10, *, rollout: dict[str, Any] | None = None, **changes: Any) -> Observation:
    """A rollout that gave copies of `percent` to what it tries, whose hold is over and which has passed."""
    progress = a_rollout(mirror=percent or None, **(rollout or {}))
    return in_rollout(0, rollout=progress, declared=DECLARED, **{"route": copied(percent), **changes})


def at(seen: Observation) -> tuple[int, int]:
    """Weight and mirror after the next decision is committed."""
    share = share_in(next_status(seen, decide(seen, NOW, POLICY), NOW))
    return share.weight, share.mirror


CASES = [
    pytest.param(mirrored(0, rollout={"advancing": True}), Shift, "PodsReady", id="with pods it gets copies first"),
    pytest.param(mirrored(), Advance, "StepPassed", id="held and passed, it goes on"),
    pytest.param(mirrored(rollout={"stepStartedAt": -59}), Wait, "HoldingStep", id="a second short, it is held"),
    pytest.param(mirrored(route=copied(60)), Wait, "RouteNotConfirmed", id="other copies than asked for hold"),
    pytest.param(mirrored(route=copied(10, confirmed=False)), Wait, "RouteNotConfirmed", id="unconfirmed copies hold"),
    pytest.param(mirrored(judgement=INCONCLUSIVE), Wait, "Inconclusive", id="too little evidence holds"),
    pytest.param(mirrored(judgement=FAILED), Refuse, "EvidenceFailed", id="what answers otherwise is taken back"),
    pytest.param(mirrored(tried=ready(4, crashes=3)), Refuse, "KeepsCrashing", id="what crashes is taken back"),
    pytest.param(mirrored(60), Wait, "ApprovalPending", id="a step of copies may want a yes"),
    pytest.param(mirrored(60, rollout={"approvedWeight": 0}), Advance, "StepPassed", id="with it, it goes on"),
    pytest.param(mirrored(tried=ready(0)), Shift, "LostItsPods", id="without pods it gets no copies"),
    pytest.param(mirrored(60, rollout={"advancing": True}), Shift, "PodsReady", id="after copies comes a share"),
    pytest.param(mirrored(spec={"version": "1.0.0"}), Abandon, "Superseded", id="the spec takes it back"),
]


@pytest.mark.parametrize(("seen", "kind", "reason"), CASES)
def test_next_move(seen: Observation, kind: type, reason: str) -> None:
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (kind, reason), move


def test_copies_come_first_then_more_of_them_then_a_share() -> None:
    assert at(mirrored(0, rollout={"advancing": True})) == (0, 10)
    assert at(mirrored(10, rollout={"advancing": True})) == (0, 60)
    assert at(mirrored(60, rollout={"advancing": True})) == (5, 0)


def test_a_rollout_may_go_from_copies_to_all_of_the_traffic() -> None:
    seen = in_rollout(0, rollout=a_rollout(mirror=10, advancing=True), declared={"steps": STEPS[:1]}, route=copied(10))
    assert isinstance(decide(seen, NOW, POLICY), Promote)


def test_copies_need_as_many_pods_as_a_share_of_that_size() -> None:
    seen = mirrored(60)
    assert capacity_for(Share(mirror=60), seen) == capacity_for(Share(weight=60), seen) == 3
    assert replicas_of(TRIED, seen).fixed == 3
    assert replicas_of(LIVE, seen).fixed == 4


def test_a_yes_to_copies_is_none_to_what_follows() -> None:
    seen = mirrored(10, rollout={"advancing": True, "approvedWeight": 0})
    status = next_status(seen, decide(seen, NOW, POLICY), NOW)
    assert status.rollout is not None
    assert status.rollout.approvedWeight is None


def test_a_person_approves_a_step_of_copies() -> None:
    move = decide(replace(mirrored(60), request=Request("1", "approve")), NOW, POLICY)
    assert isinstance(move, Answer)
    assert (move.done, move.message.startswith("1.1.0 may go on from copies of 60 %")) == (True, True)
    status = next_status(replace(mirrored(60), request=Request("1", "approve")), move, NOW)
    assert status.rollout is not None
    assert status.rollout.approvedWeight == 0


def asked(seen: Observation) -> EvidenceQuery:
    found = question(seen)
    assert found is not None
    return found


def test_copies_are_judged_by_themselves() -> None:
    of_copies = asked(mirrored())
    assert (of_copies.mirrored, of_copies.min_agreement, of_copies.max_prediction_psi) == (True, 0.95, None)
    of_share = asked(in_rollout(5, declared=DECLARED))
    assert (of_share.mirrored, of_share.min_agreement, of_share.max_prediction_psi) == (False, None, 0.2)
    # In three parts: copies, shares, and the time after.
    assert of_copies.false_rollback_rate == of_share.false_rollback_rate == pytest.approx(0.01 / 3)


def test_evidence_of_copies_and_of_requests_begins_with_each() -> None:
    more = next_status(*_shifted(mirrored(10, rollout={"advancing": True})))
    assert more.rollout is not None
    assert more.rollout.judgedSince == stamp(-61), "more copies add to what was seen"
    first = next_status(*_shifted(mirrored(60, rollout={"advancing": True})))
    assert first.rollout is not None
    assert first.rollout.judgedSince is None


def test_numbers_of_copies_are_not_shown_as_those_of_the_share_that_follows() -> None:
    numbers = {"figures": figures_of(an_evidence()), "metrics": [MetricStatus(name="p99", verdict="Passed")]}
    more = next_status(*_shifted(mirrored(10, rollout={"advancing": True, **numbers})))
    first = next_status(*_shifted(mirrored(60, rollout={"advancing": True, **numbers})))
    assert more.rollout is not None
    assert more.rollout.figures == numbers["figures"], "more copies add to what was seen"
    assert first.rollout is not None
    assert (first.rollout.figures, first.rollout.metrics) == (None, [])


def _shifted(seen: Observation) -> tuple[Observation, Any, Any]:
    return seen, decide(seen, NOW, POLICY), NOW


def test_a_version_that_gets_copies_leaves_when_the_gateway_no_longer_sends_any() -> None:
    refused = next_status(*_shifted(mirrored(judgement=FAILED)))
    assert [block.version for block in refused.warm] == ["1.1.0"]
    still = in_rollout(status=refused, route=copied(10), declared=DECLARED)
    assert not isinstance(decide(still, NOW, POLICY), Drain)
    gone = in_rollout(status=refused, route=copied(0), declared=DECLARED)
    assert isinstance(decide(gone, NOW, POLICY), Drain)


def test_a_status_that_is_lost_keeps_who_gets_copies_until_the_route_is_without_them() -> None:
    lost = in_rollout(status=MLModelStatus(), route=copied(10), declared=DECLARED)
    status = next_status(*_shifted(lost))
    assert status.stable is not None
    assert (status.stable.version, [block.version for block in status.warm]) == ("1.0.0", ["1.1.0"])


CONTOUR = frozenset({"projectcontour.io/gateway-controller"})
ENVOY = frozenset({"gateway.envoyproxy.io/gatewayclass-controller"})


@pytest.mark.parametrize(
    ("controllers", "steps", "status", "reason", "left"),
    [
        pytest.param(ENVOY, STEPS, "True", "Mirrors", 3, id="a gateway that counts"),
        pytest.param(CONTOUR, STEPS, "False", "PercentIgnored", 1, id="one that copies all, asked for some"),
        pytest.param(CONTOUR, [{"mirror": 100}], "True", "Mirrors", 1, id="one that copies all, asked for all"),
    ],
)
def test_a_gateway_that_cannot_copy_a_part_is_named(
    controllers: frozenset[str], steps: list[dict[str, Any]], status: str, reason: str, left: int
) -> None:
    route = replace(shared(0), controllers=controllers)
    seen = in_rollout(0, rollout=COMING, declared={"steps": steps}, route=route)
    found = next_status(*_shifted(seen)).condition("MirrorAvailable")
    assert found is not None
    assert (found.status, found.reason) == (status, reason)
    assert len(plan_of(seen).steps) == left


def test_steps_of_copies_alone_become_the_usual_shares_where_copies_cannot_be_had() -> None:
    only = {"steps": [{"mirror": 10, "hold": "1h"}]}
    first = a_status("1.0.0", history=["1.0.0"])
    seen = in_rollout(status=first, declared=only, route=replace(shared(0), controllers=CONTOUR))
    move = decide(seen, NOW, POLICY)
    assert isinstance(move, Start)
    assert move.staged
    status = next_status(seen, move, NOW)
    assert at(in_rollout(status=status, declared=only, route=seen.route)) == (5, 0)


def test_a_controller_that_is_recognised_while_copies_run_stops_no_pass() -> None:
    only = {"steps": [{"mirror": 10, "hold": "1h"}]}
    route = copied(10, controllers=CONTOUR)
    seen = in_rollout(0, rollout=a_rollout(mirror=10), declared=only, route=route)
    move = decide(seen, NOW, POLICY)
    assert not isinstance(move, Promote)
    next_status(seen, move, NOW)


def test_copies_of_all_where_a_part_was_asked_for_are_shifted_away_and_said() -> None:
    seen = mirrored(route=copied(100), rollout={"stepStartedAt": None})
    move = decide(seen, NOW, POLICY)
    assert (type(move), move.reason) == (Advance, "PercentDropped")
    status = next_status(seen, move, NOW)
    found = status.condition("MirrorAvailable")
    assert found is not None
    assert (found.status, found.reason) == ("False", "PercentDropped")
    assert found.message in status.message
    advancing = in_rollout(status=status, declared=DECLARED, route=copied(100))
    assert at(advancing) == (5, 0)
    shifted = in_rollout(status=next_status(*_shifted(advancing)), declared=DECLARED, route=shared(5))
    kept = next_status(*_shifted(shifted)).condition("MirrorAvailable")
    assert kept is not None
    assert kept.reason == "PercentDropped", "nothing has shown that percent is kept now"
    mended = mirrored(status=status.model_copy(update={"rollout": a_rollout(mirror=10)}))
    again = next_status(*_shifted(mended)).condition("MirrorAvailable")
    assert again is not None
    assert again.status == "True"


@pytest.mark.parametrize(
    "route", [copied(100, controllers=CONTOUR), copied(10, controllers=CONTOUR)], ids=["by the route", "by its name"]
)
def test_copies_that_a_controller_does_not_count_are_shifted_away(route: Route) -> None:
    seen = mirrored(route=route)
    assert isinstance(decide(seen, NOW, POLICY), Advance)
    assert at(in_rollout(status=next_status(*_shifted(seen)), declared=DECLARED, route=route)) == (5, 0)


def test_the_usual_shares_go_on_once_the_route_shows_no_copies_any_more() -> None:
    only = {"steps": [{"mirror": 10, "hold": "1h"}]}
    assert decide(in_rollout(5, declared=only), NOW, POLICY).reason == "HoldingStep", "a day, not an hour"
    assert at(in_rollout(5, rollout=a_rollout(advancing=True), declared=only)) == (25, 0)


def test_copies_of_all_that_were_asked_for_stay() -> None:
    seen = in_rollout(0, rollout=a_rollout(mirror=100), declared={"steps": [{"mirror": 100}]}, route=copied(100))
    assert decide(seen, NOW, POLICY).reason == "HoldingStep"


def test_copies_without_a_gateway_are_named() -> None:
    spec = {"rollout": DECLARED, "traffic": {}}
    seen = observed(trying(0), spec=spec, pods={"1.0.0": ready(4)}, route=routed("1.0.0"), watch=WATCHED)
    status = next_status(*_shifted(seen))
    found = status.condition("MirrorAvailable")
    assert found is not None
    assert (found.status, found.reason) == ("False", "NoGateway")
    assert found.message in status.message


def test_who_asks_for_no_copies_hears_nothing_of_them() -> None:
    assert next_status(*_shifted(in_rollout(5, spec={"traffic": GATEWAY}))).condition("MirrorAvailable") is None
