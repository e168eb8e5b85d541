"""Which version an MLModel should serve: every rule by one row."""

from __future__ import annotations

import pytest

from fakes.seen import OUT_OF_REACH, a_catalog, a_status, observed
from modelloop_core.feature_schema import Task
from modelloop_core.versions import Version
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.selection import Nothing, select

CHOSEN = [
    pytest.param(observed(versions=("1.0.0", "2.0.0")), "2.0.0", id="first time without a pin: the newest"),
    pytest.param(observed(versions=("1.0.0", "2.0.0-rc.1")), "1.0.0", id="a pre-release is not the newest"),
    pytest.param(
        observed(a_status("1.0.0"), versions=("1.0.0", "1.9.9", "2.0.0")), "1.9.9", id="without a pin: within the major"
    ),
    pytest.param(
        observed(a_status("0.1.0"), versions=("0.1.0", "0.2.0", "1.0.0")), "0.2.0", id="major zero goes on to 0.2"
    ),
    pytest.param(observed(a_status("1.0.0"), versions=("1.0.0",)), "1.0.0", id="equal to what is live: stay"),
    pytest.param(observed(a_status("1.0.1"), versions=("1.0.0",)), "1.0.1", id="one before what is live: stay"),
    pytest.param(observed(a_status("1.0.0"), versions=("1.0.0", "1.0.1")), "1.0.1", id="one after what is live: go on"),
    pytest.param(observed(spec={"version": "^1"}, versions=("1.0.0", "2.0.0")), "1.0.0", id="a range: its newest"),
    pytest.param(
        observed(a_status("2.0.0"), spec={"version": "^1"}, versions=("1.0.0", "1.5.0", "2.0.0")),
        "1.5.0",
        id="a range without what is live: its newest, although older",
    ),
    pytest.param(
        observed(a_status("1.5.0"), spec={"version": "^1"}, versions=("1.4.0",)),
        "1.5.0",
        id="a range with what is live never goes back",
    ),
    pytest.param(
        observed(a_status("2.0.0"), spec={"version": "1.0.0"}, versions=("1.0.0", "2.0.0")),
        "1.0.0",
        id="an exact pin goes back",
    ),
    pytest.param(
        observed(spec={"version": "2.0.0-rc.1"}, versions=("2.0.0-rc.1", "2.0.0")),
        "2.0.0-rc.1",
        id="a pre-release by its exact pin",
    ),
    pytest.param(
        observed(a_status("1.0.0", failed=["1.2.0"]), versions=("1.0.0", "1.1.0", "1.2.0")),
        "1.1.0",
        id="the newest failed here: the next one down",
    ),
    pytest.param(
        observed(a_status("1.1.0", failed=["1.2.0"]), versions=("1.0.0", "1.1.0", "1.2.0")),
        "1.1.0",
        id="the newest failed and the next one is live: stay",
    ),
    pytest.param(
        observed(spec={"task": "binary"}, catalog=a_catalog("1.0.0", task=Task.BINARY)),
        "1.0.0",
        id="the declared task is the version's",
    ),
    pytest.param(
        observed(versions=("1.0.0",), catalog=a_catalog("1.0.0", broken={"1.1.0": "no JSON"})),
        "1.0.0",
        id="a broken newer version is passed over",
    ),
    pytest.param(
        observed(a_status("2.1.0-rc.1"), versions=("2.0.0", "2.1.0-rc.1", "2.1.0")),
        "2.1.0",
        id="the pin to a pre-release was removed: its release",
    ),
]

NOTHING = [
    pytest.param(
        observed(a_status("1.0.0"), spec={"version": ">2 <1"}),
        "InvalidSpec",
        "spec.version: '>2 <1' is a range that no version can be in",
        id="a range that nothing can be in",
    ),
    pytest.param(
        observed(spec={"version": "1.2.3-a..b"}, catalog=OUT_OF_REACH),
        "InvalidSpec",
        "spec.version: '1.2.3-a..b' is not a semantic version",
        id="no version, also while the registry is away",
    ),
    pytest.param(observed(catalog=OUT_OF_REACH), "StoreUnavailable", "no answer", id="the registry is away"),
    pytest.param(observed(versions=()), "NoVersions", "modelloop publish", id="an empty registry says how to fill it"),
    pytest.param(
        observed(catalog=a_catalog(broken={"1.0.0": "no JSON"})), "NoVersions", "1.0.0: no JSON", id="all broken: why"
    ),
    pytest.param(
        observed(spec={"version": "^3"}, versions=("1.0.0", "2.0.0")),
        "NoVersionInRange",
        "it has 2.0.0, 1.0.0",
        id="out of range: what there is",
    ),
    pytest.param(
        observed(spec={"version": "3.0.0"}, versions=("1.0.0",)),
        "VersionNotFound",
        "3.0.0 is not in the registry; it has 1.0.0",
        id="an absent pin: what there is",
    ),
    pytest.param(
        observed(spec={"version": "1.1.0"}, catalog=a_catalog("1.0.0", broken={"1.1.0": "no JSON"})),
        "VersionBroken",
        "1.1.0 cannot be read: no JSON",
        id="a broken pin: what is broken",
    ),
    pytest.param(
        observed(spec={"task": "regression"}),
        "TaskDiffers",
        "1.0.0 is a binary model but spec.task is regression",
        id="another task: both named",
    ),
    pytest.param(
        observed(spec={"task": "regression", "version": "1.0.0"}), "TaskDiffers", "binary", id="a pin of another task"
    ),
    pytest.param(observed(a_status(failed=["1.0.0"])), "VersionFailed", "damaged", id="the only one failed: why"),
    pytest.param(
        observed(a_status(failed=["1.0.0"]), spec={"version": "1.0.0"}), "VersionFailed", "damaged", id="the pin failed"
    ),
    pytest.param(
        observed(versions=("2.0.0-rc.1",)),
        "NoVersionInRange",
        "pre-release",
        id="only pre-releases and no pin: said in words",
    ),
]


@pytest.mark.parametrize(("seen", "version"), CHOSEN)
def test_chosen_version(seen: Observation, version: str) -> None:
    assert select(seen) == Version.parse(version)


@pytest.mark.parametrize(("seen", "reason", "told"), NOTHING)
def test_no_version_and_why(seen: Observation, reason: str, told: str) -> None:
    found = select(seen)
    assert isinstance(found, Nothing)
    assert found.reason == reason
    assert told in found.message
    assert "None" not in found.message
