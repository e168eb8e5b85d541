"""The stored result of `python -m bench.evidence.ab` as tables of docs/rollout-evidence.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

EQUAL_COLUMNS = {
    "test of equal versions": "test of equal versions", "tests": "tests", "new better": "new one called better",
    "live better": "live one called better", "upper bound %": "upper 95 % bound of both, %",
}  # fmt: skip
LIMIT_COLUMNS = {
    "canary": "canary at its limit on quality", "days": "days", "failed": "failed",
    "upper bound %": "upper 95 % bound, %", "5 points less: failed %": "5 points less: failed, %",
    "after h, median": "after hours, median",
}  # fmt: skip
DIFFERING_COLUMNS = {
    "test": "test of differing versions", "tests": "tests", "days": "days", "decided rightly %": "decided rightly, %",
    "wrongly %": "wrongly, %", "median h": "hours, median", "90 % h": "90 %",
}  # fmt: skip


def tables(result: Mapping[str, Any]) -> str:
    """Where it ran, then equal versions, the limit on quality, the goals, and differing versions."""
    return "\n\n".join(
        [
            f"{where(result)}; a `falsePositiveRate` of 5 %, a split of 50 % unless the row says otherwise.",
            table(EQUAL_COLUMNS, result["rows"]),
            table(LIMIT_COLUMNS, result["limits"]),
            table(GOALS, result["goals"]),
            table(DIFFERING_COLUMNS, result["differing"]),
        ]
    )
