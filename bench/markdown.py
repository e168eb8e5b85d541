"""Rows of a result as a table of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GOALS = {"name": "goal", "target": "target", "value": "this run", "met": "met"}


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The named columns of `rows` under the titles that `columns` gives them; numbers to the right, None as a dash."""
    numeric = [name for name in columns if any(isinstance(row[name], int | float) for row in rows)]
    rules = ["--:" if name in numeric else "---" for name in columns]
    return "\n".join(
        _line(cells) for cells in (columns.values(), rules, *([_cell(row[c]) for c in columns] for row in rows))
    )


def where(result: Mapping[str, Any]) -> str:
    """When and on what a result was measured."""
    machine = result["machine"]
    return f"{result['time'][:10]}, {machine['processor']}, {machine['cores']} cores"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        case _:
            return str(value)
