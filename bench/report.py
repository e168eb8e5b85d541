"""A bench's result: rows and goals on the screen, and `bench/results/NAME.json` with the machine and versions."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """A figure that an issue names: met or not; without a value where the run could not say."""

    name: str
    target: str
    value: float | None
    met: bool


def publish(
    name: str,
    rows: list[dict[str, object]],
    goals: list[Goal],
    packages: tuple[str, ...],
    *,
    others: Mapping[str, str] | None = None,
    more: Mapping[str, list[dict[str, object]]] | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Print and store the result; returns the file.

    `others` are versions of what is not installed beside the bench, `more` are tables by their key in the file.
    """
    console = Console(width=None if os.isatty(1) else 160)
    console.print(_table(name, rows))
    for title, table in (more or {}).items():
        console.print(_table(title, table))
    console.print(_table("goals", [asdict(goal) for goal in goals]))
    content = {
        "bench": name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "kernel": platform.release()},
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
            **(others or {}),
        },
        "rows": rows,
        **(more or {}),
        "goals": [asdict(goal) for goal in goals],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _table(title: str, rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
