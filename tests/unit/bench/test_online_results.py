"""What a run of the online bench is worth: medians, ratios within a round, goals with and without a figure."""

from __future__ import annotations

import dataclasses

import pytest
from bench.online.generator import Stretch, parse
from bench.online.goals import AT, TORCH, TUNED, at_least, at_most, judge
from bench.online.plan import PLAN, Load
from bench.online.results import Results, load_rows, start_rows
from bench.report import Goal

ONE = AT[16]
FLAWLESS = Stretch(requests=1000, seconds=1.0, p50_us=100.0, p99_us=900.0, refused=0, broken=0, cpu_seconds=0.5)


def _rounds(*rates: int) -> list[Stretch]:
    return [dataclasses.replace(FLAWLESS, requests=rate) for rate in rates]


def _rate(stretch: Stretch) -> float:
    return stretch.per_second


def test_a_ratio_is_taken_within_each_round_so_that_a_machine_that_slows_down_does_not_tilt_it() -> None:
    ours, theirs = _rounds(800, 400, 80), _rounds(100, 50, 10)

    found = Results(stretches={("ours", ONE): ours, ("theirs", ONE): theirs})

    assert found.ratio("ours", ONE, "theirs", ONE, _rate) == 8.0


@pytest.mark.parametrize("flaw", [{"refused": 1}, {"broken": 1}], ids=["an answer that is no 2xx", "a timeout"])
def test_a_row_with_one_failed_request_counts_for_no_goal_and_says_so(flaw: dict[str, int]) -> None:
    rounds = [*_rounds(800), dataclasses.replace(FLAWLESS, **flaw)]
    found = Results(stretches={(TORCH, ONE): rounds, (TUNED, ONE): _rounds(100, 100)})

    assert found.ratio(TORCH, ONE, TUNED, ONE, _rate) is None
    assert load_rows(found)[0]["note"] == "FAILED: 1 requests without a prediction"
    assert _goal(found, "one row, c=16, torch / tuned FastAPI") == Goal(
        "one row, c=16, torch / tuned FastAPI", ">= 8", None, False
    )


def test_every_goal_is_listed_and_none_is_met_when_nothing_could_be_measured() -> None:
    goals = judge(Results())

    assert len(goals) == 18
    assert all(goal.value is None and not goal.met for goal in goals)


def test_a_load_that_could_not_run_is_a_row_that_says_why() -> None:
    load = Load("V2 JSON", 1, 64)

    row = load_rows(Results(missing={(TORCH, load): "no such route"}))[0]

    assert (row["server"], row["wire"], row["req/s"], row["note"]) == (TORCH, "V2 JSON", None, "no such route")


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        pytest.param(at_least("x", 8, 8.0), True, id="at the least that is asked"),
        pytest.param(at_least("x", 8, 7.99), False, id="just below it"),
        pytest.param(at_most("x", 0.25, 0.25), True, id="at the most that is allowed"),
        pytest.param(at_most("x", 0.25, 0.251), False, id="just above it"),
    ],
)
def test_a_bound_is_inclusive(goal: Goal, met: bool) -> None:
    assert goal.met is met


def test_cold_start_is_judged_by_what_is_left_of_it_after_importing_torch() -> None:
    found = Results(cold_seconds={TORCH: [1.9, 1.5, 1.4]}, import_torch_seconds=[1.0, 1.2, 0.9])

    goal = _goal(found, "cold start with torch, s beyond 1.1 x import torch")

    assert goal.value == pytest.approx(0.4)
    assert not goal.met
    assert start_rows(found)[-1] == {"server": "import torch, alone", "cold start s": 1.0, "memory MiB": None}


def test_cost_is_flat_only_when_no_number_of_connections_is_dearer_than_one() -> None:
    cheap, dear = FLAWLESS, dataclasses.replace(FLAWLESS, cpu_seconds=0.6)
    found = Results(stretches={(TORCH, load): [dear if number == 4 else cheap] for number, load in AT.items()})

    goal = _goal(found, "flat cost, modelloop torch: dearest CPU/request at c=4, 16, 64 by that at c=1")

    assert goal.value == pytest.approx(1.2)
    assert not goal.met


def test_the_line_that_the_load_generator_prints_becomes_a_stretch() -> None:
    printed = (
        "Running 2s test @ http://127.0.0.1:1/\n"
        'FIGURES {"requests": 4000, "seconds": 2.0, "p50_us": 480.0, "p99_us": 900.5, "refused": 2, "broken": 1}\n'
    )

    stretch = parse(printed, cpu_seconds=1.0)

    assert (stretch.per_second, stretch.cpu_us, stretch.failed) == (2000.0, 250.0, 3)


def test_each_goal_compares_servers_and_loads_that_the_plan_drives() -> None:
    driven = {(one.name, load): _rounds(1000) for one in PLAN for load in one.loads}
    found = Results(
        stretches=driven,
        cold_seconds={one.name: [1.0] for one in PLAN},
        memory_mib={one.name: 100.0 for one in PLAN},
        import_torch_seconds=[1.0],
    )

    assert [goal.name for goal in judge(found) if goal.value is None] == []


def _goal(results: Results, name: str) -> Goal:
    return next(goal for goal in judge(results) if goal.name == name)
