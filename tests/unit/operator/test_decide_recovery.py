"""What was live when status no longer says: the route, then the registry's history, then nothing."""

from __future__ import annotations

import pytest

from fakes.seen import OUT_OF_REACH, observed, ready, routed, starting
from modelloop_core.versions import Version
from modelloop_operator.decide.observation import Observation, Route
from modelloop_operator.decide.recovery import recover

ONE, TWO = Version(1, 0, 0), Version(1, 1, 0)
BOTH = {"1.0.0": ready(), "1.1.0": ready()}

FOUND = [
    pytest.param(observed(pods={"1.0.0": ready()}, route=routed("1.0.0")), "1.0.0", "RouteFound", id="the route says"),
    pytest.param(
        observed(pods={"1.0.0": starting()}, route=routed("1.0.0")),
        "1.0.0",
        "RouteFound",
        id="the route says, although its pods are down now",
    ),
    pytest.param(
        observed(pods=BOTH, route=routed("1.0.0"), last_live=TWO),
        "1.0.0",
        "RouteFound",
        id="the route is believed before the history",
    ),
    pytest.param(
        observed(pods=BOTH, route=Route({ONE: 95, TWO: 5}, confirmed=True)),
        "1.0.0",
        "RouteFound",
        id="of two weights the greater one",
    ),
    pytest.param(
        observed(pods={"1.1.0": ready()}, route=routed("1.0.0"), last_live=TWO),
        "1.1.0",
        "HistoryFound",
        id="a route to pods that are gone says nothing",
    ),
    pytest.param(observed(last_live=ONE), "1.0.0", "HistoryFound", id="only the history says, and the registry has it"),
    pytest.param(
        observed(last_live=TWO, pods={"1.1.0": ready()}),
        "1.1.0",
        "HistoryFound",
        id="the history says, and pods of it are there",
    ),
    pytest.param(
        observed(catalog=OUT_OF_REACH, pods={"1.0.0": ready()}, route=routed("1.0.0")),
        "1.0.0",
        "RouteFound",
        id="the registry is away and the route says",
    ),
]

NOT_FOUND = [
    pytest.param(observed(), id="nothing is there: a first start"),
    pytest.param(observed(pods={"1.0.0": ready()}), id="pods alone were never live"),
    pytest.param(observed(last_live=TWO), id="the history names what neither registry nor cluster has"),
    pytest.param(observed(catalog=OUT_OF_REACH), id="the registry is away and nothing else says"),
    pytest.param(observed(pods=BOTH, route=Route({ONE: 0}, confirmed=True)), id="a weight of zero carries nothing"),
    pytest.param(observed(pods=BOTH, route=Route({}, confirmed=True)), id="a route without backends says nothing"),
]


@pytest.mark.parametrize(("seen", "version", "reason"), FOUND)
def test_recovered(seen: Observation, version: str, reason: str) -> None:
    found = recover(seen)
    assert found is not None
    assert (str(found.version), found.reason) == (version, reason)


@pytest.mark.parametrize("seen", NOT_FOUND)
def test_not_recovered(seen: Observation) -> None:
    assert recover(seen) is None
