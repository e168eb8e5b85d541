"""Durations that nobody lives to see: the pattern of the API lets them in, and no pass may stop at them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from fakes.seen import GATEWAY, NOW, POLICY, WITH_GATEWAY, a_model, a_status, observed, ready
from fakes.trying import FAILED, INCONCLUSIVE, TRIED, WATCHED, a_rollout, in_rollout
from modelloop_core.api.status import StagingStatus
from modelloop_operator.decide.observation import Observation, Route
from modelloop_operator.decide.plan import label_delay
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status
from modelloop_operator.decide.watch_settings import settings_of

FOR_EVER = "9999999d"
TEN_YEARS = timedelta(days=3650)
QUALITY = {"monitoring": {"quality": {"metric": "accuracy", "min": 0.5, "labelDelay": FOR_EVER}}}


def promoted(**changes: Any) -> Observation:
    """1.1.0 serves, 1.0.0 is to be kept warm, and nothing goes to it any more."""
    return observed(
        a_status("1.1.0", warm={"1.0.0": None}, history=["1.0.0", "1.1.0"]),
        spec={"traffic": GATEWAY, "rollout": {"keepWarm": FOR_EVER}},
        versions=("1.0.0", "1.1.0"),
        pods={"1.0.0": ready(), "1.1.0": ready()},
        route=Route({TRIED: 100}, True, named=TRIED),
        capabilities=WITH_GATEWAY,
        watch=WATCHED,
        **changes,
    )


STAGED = a_rollout(advancing=True, staging=StagingStatus(since=a_rollout(startedAt=-60).startedAt), preparingSince=-60)
CASES = [
    pytest.param(in_rollout(declared={"steps": [{"weight": 5, "hold": FOR_EVER}]}), "HoldingStep", id="a hold"),
    pytest.param(
        in_rollout(0, rollout=STAGED, declared={"staging": {"replay": 0, "hold": FOR_EVER}}),
        "HoldingStaging",
        id="before traffic",
    ),
    pytest.param(
        in_rollout(
            declared={"inconclusiveDeadline": FOR_EVER},
            judgement=INCONCLUSIVE,
            rollout=a_rollout(inconclusiveSince=-5),
        ),
        "Inconclusive",
        id="patience with a verdict",
    ),
    pytest.param(promoted(), "Unrouted", id="pods kept warm"),
    pytest.param(
        in_rollout(spec=QUALITY, declared={"analysis": {"maxQualityDrop": 0.1}}, judgement=INCONCLUSIVE),
        "LabelsPending",
        id="labels",
    ),
]


@pytest.mark.parametrize(("seen", "reason"), CASES)
def test_a_pass_goes_on_for_ten_years(seen: Observation, reason: str) -> None:
    move = decide(seen, NOW, POLICY)
    assert move.reason == reason
    next_status(seen, move, NOW)


def test_a_version_kept_for_ever_is_kept_for_ten_years_and_what_fails_goes_back_to_it() -> None:
    kept = next_status(promoted(), decide(promoted(), NOW, POLICY), NOW)
    (warm,) = kept.warm
    assert warm.warmUntil is not None
    assert datetime.fromisoformat(warm.warmUntil) == NOW + TEN_YEARS
    failing = promoted(judgement=FAILED)
    failing = replace(failing, model=failing.model.model_copy(update={"status": kept}))
    assert decide(failing, NOW, POLICY).reason == "EvidenceFailed"


def test_the_monitor_is_told_of_ten_years_at_the_most() -> None:
    capture = {"capture": {"retention": FOR_EVER}}
    model = a_model(spec={"monitoring": {**QUALITY["monitoring"], **capture}})
    told = settings_of(model, None, {})
    assert told.quality is not None
    assert told.quality.label_delay_seconds == label_delay(model.spec).total_seconds() == TEN_YEARS.total_seconds()
    assert told.retention_seconds == TEN_YEARS.total_seconds()
