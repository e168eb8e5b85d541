"""Drift over time: a row for each feature and output, a cell for each window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_monitor.judged import JudgedWindow, key_of

MOST_ROWS = 50
_DIGEST = 12
_BADNESS = (Level.NO_DATA, Level.INSUFFICIENT, Level.STABLE, Level.TREND, Level.MODERATE, Level.DRIFT)


@dataclass(frozen=True)
class Cell:
    """What was said of a column in a window; `path` leads to it from the model's drift page."""

    level: Level
    severity: float | None
    path: str


@dataclass(frozen=True)
class HeatRow:
    """A feature or an output; a cell is None where its window does not have the column."""

    name: str
    part: str
    role: str
    consecutive: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class HeatMap:
    """Windows oldest first, and rows, outputs before features and what is worse before what is better.

    `references` are all there are, by the start of their digest, with the versions that answered under them last.
    """

    windows: tuple[JudgedWindow, ...]
    rows: tuple[HeatRow, ...]
    left_out: int
    references: Mapping[str, str]
    reference: str

    @property
    def last(self) -> JudgedWindow:
        """The newest window."""
        return self.windows[-1]


def heat_map(judged: Sequence[JudgedWindow], *, most: int, reference: str, whole: bool) -> HeatMap | None:
    """The last `most` windows of one reference, by default that of the newest; `whole` leaves out no row."""
    if not judged:
        return None
    references = {window.reference[:_DIGEST]: ", ".join(sorted(window.versions)) for window in judged}
    chosen = reference if reference in references else judged[-1].reference[:_DIGEST]
    windows = tuple(window for window in judged if window.reference.startswith(chosen))[-most:]
    rows = _rows(windows, chosen)
    shown = rows if whole else rows[:MOST_ROWS]
    return HeatMap(windows, tuple(shown), len(rows) - len(shown), references, chosen)


def _rows(windows: Sequence[JudgedWindow], reference: str) -> list[HeatRow]:
    columns: dict[str, list[ColumnReport | None]] = {}
    for place, window in enumerate(windows):
        for column in window.columns:
            columns.setdefault(key_of(column), [None] * len(windows))[place] = column
    rows = [_row(found, windows, reference) for found in columns.values()]
    return sorted(rows, key=lambda row: (row.part != "output", row.role == "ignore", _goodness(row), row.name))


def _row(found: Sequence[ColumnReport | None], windows: Sequence[JudgedWindow], reference: str) -> HeatRow:
    last = next(column for column in reversed(found) if column is not None)
    cells = tuple(
        None if column is None else _cell(column, window, reference)
        for column, window in zip(found, windows, strict=True)
    )
    return HeatRow(last.name, last.part, last.role, last.consecutive, cells)


def _cell(column: ColumnReport, window: JudgedWindow, reference: str) -> Cell:
    return Cell(column.verdict, column.severity, f"{window.since}/{reference}/{column.part}/{column.name}")


def _goodness(row: HeatRow) -> tuple[int, float]:
    told = [cell for cell in row.cells if cell is not None]
    worst = max((_BADNESS.index(cell.level) for cell in told), default=0)
    return -worst, -max((cell.severity or 0.0 for cell in told), default=0.0)
