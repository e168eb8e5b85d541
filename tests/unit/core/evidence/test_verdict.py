"""A candidate fails only for what is shown, passes only on enough requests, and everything says its numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from bench.evidence.__main__ import outcomes
from bench.evidence.days import MINUTES, QUERY, START, Day

from modelloop_core.evidence.observed import Observed, traffic_of
from modelloop_core.evidence.series import BUCKETS, Series
from modelloop_core.evidence.verdict import Judgement, judge
from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Verdict
from modelloop_core.wire.limits import LATENCY_BOUNDS

FAST, SLOW = LATENCY_BOUNDS.index(0.01), LATENCY_BOUNDS.index(0.2)
ALIKE = np.full(10, 10)


def version(intervals: int, requests: int, *, slow: int = 0, bins: Any = ALIKE, **counts: int) -> Series:
    """So many intervals that are all the same; a tenth of the answers is of each bin of the output."""
    ended = {name: counts.get(name, 0) for name in ("errors", "gone", "fallbacks", "refused")}
    answered = max(requests - sum(ended.values()) + ended["fallbacks"], 0)
    latency = np.zeros((intervals, BUCKETS), dtype=np.int64)
    latency[:, FAST], latency[:, SLOW] = answered - slow, slow
    columns = {name: np.full(intervals, count) for name, count in ended.items()}
    series = Series.of(np.full(intervals, requests), latency, rows=np.full(intervals, answered), **columns)
    return series.with_outputs({"prediction": np.tile(np.asarray(bins) * answered // 100, (intervals, 1))})


def rollout(candidate: Series, stable: Series, *, step: int = 0, silent: int = 0, stable_silent: int = 0) -> Observed:
    """Both beside each other, up to now; the last so many intervals were told by neither's or one's predictors."""
    intervals, begin = len(candidate.requests), int(START.timestamp())
    until = float(begin + 60 * intervals)
    return Observed(
        candidate, stable, begin + 60 * np.arange(intervals), 60, float(begin), until, step,
        heard=until - 60 * silent, stable_heard=until - 60 * stable_silent,
    )  # fmt: skip


def of(judgement: Judgement, name: CheckName) -> Check:
    """One of its checks."""
    return next(check for check in judgement.checks if check.name is name)


WELL = version(30, 20), version(30, 400)

CASES = [
    pytest.param(*WELL, Verdict.PASSED, None, id="as well as the live version"),
    pytest.param(version(30, 0), version(30, 400), Verdict.INCONCLUSIVE, None, id="no traffic"),
    pytest.param(version(9, 20), version(9, 400), Verdict.INCONCLUSIVE, None, id="20 requests short of enough"),
    pytest.param(version(10, 20), version(10, 400), Verdict.PASSED, None, id="just enough requests"),
    pytest.param(
        version(3, 20, errors=10), version(3, 400), Verdict.FAILED, CheckName.ERROR_RATE, id="fails before enough"
    ),
    pytest.param(
        version(30, 20, errors=2), version(30, 400, errors=2), Verdict.FAILED, CheckName.ERROR_INCREASE, id="errors"
    ),
    pytest.param(
        version(30, 20, fallbacks=20), version(30, 400), Verdict.FAILED, CheckName.ERROR_RATE, id="only fallbacks"
    ),
    pytest.param(
        version(30, 20, gone=20), version(30, 400, gone=2), Verdict.FAILED, CheckName.ERROR_INCREASE, id="hangs"
    ),
    pytest.param(
        version(30, 20, refused=10), version(30, 400, refused=10), Verdict.FAILED, CheckName.REFUSAL_INCREASE,
        id="refuses what the live version takes",
    ),
    pytest.param(
        version(30, 20, refused=1), version(30, 400, refused=20), Verdict.PASSED, None, id="both refuse as much"
    ),
    pytest.param(
        version(30, 20, slow=10), version(30, 400), Verdict.FAILED, CheckName.LATENCY_P95, id="slower than the limit"
    ),
    pytest.param(
        version(60, 100, bins=[82, *[2] * 9]), version(60, 400), Verdict.FAILED, CheckName.PREDICTION_PSI,
        id="other answers",
    ),
    pytest.param(
        version(60, 20, errors=1), version(60, 400, errors=20), Verdict.INCONCLUSIVE, None, id="both beyond the limit"
    ),
    pytest.param(
        version(60, 20), version(60, 400, errors=20), Verdict.PASSED, None, id="the live version fails by itself"
    ),
    pytest.param(version(30, 20), version(30, 0), Verdict.INCONCLUSIVE, None, id="nothing to compare with"),
]  # fmt: skip


@pytest.mark.parametrize(("candidate", "stable", "verdict", "check"), CASES)
def test_a_rollout_is_judged(candidate: Series, stable: Series, verdict: Verdict, check: CheckName | None) -> None:
    judgement = judge(QUERY, rollout(candidate, stable))

    assert judgement.verdict is verdict, judgement.message
    if check is not None:
        assert of(judgement, check).verdict is Verdict.FAILED
        assert check.value in judgement.message


def test_a_first_error_may_be_anybodys() -> None:
    candidate = version(30, 20)
    candidate.errors[7] = 1

    assert judge(QUERY, rollout(candidate, version(30, 400))).verdict is Verdict.PASSED


def test_more_errors_than_the_limit_hold_the_step_until_they_are_shown_or_thinned_out() -> None:
    candidate = version(30, 20)
    candidate.errors[3:7] = 2
    judgement = judge(QUERY, rollout(candidate, version(30, 400, errors=3)))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "1.33 %" in of(judgement, CheckName.ERROR_RATE).message
    assert "chance may still explain it" in of(judgement, CheckName.ERROR_RATE).message


def test_what_has_failed_stays_failed_at_the_same_time() -> None:
    stable = version(600, 400)
    candidate = version(600, 20)
    candidate.errors[10:20] = 6
    soon = judge(QUERY, rollout(candidate.from_interval(0), stable))
    early = judge(QUERY, rollout(*(_first(series, 20) for series in (candidate, stable))))

    assert early.verdict is soon.verdict is Verdict.FAILED
    times = [of(one, CheckName.ERROR_RATE).failed_at for one in (early, soon)]
    assert times[0] == times[1]
    assert START + timedelta(minutes=10) < times[0] < START + timedelta(minutes=20)  # type: ignore[operator]


def test_the_step_needs_requests_of_its_own() -> None:
    observed = rollout(*WELL, step=25)
    judgement = judge(QUERY, observed)

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "100 of 200 requests that 1.1.0 needs" in judgement.message


def test_errors_of_earlier_steps_count_against_the_candidate_in_this_one() -> None:
    candidate = version(60, 20)
    candidate.errors[:30] = 3
    judgement = judge(QUERY, rollout(candidate, version(60, 400), step=40))

    assert judgement.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("silence", "named"),
    [({"silent": 2}, "1.1.0"), ({"stable_silent": 2}, "1.0.0"), ({"silent": 30}, "1.1.0")],
    ids=["the candidate's", "the live version's", "never told anything"],
)
def test_silent_predictors_are_an_error_that_names_them(silence: dict[str, int], named: str) -> None:
    judgement = judge(QUERY, rollout(*WELL, **silence))

    assert judgement.verdict is Verdict.ERROR
    assert f"the predictors of {named} have told the monitor nothing since" in judgement.message
    assert {check.verdict for check in judgement.checks} == {Verdict.ERROR}
    assert judge(QUERY, rollout(*WELL, **dict.fromkeys(silence, 1))).verdict is Verdict.PASSED


def test_a_version_that_nothing_is_held_against_may_be_silent() -> None:
    alone = {"max_error_increase": None, "max_latency_increase": None, "max_prediction_psi": None}

    assert judge(QUERY.model_copy(update=alone), rollout(*WELL, stable_silent=30)).verdict is Verdict.PASSED


def test_silence_takes_nothing_back_that_was_shown() -> None:
    judgement = judge(QUERY, rollout(version(30, 20, errors=10), version(30, 400), silent=5))

    assert judgement.verdict is Verdict.FAILED


def test_a_live_version_that_fails_by_itself_is_told() -> None:
    judgement = judge(QUERY, rollout(version(60, 20), version(60, 400, errors=20)))

    assert judgement.stable_failing
    assert "the live version 1.0.0 fails by itself: at least 4" in judgement.message
    slow = judge(QUERY, rollout(version(60, 20), version(60, 400, slow=40)))
    assert "its 95th percentile is above 0.1 s" in slow.message


def test_what_breaks_both_is_nobodys_fault_and_what_breaks_the_candidate_more_is_its_own() -> None:
    stable = version(60, 400, errors=20)
    both = judge(QUERY, rollout(version(60, 20, errors=1), stable))
    worse = judge(QUERY, rollout(version(60, 20, errors=6), stable))

    assert "1.0.0 does no better" in of(both, CheckName.ERROR_RATE).message
    slow = judge(QUERY, rollout(version(60, 20, slow=2), version(60, 400, slow=40)))
    assert "1.0.0 does no better" in of(slow, CheckName.LATENCY_P95).message
    assert of(worse, CheckName.ERROR_RATE).verdict is Verdict.FAILED
    assert of(worse, CheckName.ERROR_INCREASE).verdict is Verdict.FAILED


def test_a_limit_stands_alone_once_the_live_version_is_asked_nothing_any_more() -> None:
    stable, candidate = version(60, 400, errors=20), version(60, 20, errors=1)
    requests = np.where(np.arange(60) < 20, stable.requests, 0)
    stable = replace(stable, requests=requests, errors=np.minimum(stable.errors, requests))

    assert of(judge(QUERY, rollout(candidate, stable)), CheckName.ERROR_RATE).verdict is Verdict.FAILED


def test_without_a_comparison_a_limit_excuses_nobody() -> None:
    query = QUERY.model_copy(update={"max_error_increase": None})

    assert judge(query, rollout(version(60, 20, errors=1), version(60, 400, errors=20))).verdict is Verdict.FAILED


def test_a_check_says_what_was_seen_and_what_is_still_possible() -> None:
    check = of(judge(QUERY, rollout(version(10, 20), version(10, 400))), CheckName.ERROR_RATE)

    assert check.message == "0 of 200 requests (0 %) failed (limit 1 %); up to 1.49 % cannot be excluded yet"
    assert check.candidate is not None
    assert (check.candidate.hits, check.candidate.of, check.value, check.at_least) == (0, 200, 0.0, None)
    assert check.needed == pytest.approx(600)


def test_a_failed_check_says_what_is_shown() -> None:
    check = of(judge(QUERY, rollout(version(30, 20, errors=2), version(30, 400))), CheckName.ERROR_RATE)

    assert check.message.startswith("60 of 600 requests (10 %) failed, shown to be beyond 1 %: at least 1.")
    assert check.e_value is not None
    assert check.needed is not None
    assert check.e_value >= check.needed


def test_only_what_has_a_limit_is_judged_and_shares_the_rate() -> None:
    query = EvidenceQuery(version="1.1.0", against="1.0.0", since=START, max_error_rate=0.01, false_rollback_rate=0.02)
    [check] = judge(query, rollout(*WELL)).checks

    assert (check.name, check.needed) == (CheckName.ERROR_RATE, pytest.approx(50))
    bare = query.model_copy(update={"max_error_rate": None})
    assert judge(bare, rollout(*WELL)).verdict is Verdict.INCONCLUSIVE


def test_before_the_first_interval_has_ended_nothing_is_said() -> None:
    judgement = judge(QUERY, rollout(version(0, 0), version(0, 0)))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert traffic_of("1.1.0", version(0, 0), None).latency_p95 is None


def test_looking_every_minute_finds_what_the_end_of_the_day_tells() -> None:
    day = Day(10, errors=0.002, candidate_errors=0.03, tides=False).draw(np.random.default_rng(8))
    whole = judge(QUERY, day)
    failed = [check.failed_at for check in whole.checks if check.failed_at]
    first = round((min(failed) - START).total_seconds() / 60)

    verdicts = [
        judge(QUERY, rollout(_first(day.candidate, minute), _first(day.stable, minute))).verdict
        for minute in range(1, first + 3)
    ]

    assert verdicts.index(Verdict.FAILED) + 1 == first
    assert set(verdicts[first - 1 :]) == {Verdict.FAILED}


@pytest.mark.parametrize("day", [Day(10, weights=(0.05, 0.5, 0.01, 0.25)), Day(10, outages=True)], ids=["", "outages"])
def test_equal_versions_are_left_alone(day: Day) -> None:
    found = outcomes(day, [5], 12)

    assert [one.check for one in found if one.verdict is Verdict.FAILED] == []
    assert MINUTES == 1440


@pytest.mark.parametrize(
    ("day", "minutes"),
    [
        pytest.param(Day(10, candidate_errors=0.05, weights=(0.05,), tides=False), 15, id="5 % errors"),
        pytest.param(Day(10, slower=3, weights=(0.05,), tides=False), 6, id="three times as slow"),
        pytest.param(Day(10, shift=1.0, weights=(0.05,), tides=False), 20, id="other answers"),
    ],
)
def test_worse_versions_are_found_in_time(day: Day, minutes: float) -> None:
    found = outcomes(day, [6], 10)

    assert sum(one.minute is not None and one.minute <= minutes for one in found) >= 9


def _first(series: Series, intervals: int) -> Series:
    columns = {name: getattr(series, name)[:intervals] for name in Series.__dataclass_fields__ if name != "outputs"}
    return Series(**columns, outputs={name: counts[:intervals] for name, counts in series.outputs.items()})
