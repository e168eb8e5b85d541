"""The result of the online bench as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

LOADS = {
    "server": "server", "wire": "wire", "rows": "rows", "connections": "c", "req/s": "req/s", "p50 ms": "p50 ms",
    "p99 ms": "p99 ms", "CPU us/req": "CPU µs/req", "note": "",
}  # fmt: skip
STARTS = {"server": "server", "cold start s": "cold start s", "memory MiB": "memory MiB"}
ROUNDS, BUSY = 5, 1.0
NO_VERDICT = "**Not five rounds on a quiet machine: these figures show how the bench works, and judge nothing.**"


def tables(result: Mapping[str, Any]) -> str:
    """Machine and versions in one line, then goals, loads and starts."""
    told = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    run = result["run"][0]
    line = (
        f"{where(result)}, load average before the run {run['load average before']:.1f}; {run['rounds']} rounds of "
        f"{run['seconds each']} s; {told}."
    )
    verdict = "" if run["rounds"] >= ROUNDS and run["load average before"] < BUSY else f"\n\n{NO_VERDICT}"
    parts = [table(GOALS, result["goals"]), table(LOADS, result["rows"]), table(STARTS, result["starts"])]
    return "\n\n".join([line + verdict, *parts])
