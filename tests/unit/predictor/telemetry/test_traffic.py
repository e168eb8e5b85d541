from __future__ import annotations

import pytest

from modelloop_core.wire.limits import LATENCY_BOUNDS
from modelloop_core.wire.predictions import FieldError
from modelloop_core.wire.problems import ProblemError
from modelloop_core.wire.profiles import TrafficDelta
from modelloop_predictor.accounts import Accounts, Exchange
from modelloop_predictor.metrics import RequestTally
from modelloop_predictor.problems import INVALID
from modelloop_predictor.telemetry.traffic import TrafficMeter


def ended(reason: str | None = None, status: int = 200, rows: int = 1, *, fallback: bool = False) -> Exchange:
    exchange = Exchange("one", None, "/predict")
    exchange.status, exchange.reason, exchange.count = status, reason, rows
    if fallback:
        exchange.fall_back("ModelFailed", None)
    return exchange


def taken(*exchanges: Exchange) -> TrafficDelta:
    tally = RequestTally()
    accounts, meter = Accounts(tally, 0), TrafficMeter(tally.live)
    for exchange in exchanges:
        accounts.close(exchange)
    return TrafficDelta(**meter.take())


@pytest.mark.parametrize(
    ("exchange", "errors", "invalid", "fallbacks", "rows", "answered"),
    [
        pytest.param(ended(rows=3), {}, 0, 0, 3, 1, id="answered"),
        pytest.param(ended("ModelFailed", 500), {"ModelFailed": 1}, 0, 0, 0, 0, id="the model failed"),
        pytest.param(ended("DeadlineExceeded", 504), {"DeadlineExceeded": 1}, 0, 0, 0, 0, id="too late"),
        pytest.param(ended("ClientGone", 499), {"ClientGone": 1}, 0, 0, 0, 0, id="the caller left"),
        pytest.param(ended("InvalidRequest", 422), {}, 1, 0, 0, 0, id="invalid"),
        pytest.param(ended("MalformedBody", 400), {}, 1, 0, 0, 0, id="no JSON"),
        pytest.param(ended(fallback=True), {}, 0, 1, 0, 1, id="fallback"),
    ],
)
def test_a_request_counts_by_how_it_ended(
    exchange: Exchange, errors: dict[str, int], invalid: int, fallbacks: int, rows: int, answered: int
) -> None:
    delta = taken(exchange)
    assert (delta.requests, delta.errors, delta.invalid) == (1, errors, invalid)
    assert (delta.fallbacks, delta.rows, sum(delta.latency)) == (fallbacks, rows, answered)


def test_requests_refused_for_their_values_are_told_by_kind_where_there_are_any() -> None:
    tally = RequestTally()
    accounts, meter = Accounts(tally, 0), TrafficMeter(tally.live)
    exchange = Exchange("one", None, "/predict")
    errors = [FieldError(field="age", message="…", fault=fault) for fault in ("missing", "wrong-type", "missing", None)]
    exchange.refuse(ProblemError(INVALID, "…", errors))
    accounts.close(exchange)
    accounts.close(ended("MalformedBody", 400))
    delta = TrafficDelta(**meter.take())
    assert (delta.invalid, delta.invalid_by) == (2, {"missing": 1, "wrong-type": 1})
    assert "invalid_by" not in meter.take()


def test_each_take_has_what_came_since_the_last() -> None:
    tally = RequestTally()
    accounts, meter = Accounts(tally, 0), TrafficMeter(tally.live)
    accounts.close(ended("ModelFailed", 500))
    assert meter.take()["errors"] == {"ModelFailed": 1}
    accounts.close(ended())
    second = meter.take()
    assert (second["requests"], second["errors"]) == (1, {})


def test_what_is_no_live_traffic_is_left_out_but_measured() -> None:
    aside = ended()
    aside.live = False
    tally = RequestTally()
    meter = TrafficMeter(tally.live)
    Accounts(tally, 0).close(aside)
    assert meter.take()["requests"] == 0
    assert tally.aside.requests == {200: 1}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.001, 0), (0.0011, 1), (0.0075, 4), (10.0, 22), (10.1, 23)])
def test_a_duration_lies_in_the_bucket_whose_bound_it_does_not_exceed(seconds: float, bucket: int) -> None:
    tally = RequestTally()
    meter = TrafficMeter(tally.live)
    tally.live.answered.observe(seconds)
    latency = meter.take()["latency"]
    assert len(latency) == len(LATENCY_BOUNDS) + 1
    assert latency.index(1) == bucket
