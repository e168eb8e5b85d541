"""The stored result of `make bench-drift` as tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

NUMERIC, CATEGORICAL = 20, 5
ROW_COLUMNS = {"what": "what", "cpu s": "CPU s", "times ours": "times ours", "note": ""}


def tables(result: Mapping[str, Any]) -> str:
    """The stored result as tables of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    rows = result["run"][0]["rows of each table"]
    what = f"{rows:,} + {rows:,} rows of {NUMERIC} float32 numbers and {CATEGORICAL} columns of levels"
    head = f"{where(result)}; {what}; {versions}."
    return "\n\n".join([head, table(GOALS, result["goals"]), table(ROW_COLUMNS, result["rows"])])
