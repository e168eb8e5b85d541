"""Rows of rollouts that the API server and the parser must take, though they look like what is refused."""

from __future__ import annotations

import pytest

from cluster.wrong_rollouts import CLICKED, CLICKS, QUALITY, UNLOGGED, kept

MIRRORED = {"steps": [{"mirror": 9}], "analysis": {"minAgreement": 0.9}}
TAKEN_OF_ROLLOUTS = [
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
