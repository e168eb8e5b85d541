"""When a failure counts no more: the pin moved away, or the spec says other things about its pods."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.seen import NOW, a_status, observed
from modelloop_core.versions import Version
from modelloop_operator.decide.decisions import Forget, Refuse
from modelloop_operator.decide.forgiveness import forgivable
from modelloop_operator.decide.status import next_status

PINS = [
    pytest.param("^1", "1.1.0", "1.2.0", True, id="an exact pin elsewhere"),
    pytest.param("^1", "~1.1", "1.2.0", True, id="a range that leaves it out"),
    pytest.param("^1", "^1", "1.2.0", False, id="the pin did not move"),
    pytest.param("^1", ">=1.0", "1.2.0", False, id="another range that still holds it"),
    pytest.param("1.2.0", None, "1.2.0", False, id="the pin was removed, and it is of the major that is live"),
    pytest.param("2.0.0", None, "2.0.0", True, id="the pin was removed, and it is of another major than is live"),
    pytest.param(None, "^2", "1.2.0", True, id="failed without a pin, then a pin elsewhere"),
    pytest.param(None, "^1", "1.2.0", False, id="failed without a pin, then a pin that holds it"),
]


@pytest.mark.parametrize(("then", "now", "failed", "forgiven"), PINS)
def test_a_failure_counts_until_the_pin_moved_away(
    then: str | None, now: str | None, failed: str, forgiven: bool
) -> None:
    spec = {"version": now} if now else {}
    move = forgivable(observed(a_status("1.0.0", failed=[failed], pin=then), spec=spec))
    assert isinstance(move, Forget) is forgiven
    if isinstance(move, Forget):
        assert move.versions == (Version.parse(failed),)


LARGE = {"limits": {"memory": "4Gi"}}
CHANGES = [
    pytest.param({}, False, id="nothing"),
    pytest.param({"version": "^1"}, False, id="the range"),
    pytest.param({"serving": {"replicas": 5}}, False, id="how many pods"),
    pytest.param({"serving": {"device": "cpu"}}, False, id="a default that is spelt out"),
    pytest.param({"traffic": {"ingress": {"host": "churn.example.com"}}}, False, id="the way there"),
    pytest.param({"serving": {"resources": LARGE}}, True, id="their memory"),
    pytest.param({"serving": {"device": "cuda"}}, True, id="their device"),
    pytest.param({"serving": {"pod": {"imagePullSecrets": ["pull"]}}}, True, id="the Secret for their image"),
    pytest.param({"registry": {"uri": "s3://models/churn", "secretName": "keys"}}, True, id="the keys they read with"),
]


@pytest.mark.parametrize(("now", "forgiven"), CHANGES)
def test_a_failure_counts_until_the_spec_says_other_things_about_the_pods(now: dict[str, Any], forgiven: bool) -> None:
    refused = Refuse(Version(1, 1, 0), "ProgressDeadlineExceeded", "0 of 2 pods are ready")
    failed = next_status(observed(a_status("1.0.0", "1.1.0")), refused, NOW)
    move = forgivable(observed(failed, spec=now))
    assert (move is not None and (move.reason, move.versions)) == (forgiven and ("PodsChanged", (Version(1, 1, 0),)))
