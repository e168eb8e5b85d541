"""The stored result of `make bench-batch` as tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

ROWS = {"what": "what", "in process s": "in process, s", "whole s": "whole process, s", "cpu s": "CPU s",
        "M rows/s": "M rows/s", "MB": "MB", "note": ""}  # fmt: skip
SHARDS = {"pods": "processes", "scoring s": "scoring, s", "M rows/s": "M rows/s", "whole s": "with their start, s"}


def tables(result: Mapping[str, Any]) -> str:
    """The stored result as tables of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    memory = [
        {"runtime": row["runtime"], **{key: row[key] for key in row if key.startswith("MB")}}
        for row in result["memory"]
    ]
    heads = {name: name for name in memory[0]}
    return "\n\n".join(
        [
            f"{where(result)}; {versions}.",
            table(GOALS, result["goals"]),
            table(ROWS, result["rows"]),
            table(heads, memory),
            table(SHARDS, result["shards"]),
        ]
    )
