"""What a post has besides counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from modelloop_core.wire.limits import MOST_CARD
from modelloop_core.wire.predictions import Fault, FieldError
from modelloop_core.wire.problems import ProblemError
from modelloop_core.wire.profiles import ProfilePost
from modelloop_predictor.accounts import Accounts, Exchange
from modelloop_predictor.metrics import Outcomes, RequestTally
from modelloop_predictor.problems import INVALID
from modelloop_predictor.telemetry.deltas import Deltas
from modelloop_predictor.telemetry.traffic import TrafficMeter
from modelloop_predictor.telemetry.unseen import UnseenLevels

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ABOUT = {"source": "pod", "epoch": "1", "namespace": "shop", "name": "churn", "version": "1.0.0"}


def _deltas(card: str | None) -> Deltas:
    meter = TrafficMeter(Outcomes())
    return Deltas(ABOUT, meter, counters=None, unseen=UnseenLevels(), log=None, card=card, now=NOON)


def _cards(deltas: Deltas, *minutes: int) -> list[str | None]:
    bodies = [deltas.cut(NOON + timedelta(minutes=minute)).body for minute in minutes]
    return [ProfilePost.model_validate_json(body).card for body in bodies]


def test_refusals_by_kind_are_json_like_all_else() -> None:
    tally = RequestTally()
    deltas = Deltas(
        ABOUT, TrafficMeter(tally.live), counters=None, unseen=UnseenLevels(), log=None, card=None, now=NOON
    )
    exchange = Exchange("one", None, "/predict")
    exchange.refuse(ProblemError(INVALID, "…", [FieldError(field="age", message="missing", fault=Fault.MISSING)]))
    Accounts(tally, 0).close(exchange)
    assert ProfilePost.model_validate_json(deltas.cut(NOON).body).traffic.invalid_by == {"missing": 1}


def test_the_card_goes_with_the_first_post_and_again_each_hour() -> None:
    assert _cards(_deltas("version: 1.0.0"), 1, 2, 60, 61, 62, 121) == [
        "version: 1.0.0",
        None,
        None,
        "version: 1.0.0",
        None,
        "version: 1.0.0",
    ]


@pytest.mark.parametrize(
    "card",
    [pytest.param(None, id="no card"), pytest.param("a" * (MOST_CARD + 1), id="one that is too long for a post")],
)
def test_without_a_card_that_fits_posts_go_without(card: str | None) -> None:
    assert "card" not in orjson.loads(_deltas(card).cut(NOON).body)


def test_what_no_database_keeps_is_replaced() -> None:
    assert _cards(_deltas("a\0b"), 1) == ["a\ufffdb"]
