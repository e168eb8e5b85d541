"""A person's commands: each id once, with an answer."""

from __future__ import annotations

import pytest

from fakes.seen import NOW, OUT_OF_REACH, a_status, observed, stamp
from modelloop_operator.decide.decisions import Answer
from modelloop_operator.decide.observation import Observation, Request
from modelloop_operator.decide.requests import answer
from modelloop_operator.decide.status import next_status

REFRESH, RETRY = Request("7", "refresh"), Request("7", "retry")

ANSWERED = [
    pytest.param(observed(request=REFRESH), True, "Refreshed", id="refresh says how many versions there are"),
    pytest.param(observed(a_status(handled="6"), request=REFRESH), True, "Refreshed", id="another id is a new request"),
    pytest.param(observed(a_status(failed=["1.0.0"]), request=RETRY), True, "Retried", id="retry names what failed"),
    pytest.param(observed(request=RETRY), True, "Retried", id="retry without failures is fine"),
    pytest.param(observed(request=Request("7", "explode")), False, "RequestUnknown", id="an unknown verb is refused"),
    pytest.param(
        observed(request=Request("{", ""), request_problem="must be JSON"),
        False,
        "RequestInvalid",
        id="a broken annotation is refused",
    ),
    pytest.param(
        observed(request=REFRESH, catalog=OUT_OF_REACH), False, "StoreUnavailable", id="refresh without a registry"
    ),
]


@pytest.mark.parametrize(("seen", "done", "reason"), ANSWERED)
def test_answer(seen: Observation, done: bool, reason: str) -> None:
    reply = answer(seen)
    assert isinstance(reply, Answer)
    assert (reply.done, reply.reason) == (done, reason)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(observed(), id="nobody asked"),
        pytest.param(observed(a_status(handled="7"), request=REFRESH), id="the same id was answered before"),
        pytest.param(observed(a_status(handled="7"), request=RETRY), id="the same id with another verb is the same"),
    ],
)
def test_no_answer(seen: Observation) -> None:
    assert answer(seen) is None


def test_an_answer_is_committed_and_not_given_twice() -> None:
    seen = observed(a_status(failed=["1.0.0"]), request=RETRY)
    reply = answer(seen)
    assert reply is not None
    after = next_status(seen, reply, NOW)
    assert after.handledRequest is not None
    assert (after.handledRequest.id, after.handledRequest.outcome, after.handledRequest.at) == ("7", "Done", stamp())
    assert after.failedVersions == []
    assert answer(observed(after, request=RETRY)) is None


def test_a_refresh_forgives_nothing() -> None:
    seen = observed(a_status(failed=["1.0.0"]), request=REFRESH)
    reply = answer(seen)
    assert reply is not None
    assert [failure.version for failure in next_status(seen, reply, NOW).failedVersions] == ["1.0.0"]
