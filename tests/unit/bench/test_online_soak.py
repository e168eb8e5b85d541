"""A soak's verdict: how memory stands at the end by how it stood once settled."""

from __future__ import annotations

from bench.online.soak import Sample, summary, thinned


def _samples(*memory: float, failed: int = 0) -> list[Sample]:
    return [Sample(5.0 * number, 1000 * number, failed, mib) for number, mib in enumerate(memory, start=1)]


def _met(samples: list[Sample], asked: int = 1) -> dict[str, bool]:
    return {goal.name: goal.met for goal in summary("ours", samples, asked)[1]}


def test_what_is_taken_while_settling_is_no_growth() -> None:
    row, goals = summary("ours", _samples(80, 100, 101, 101, 101), 5000)

    assert row["growth MiB"] == 1.0
    assert [goal.met for goal in goals] == [True, True, True]


def test_growth_over_the_bound_is_not_met() -> None:
    assert not _met(_samples(80, 100, 102, 103))["growth of memory"]


def test_a_soak_too_short_to_settle_says_nothing_of_growth() -> None:
    growth = summary("ours", _samples(80, 100), 1)[1][2]

    assert growth.value is None
    assert not growth.met


def test_a_soak_that_time_cut_short_has_not_answered_what_was_asked() -> None:
    assert not _met(_samples(100, 100, 100), asked=3001)["requests answered"]


def test_one_request_without_a_prediction_is_told() -> None:
    assert not _met(_samples(100, 100, 100, failed=1))["requests without a prediction"]


def test_thinning_keeps_the_last_sample() -> None:
    kept = thinned(_samples(*range(100)), most=30)

    assert len(kept) <= 30
    assert kept[-1]["memory MiB"] == 99
