"""From what is kept of a rollout to what a person follows: steps in order, their evidence, what is still to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelloop_core.wire.evidence import (
    Check,
    CheckName,
    Comparison,
    Experiment,
    RolloutEvidence,
    Verdict,
    VersionTraffic,
)
from modelloop_core.wire.rollouts import ModelRollouts, Rollout, RolloutRequest, RolloutStep, RolloutVersion
from modelloop_monitor.dashboard.queries.rollouts import Judged, Rollouts
from modelloop_monitor.dashboard.views.evidence import evidence_charts
from modelloop_monitor.dashboard.views.rollouts import RolloutView, rollout_view, rollouts_view
from modelloop_monitor.dashboard.wording import difference, outcome, verdict
from modelloop_monitor.store.rollout_evidence import Kept
from modelloop_monitor.store.rollouts import State

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = (NOON + timedelta(hours=1)).timestamp()


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def step(weight: int, minute: int, verdict: str | None = None) -> RolloutStep:
    return RolloutStep(weight=weight, since=at(minute), verdict=verdict)


def a_rollout(*steps: RolloutStep, **fields: Any) -> Rollout:
    usual = {"version": "1.1.0", "against": "1.0.0", "started": NOON, "plan": (5, 50, 100)}
    return Rollout(**{**usual, "steps": steps, **fields})


def an_answer(minute: int, step: int, *checks: Check, verdict: Verdict = Verdict.INCONCLUSIVE) -> Kept:
    evidence = RolloutEvidence(
        namespace="shop",
        name="churn",
        verdict=verdict,
        message="…",
        checks=checks,
        since=at(1),
        until=at(minute),
        interval_seconds=60,
        candidate=VersionTraffic(version="1.1.0"),
        stable=VersionTraffic(version="1.0.0"),
        generated=at(minute),
    )
    return Kept(at(minute).timestamp(), at(step).timestamp(), evidence)


def view(rollout: Rollout, *answers: Kept) -> RolloutView:
    return rollout_view(Judged(rollout, answers), NOW)


def told(found: RolloutView) -> list[tuple[str, float | None, str | None]]:
    return [(one.words, one.seconds, one.verdict) for one in found.happened]


BEGAN = ("1.1.0 was tried beside 1.0.0: its pods were asked for", None, None)


def test_steps_stand_between_what_people_asked_and_say_how_long_they_took() -> None:
    rollout = a_rollout(step(5, 1, "Passed"), step(50, 30), asked=(RolloutRequest(verb="pause", by="ann", at=at(10)),))
    found = view(rollout)
    assert told(found) == [
        BEGAN,
        ("5 % of the traffic", 29 * 60, "Passed"),
        ("ann asked: pause", None, None),
        ("50 % of the traffic", 30 * 60, None),
    ]
    assert found.ahead == (100,)


def test_a_step_has_the_last_answer_about_it_and_its_verdict_where_the_operator_told_none() -> None:
    rollout = a_rollout(step(5, 1, "Passed"), step(50, 30))
    answers = [an_answer(9, 1), an_answer(29, 1), an_answer(40, 30, verdict=Verdict.ERROR)]
    found = view(rollout, *answers).happened
    assert [one.evidence for one in found[1:]] == [answers[1].evidence, answers[2].evidence]
    assert [one.verdict for one in found[1:]] == ["Passed", "Error"]


@pytest.mark.parametrize(
    ("rollout", "last"),
    [
        pytest.param(
            a_rollout(step(5, 1, "Failed"), ended=at(9), outcome="RolledBack", reason="EvidenceFailed", message="why"),
            ("taken back: EvidenceFailed: why", None, None),
            id="taken back",
        ),
        pytest.param(
            a_rollout(step(5, 1), step(100, 9), ended=at(9), outcome="Promoted", reason="RolloutPassed"),
            ("100 %: it went live", (60 - 9) * 60, None),
            id="live: judged on, and said once",
        ),
        pytest.param(
            a_rollout(step(100, 9), ended=at(20), outcome="RolledBack", reason="EvidenceFailed"),
            ("taken back: EvidenceFailed", None, None),
            id="taken back after it went live",
        ),
        pytest.param(a_rollout(ended=at(9), message="lost"), ("over: lost", None, None), id="nobody told how"),
        pytest.param(a_rollout(step(5, 1), step(0, 9)), ("0 %: it had lost all its pods", 51 * 60, None), id="lost"),
    ],
)
def test_the_end_of_it(rollout: Rollout, last: tuple[str, float | None, str | None]) -> None:
    found = view(rollout)
    assert told(found)[-1] == last
    assert found.ahead == (() if rollout.ended else (50, 100))


def test_what_is_live_and_tried_comes_first() -> None:
    live, tried = RolloutVersion(version="1.0.0", weight=95), RolloutVersion(version="1.1.0", weight=5, confirmed=5)
    state = State(NOW, ModelRollouts(live=live, tried=tried, message="held"))
    found = rollouts_view(Rollouts(state, None, ()), NOW)
    assert [(one.name, one.version, one.weight, one.confirmed) for one in found.roles] == [
        ("live", "1.0.0", 95, None),
        ("tried", "1.1.0", 5, 5),
    ]
    assert rollouts_view(Rollouts(None, None, ()), NOW).told is None


def a_check(name: CheckName = CheckName.ERROR_RATE, **numbers: Any) -> Check:
    return Check(name=name, verdict=Verdict.INCONCLUSIVE, limit=0.01, message="…", **numbers)


def test_each_check_is_a_chart_with_its_band_and_limit() -> None:
    answers = [
        an_answer(9, 1),
        an_answer(10, 1, a_check(value=0.004, at_most=0.02)),
        an_answer(11, 1, a_check(value=0.03, at_least=0.02, at_most=0.05), a_check(CheckName.PREDICTION_PSI)),
    ]
    (chart,) = evidence_charts([kept.evidence for kept in answers])
    assert (chart.title, chart.unit, chart.limits) == ("Errors", "% of requests", (("limit", 1.0),))
    (line,) = chart.series
    assert (line.name, line.values) == ("1.1.0", (None, 0.4, 3.0))
    assert (line.low, line.high) == ((None, 0.0, 2.0), (None, 2.0, 5.0))


def test_checks_of_several_subjects_are_charts_of_their_own() -> None:
    events = [a_check(CheckName.BUSINESS_DROP, value=0.1, subject=name) for name in ("clicks", "orders")]
    titles = [chart.title for chart in evidence_charts([an_answer(9, 1, *events).evidence])]
    assert titles == [f"Events that the live version has more: {name}" for name in ("clicks", "orders")]


def a_test(difference: float | None, **fields: Any) -> Experiment:
    usual = {"metric": "clicks", "kind": "rate", "higher": True, "needed": 40.0, "message": "…"}
    return Experiment(**{**usual, "difference": difference, **fields})


def test_an_ab_test_is_the_first_chart_with_its_effect_and_interval_over_time() -> None:
    clicks = Comparison(metric="clicks", kind="rate", higher=True, difference=0.5)
    loss = Comparison(metric="log_loss", kind="quality", higher=False, difference=-0.1, low=-0.2, high=0.05)
    answers = [
        an_answer(9, 1).evidence.model_copy(update={"experiment": a_test(None, note="too few")}),
        an_answer(10, 1, a_check(value=0.004)).evidence.model_copy(
            update={"experiment": a_test(0.01, low=-0.02, high=0.04), "comparisons": (clicks, loss)}
        ),
    ]
    test, compared, check = evidence_charts(answers)
    assert (test.title, test.unit) == ("A/B test: clicks, against 1.0.0 (more is better)", "points of requests")
    assert test.limits == (("no difference", 0.0),)
    (line,) = test.series
    assert (line.values, line.low, line.high) == ((None, 1.0), (None, -2.0), (None, 4.0))
    assert compared.title == "log_loss, against 1.0.0 (less is better)"
    assert compared.series[0].values == (None, -0.1)
    assert check.title == "Errors"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (a_test(None, note="12 of 200 are old enough"), "12 of 200 are old enough"),
        (a_test(None), "–"),
        (a_test(0.012, low=-0.02, high=0.04), "1.2 points (-2 to 4)"),
        (a_test(0.012, kind="sum"), "0.012"),
    ],
)
def test_a_difference_is_told_with_what_holds_it(found: Experiment, said: str) -> None:
    assert difference(found) == said


def test_a_word_that_is_not_known_here_is_shown_as_it_is() -> None:
    assert "Perhaps" in verdict("Perhaps")
    assert "Vanished" in outcome("Vanished")
    assert "not known" in outcome("")
