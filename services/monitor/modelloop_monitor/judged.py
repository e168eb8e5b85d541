"""What was said of one window: as it is kept, and as it follows from what was said of the window before."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.drift.persistence import Streak, advance
from modelloop_core.wire.reports import ColumnReport, Level


class ColumnStreak(BaseModel):
    """For how many windows in a row a column has drifted, since which one, and whether that is long enough."""

    model_config = ConfigDict(frozen=True)

    consecutive: int
    drifting: bool
    since: int


class JudgedWindow(BaseModel):
    """One window of the versions that share a reference; `versions` are their rows, `streaks` by `part:name`."""

    model_config = ConfigDict(frozen=True)

    reference: str
    since: int
    until: int
    versions: dict[str, int]
    rows: int
    verdict: Level
    columns: tuple[ColumnReport, ...]
    message: str
    streaks: dict[str, ColumnStreak] = Field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version with most rows."""
        return max(self.versions, key=lambda version: (self.versions[version], version))

    @property
    def drifting(self) -> tuple[ColumnReport, ...]:
        """The columns whose drift lasted, the worst first."""
        return tuple(column for column in self.columns if (found := self.streak(column)) and found.drifting)

    def streak(self, column: ColumnReport) -> ColumnStreak | None:
        """The column's streak, if it has one."""
        return self.streaks.get(key_of(column))

    def after(self, before: JudgedWindow | None, consecutive_windows: int) -> JudgedWindow:
        """With the streaks that follow from those of the window before it."""
        known: Mapping[str, ColumnStreak] = before.streaks if before is not None else {}
        streaks, columns = {}, []
        for column in self.columns:
            found = _advanced(known.get(key_of(column)), column, consecutive_windows, self.since)
            columns.append(column.model_copy(update={"consecutive": found.consecutive}))
            if found.consecutive or found.drifting:
                streaks[key_of(column)] = found
        return self.model_copy(update={"columns": tuple(columns), "streaks": streaks})


def key_of(column: ColumnReport) -> str:
    """A feature may have an output's name."""
    return f"{column.part}:{column.name}"


def _advanced(known: ColumnStreak | None, column: ColumnReport, consecutive_windows: int, since: int) -> ColumnStreak:
    if column.role == "ignore":
        return ColumnStreak(consecutive=0, drifting=False, since=since)
    before = Streak() if known is None else Streak(known.consecutive, known.drifting)
    after = advance(before, column.verdict, column.severity, consecutive_windows)
    began = since if known is None or not (before.consecutive or before.drifting) else known.since
    return ColumnStreak(consecutive=after.consecutive, drifting=after.drifting, since=began)
