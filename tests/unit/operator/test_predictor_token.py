"""The Secret by which predictors show the monitor's token: what is wrong with it is said, with what to do."""

from __future__ import annotations

import asyncio
import base64

import pytest

from fakes.cluster import FakeCluster
from fakes.seen import a_model
from modelloop_core.wire.tokens import namespace_token
from modelloop_operator.cluster.alert_secrets import ReadSecrets
from modelloop_operator.cluster.credentials import Credentials
from modelloop_operator.cluster.kinds import SECRET
from modelloop_operator.cluster.predictor_token import PredictorToken

WHOLE = "s3cret"
HOOK = {"monitoring": {"alerts": {"webhook": {"secretName": "hook"}}}}


def told(data: dict[str, str] | None, *, given: bool = True, whole: str = WHOLE) -> str | None:
    """The reason that a model of the namespace `shop` hears, whose webhook's Secret is missing too."""
    cluster = FakeCluster()
    if data is not None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        cluster.put(SECRET, {"metadata": {"name": "monitor-token", "namespace": "shop"}, "data": encoded})
    secrets = ReadSecrets(
        Credentials(cluster, clock=lambda: 0.0), PredictorToken("monitor-token" if given else "", whole)
    )
    problem = asyncio.run(secrets.of(a_model(spec=HOOK)))[1]
    assert problem is not None, "the webhook's Secret is missing"
    assert WHOLE not in problem.message
    return problem.reason if "predictorSecretName" in problem.message else None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(None, "SecretNotFound", id="no Secret"),
        pytest.param({"key": WHOLE}, "SecretInvalid", id="one without a token"),
        pytest.param({"token": "other"}, "TokenWrong", id="another token"),
        pytest.param({"token": namespace_token(WHOLE, "bank")}, "TokenWrong", id="that of another namespace"),
        pytest.param({"token": WHOLE}, None, id="the whole token"),
        pytest.param({"token": namespace_token(WHOLE, "shop") + "\n"}, None, id="its own, as an editor saves it"),
    ],
)
def test_what_the_secret_holds(data: dict[str, str] | None, reason: str | None) -> None:
    assert told(data) == reason


def test_a_token_that_predictors_are_not_given_is_said() -> None:
    assert told(None, given=False) == "TokenNotGiven"


def test_where_nobody_has_to_show_a_token_nothing_is_looked_at() -> None:
    assert told(None, whole="") is None
