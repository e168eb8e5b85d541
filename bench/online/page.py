"""The stored result as the tables of docs/benchmarks.md; `python -m bench.online.page` rewrites them there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report import RESULTS

PAGE = Path(__file__).parents[2] / "docs/benchmarks.md"
BEGIN = "<!-- from bench/results/online.json by `python -m bench.online.page` -->"
END = "<!-- end of what is generated -->"
LOADS = {
    "server": "server", "wire": "wire", "rows": "rows", "connections": "c", "req/s": "req/s", "p50 ms": "p50 ms",
    "p99 ms": "p99 ms", "CPU us/req": "CPU µs/req", "note": "",
}  # fmt: skip
STARTS = {"server": "server", "cold start s": "cold start s", "memory MiB": "memory MiB"}
ROUNDS, BUSY = 5, 1.0
NO_VERDICT = "**Not five rounds on a quiet machine: these figures show how the bench works, and judge nothing.**"
GOALS = {"name": "goal", "target": "target", "value": "this run", "met": "met"}


def main() -> int:
    """Rewrite the page."""
    result = json.loads((RESULTS / "online.json").read_text())
    PAGE.write_text(with_tables(PAGE.read_text(), result))
    return 0


def with_tables(page: str, result: Mapping[str, Any]) -> str:
    """The page with the tables of `result` between its two marks; raises ValueError when they are not there."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no {BEGIN!r} followed by {END!r}")
    return f"{head}{BEGIN}\n{tables(result)}\n{END}{tail}"


def tables(result: Mapping[str, Any]) -> str:
    """Machine and versions in one line, then goals, loads and starts."""
    machine, versions = result["machine"], result["versions"]
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    run = result["run"][0]
    where = (
        f"{result['time'][:10]}, {machine['processor']}, {machine['cores']} cores, load average before the run "
        f"{run['load average before']:.1f}; {run['rounds']} rounds of {run['seconds each']} s; {told}."
    )
    verdict = "" if run["rounds"] >= ROUNDS and run["load average before"] < BUSY else f"\n\n{NO_VERDICT}"
    parts = [_table(GOALS, result["goals"]), _table(LOADS, result["rows"]), _table(STARTS, result["starts"])]
    return "\n\n".join([where + verdict, *parts])


def _table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    numeric = [name for name in columns if any(isinstance(row[name], int | float) for row in rows)]
    rules = ["--:" if name in numeric else "---" for name in columns]
    return "\n".join(
        _line(cells) for cells in (columns.values(), rules, *([_cell(row[c]) for c in columns] for row in rows))
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        case _:
            return str(value)


if __name__ == "__main__":
    sys.exit(main())
