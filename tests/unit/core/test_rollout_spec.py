"""The parser refuses of spec.rollout what the API server must refuse, and takes what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.wrong_rollouts import CLICKED, CLICKS, QUALITY, REFUSED_OF_ROLLOUTS, UNLOGGED, kept
from modelloop_core.api.spec import MLModelSpec

REGISTRY = {"registry": {"uri": "s3://models/churn"}}
# What was stored before there was that rule is read as ten years.
REFUSED = [row for row in REFUSED_OF_ROLLOUTS if "ten years" not in row.values[3]]


def changed(path: str, value: Any) -> dict[str, Any]:
    """A spec with `value` at a path like `spec.rollout.steps`."""
    spec: dict[str, Any] = {"spec": {**REGISTRY}}
    place, at = path.split("."), spec
    for part in place[:-1]:
        at = at.setdefault(part, {})
    at[place[-1]] = value
    found: dict[str, Any] = spec["spec"]
    return found


@pytest.mark.parametrize(("path", "value", "field", "told"), REFUSED)
def test_what_the_api_server_must_refuse_the_parser_refuses_too(path: str, value: Any, field: str, told: str) -> None:
    with pytest.raises(ValidationError):
        MLModelSpec.model_validate(changed(path, value))


MIRRORED = {"steps": [{"mirror": 9}], "analysis": {"minAgreement": 0.9}}
TAKEN = [
    pytest.param({"monitoring": {"capture": {"predictions": 0.01}}, "rollout": MIRRORED}, id="copies, few logged"),
    pytest.param({"monitoring": UNLOGGED, "rollout": {"steps": [{"mirror": 9}]}}, id="copies judged by errors alone"),
    pytest.param(
        {"monitoring": UNLOGGED, "rollout": {"staging": {"replay": 9}, "analysis": {"minAgreement": 0.9}}},
        id="a replay compares what it asks itself",
    ),
    pytest.param(
        {
            "monitoring": {"capture": {"predictions": 0, "retention": "1d"}},
            "rollout": {"strategy": "AB", "ab": {"metric": "positive_rate", "better": "Higher"}},
        },
        id="a test by answers needs no log",
    ),
    pytest.param({"monitoring": {**UNLOGGED, **QUALITY, **CLICKS}, "rollout": {}}, id="what is watched without limits"),
    pytest.param(
        {"monitoring": {"capture": {"features": 0}}, "rollout": {"staging": {"replay": 0, "hold": "1h"}}},
        id="a hold without a replay",
    ),
    pytest.param({"monitoring": kept("15d"), "rollout": {"strategy": "AB", "ab": {"metric": "auc"}}}, id="just kept"),
    pytest.param(
        {"monitoring": kept("90m", "30m"), "rollout": {"strategy": "AB", "ab": {"metric": "auc", "maxDuration": "1h"}}},
        id="in parts",
    ),
    pytest.param(
        {"monitoring": {"capture": {"retention": "3h"}, **CLICKS}, "rollout": CLICKED}, id="events of an hour"
    ),
    pytest.param({"rollout": {"strategy": "AB", "ab": {"metric": "accuracy"}}}, id="a test by all defaults"),
    pytest.param(
        {"task": "regression", "rollout": {"strategy": "AB", "ab": {"metric": "mae"}}}, id="a test of a task's"
    ),
    pytest.param(
        {"task": "regression", "monitoring": CLICKS, "rollout": {"strategy": "AB", "ab": {"metric": "clicks"}}},
        id="a test of a task by an event",
    ),
    pytest.param(
        {"rollout": {"strategy": "BlueGreen", "analysis": {"maxErrorIncrease": 2}}}, id="limits with a default"
    ),
    pytest.param(
        {
            "rollout": {
                "steps": [{"weight": 5, "hold": "3650d"}],
                "keepWarm": "3649d23h59m60s",
                "staging": {"hold": "87600h"},
            }
        },
        id="ten years",
    ),
]


@pytest.mark.parametrize("fields", TAKEN)
def test_what_only_looks_like_it_is_taken(fields: dict[str, Any]) -> None:
    assert MLModelSpec.model_validate({**REGISTRY, **fields})
