"""When an incident opens, gets worse and closes, and what of it is told."""

from __future__ import annotations

import pytest

from modelloop_core.wire.reports import Level
from modelloop_core.wire.watching import Cause, Change
from modelloop_monitor.incidents import Finding, IncidentState, as_told, progress, untold


def _found(*features: str) -> Finding:
    return Finding(Level.DRIFT, features, "1.0.0", "drifted", 50.0, "very", "look")


def _after(before: IncidentState | None, finding: Finding | None, now: float = 100.0) -> IncidentState | None:
    return progress(before, Cause.DRIFT, finding, now=now, new_id="i1")


def _open(*features: str, told: bool = True) -> IncidentState:
    opened = _after(None, _found(*features))
    assert opened is not None
    return as_told(opened) if told else opened


def test_nothing_wrong_is_no_incident() -> None:
    assert _after(None, None) is None


def test_the_same_again_is_no_news() -> None:
    incident = _open("age")
    assert _after(incident, _found("age")) == incident


@pytest.mark.parametrize(
    ("told", "finding", "silenced", "change"),
    [
        pytest.param(False, _found("age"), False, Change.OPENED, id="opened and not told yet"),
        pytest.param(False, _found("age"), True, None, id="opened in silence"),
        pytest.param(True, _found("age"), False, None, id="told already"),
        pytest.param(True, _found("age", "plan"), False, Change.WORSE, id="another feature"),
        pytest.param(False, _found("age", "plan"), False, Change.OPENED, id="worse before it was told is one opening"),
        pytest.param(True, _found("age", "plan"), True, None, id="worse in silence"),
        pytest.param(True, None, False, Change.CLOSED, id="over"),
        pytest.param(True, None, True, Change.CLOSED, id="over in silence, and told of before"),
        pytest.param(False, None, False, None, id="over before anybody was told"),
    ],
)
def test_what_is_told(told: bool, finding: Finding | None, silenced: bool, change: Change | None) -> None:
    after = _after(_open("age", told=told), finding)
    assert after is not None
    assert untold(after, silenced=silenced) is change
    assert untold(as_told(after), silenced=False) is None or silenced


def test_a_feature_that_comes_back_is_no_news() -> None:
    incident = _open("age", "plan")
    fewer = _after(incident, _found("age"))
    assert fewer is not None
    assert (fewer.features, fewer.stage) == (("age",), 1)
    again = _after(fewer, _found("age", "plan"))
    assert again is not None
    assert untold(again, silenced=False) is None


def test_each_worsening_is_a_stage() -> None:
    incident: IncidentState | None = _open("age")
    for stage, names in ((2, ("age", "plan")), (3, ("age", "plan", "income"))):
        incident = _after(incident, _found(*names))
        assert incident is not None
        assert incident.stage == stage


def test_a_closed_one_says_when_and_what_it_was_about() -> None:
    closed = _after(_open("age"), None, now=900.0)
    assert closed is not None
    assert (closed.closed, closed.known, closed.opened) == (900.0, ("age",), 100.0)
