"""The result of the gateway's bench as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.markdown import GOALS, table, where

COLUMNS = {
    "wire": "wire", "req/s": "requests/s", "failed": "failed", "p50 ms": "p50 ms", "p99 ms": "p99 ms",
    "longest ms": "longest ms", "sent late p99 ms": "sent late p99 ms",
    "req/s per predictor core": "requests/s per predictor core", "req/s per Envoy core": "per Envoy core",
}  # fmt: skip


def tables(result: Mapping[str, Any]) -> str:
    """Machine and load in one line, then latencies and the figures per core of each wire, then the goals."""
    loads = sorted(row[when] for row in result["rows"] for when in ("load average before", "at the end"))
    line = (
        f"{where(result)}, which carry the whole cluster, Envoy, the predictors and the load generator; load average "
        f"{loads[0]:.1f} to {loads[-1]:.1f}."
    )
    cores = {row["wire"]: row for row in result["cpu"]}
    rows = [{**cores[row["wire"]], **row} for row in result["rows"]]
    return "\n\n".join([line, table(COLUMNS, rows), table(GOALS, result["goals"])])
