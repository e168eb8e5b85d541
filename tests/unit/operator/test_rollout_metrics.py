"""Metrics that name single models: few series each, as status is now, gone with the MLModel."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest

from fakes.seen import a_model, a_status, stamp
from fakes.trying import a_rollout, trying
from modelloop_core.api import MLModelStatus
from modelloop_core.api.past_rollouts import Outcome, PastRollout
from modelloop_operator.metrics import Metrics

KEY = ("shop", "churn")
FAILED = PastRollout(
    version="1.0.1",
    against="1.0.0",
    from_=stamp(-900),
    until=stamp(-600),
    outcome=Outcome.ROLLED_BACK,
    reason="EvidenceFailed",
)


def shown(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    mine = [line.rpartition(" ") for line in lines if line.startswith("modelloop_operator_rollout_")]
    return {name.removeprefix("modelloop_operator_rollout_"): float(value) for name, _, value in mine}


def noted(*statuses: MLModelStatus) -> tuple[Metrics, CollectorRegistry]:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for status in statuses:
        metrics.observed(a_model("churn", status=status))
    return metrics, registry


def test_a_rollout_is_shown_by_shares_what_it_waits_for_and_its_verdict() -> None:
    status = trying(25, rollout=a_rollout(waitsFor="HoldingStep", verdict="Passed"))
    _, registry = noted(status.model_copy(update={"pastRollouts": [FAILED]}))
    model = 'model="churn",namespace="shop"'
    ended = datetime.fromisoformat(FAILED.until).timestamp()
    assert {name.replace(model, "…"): value for name, value in shown(registry).items()} == {
        'weight{…,role="stable",version="1.0.0"}': 75,
        'weight{…,role="candidate",version="1.1.0"}': 25,
        'info{against="1.0.0",…,strategy="Canary",version="1.1.0",waits_for="HoldingStep"}': 1,
        'verdict{…,verdict="Passed",version="1.1.0"}': 1,
        'ended_timestamp_seconds{…,outcome="RolledBack",reason="EvidenceFailed",version="1.0.1"}': ended,
    }


def test_of_what_is_over_no_series_stays() -> None:
    _, registry = noted(trying(25), a_status("1.1.0"))
    assert list(shown(registry)) == ['weight{model="churn",namespace="shop",role="stable",version="1.1.0"}']


def test_a_first_version_is_no_rollout() -> None:
    _, registry = noted(a_status(None, "1.0.0"))
    assert shown(registry) == {}


def test_with_the_mlmodel_its_series_go() -> None:
    metrics, registry = noted(trying(25))
    metrics.forget(KEY)
    assert shown(registry) == {}
