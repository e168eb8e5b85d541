"""docs/benchmarks.md shows what the last stored run found, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from bench.online.page import NO_VERDICT, tables
from bench.page import PAGES, Tables, marks, rewritten, with_tables

RESULT = {
    "time": "2026-03-01T12:00:00+00:00",
    "machine": {"processor": "A processor", "cores": 2},
    "versions": {"python": "3.11.7"},
    "rows": [
        {"server": "ours", "wire": "V2 JSON", "rows": 1, "connections": 64, "req/s": 61234.5, "least": 1.0, "most": 2.0,
         "p50 ms": 1.03, "p99 ms": 4.3, "CPU us/req": 16.2, "note": ""},
        {"server": "theirs", "wire": "V2 JSON", "rows": 1, "connections": 64, "req/s": None, "least": None,
         "most": None, "p50 ms": None, "p99 ms": None, "CPU us/req": None, "note": "does not start"},
    ],
    "run": [{"rounds": 5, "seconds each": 2, "load average before": 0.31}],
    "starts": [{"server": "ours", "cold start s": 1.5, "memory MiB": 227.4}],
    "goals": [{"name": "c=64", "target": ">= 12", "value": None, "met": False}],
}  # fmt: skip


@pytest.mark.parametrize(("path", "sections"), PAGES, ids=[path.stem for path, _ in PAGES])
def test_the_tables_of_a_page_are_those_of_the_stored_results(path: Path, sections: Mapping[str, Tables]) -> None:
    page = path.read_text()

    assert page == rewritten(page, sections), "python -m bench.page rewrites the page"


def test_figures_are_short_and_what_is_missing_is_a_dash() -> None:
    shown = tables(RESULT)

    assert "| ours | V2 JSON | 1 | 64 | 61,234 | 1.03 | 4.3 | 16.2 |  |" in shown
    assert "| theirs | V2 JSON | 1 | 64 | – | – | – | – | does not start |" in shown
    assert "| c=64 | >= 12 | – | no |" in shown


@pytest.mark.parametrize(
    ("rounds", "load", "told"),
    [
        pytest.param(5, 0.9, False, id="five rounds on a quiet machine"),
        pytest.param(4, 0.9, True, id="a round too few"),
        pytest.param(5, 1.0, True, id="a busy machine"),
    ],
)
def test_a_run_that_judges_nothing_says_so(rounds: int, load: float, told: bool) -> None:
    run = {"rounds": rounds, "seconds each": 2, "load average before": load}

    assert (NO_VERDICT in tables({**RESULT, "run": [run]})) is told


def test_a_page_keeps_what_stands_around_its_tables() -> None:
    begin, end = marks("online")
    page = with_tables(f"before\n{begin}\nof last year\n{end}\nafter\n", "online", tables(RESULT))

    assert page.startswith(f"before\n{begin}\n2026-03-01, A processor")
    assert page.endswith(f"|\n{end}\nafter\n")
    assert "of last year" not in page


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        with_tables("no marks", "online", "")
