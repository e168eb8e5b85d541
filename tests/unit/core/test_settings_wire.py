"""What the operator tells the monitor about a model: sane when empty, and refused when it could not be obeyed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from modelloop_core.wire.settings import ModelSettings, settings_path


def test_an_empty_body_has_the_defaults_of_the_contract() -> None:
    drift = ModelSettings.model_validate({}).drift
    found = (drift.moderate, drift.significant, drift.min_samples, drift.consecutive_windows, drift.false_alarm_rate)
    assert found == (0.1, 0.2, 500, 3, 0.01)


def test_settings_survive_the_wire() -> None:
    sent = ModelSettings.model_validate(
        {
            "window_seconds": 600,
            "drift": {"features": [{"name": "age", "role": "key", "method": "ks", "significant": 0.3}]},
            "quality": {"metric": "auc", "min": 0.7},
            "business": [{"name": "revenue", "kind": "sum"}],
            "alerts": {"severity": "critical", "webhook": {"url": "https://hook.example", "key": "k"}},
        }
    )
    assert ModelSettings.model_validate_json(sent.model_dump_json()) == sent


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"windows": 3}, id="a field that nobody obeys"),
        pytest.param({"window_seconds": 5}, id="a window of seconds"),
        pytest.param({"drift": {"false_alarm_rate": 0}}, id="no false alarm at all"),
        pytest.param({"drift": {"moderate": float("nan")}}, id="a band that is no number"),
        pytest.param({"quality": {"metric": "luck", "min": 1}}, id="a metric that nobody computes"),
        pytest.param({"alerts": {"webhook": {"url": "ftp://hook"}}}, id="a webhook that is no web address"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelSettings.model_validate(wrong)


def test_the_path_names_the_model() -> None:
    assert settings_path("shop", "churn") == "/v1/models/shop/churn/settings"
