"""The stored result of `make bench-evidence` as tables of docs/rollout-evidence.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

EQUAL_COLUMNS = {
    "day": "day of equal versions", "days": "days", "rolled back": "rolled back",
    "upper bound %": "upper 95 % bound, %", "passed": "passed", "held": "held",
}  # fmt: skip
WORSE_COLUMNS = {
    "candidate": "candidate", "req/s": "requests/s", "days": "days", "rolled back %": "rolled back, %",
    "median min": "minutes, median", "90 % min": "90 %", "by": "by",
}  # fmt: skip


def tables(result: Mapping[str, Any]) -> str:
    """Where it ran, then equal days, the goal, and worse candidates."""
    head = f"{where(result)}; limits as by default, and a `maxLatencyP95` of 0.1 s, so that six checks share the rate."
    equal, worse = table(EQUAL_COLUMNS, result["rows"]), table(WORSE_COLUMNS, result["worse"])
    return "\n\n".join([head, equal, table(GOALS, result["goals"]), worse])
