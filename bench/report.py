"""A bench's result: rows and goals on the screen, and `bench/results/NAME.json` with the machine and versions."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """A figure that an issue names: met or not."""

    name: str
    target: str
    value: float
    met: bool


def publish(name: str, rows: list[dict[str, object]], goals: list[Goal], packages: tuple[str, ...]) -> Path:
    """Print and store the result; returns the file."""
    console = Console(width=None if os.isatty(1) else 140)
    console.print(_table(name, rows))
    console.print(_table("goals", [asdict(goal) for goal in goals]))
    content = {
        "bench": name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "kernel": platform.release()},
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "rows": rows,
        "goals": [asdict(goal) for goal in goals],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _table(title: str, rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
