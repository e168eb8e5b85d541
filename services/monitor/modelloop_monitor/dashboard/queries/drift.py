"""Judged windows of a model, and what one column held in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

from sqlalchemy import Connection

from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import ColumnReference
from modelloop_core.wire.reports import ColumnReport
from modelloop_core.wire.settings import DriftSettings
from modelloop_monitor.checking import References
from modelloop_monitor.counts import Counted
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.problems import NOT_FOUND, ProblemError
from modelloop_monitor.store import models, reports, windows
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.windows import Group

_MOST_REFERENCES = 4


@dataclass(frozen=True)
class ColumnInWindow:
    """One column of one window: what was said, and both sides' counts; None where these are not kept any more."""

    window: JudgedWindow
    report: ColumnReport
    settings: DriftSettings
    reference: ColumnReference | None
    current: ColumnProfile | None


def read_windows(connection: Connection, model: Model, most: int) -> list[JudgedWindow]:
    """The last `most` judged windows for each of the last references, oldest first."""
    return reports.between(connection, model, 0, 1e12, most * _MOST_REFERENCES)


def read_settings(connection: Connection, model: Model) -> DriftSettings:
    """By which bands and rates the model is judged."""
    return models.settings(connection, [model])[model].drift


def read_column(
    connection: Connection, references: References, model: Model, *, since: int, digest: str, part: str, name: str
) -> ColumnInWindow:
    """The column in the window that begins at `since`, of the reference whose digest begins so; raises 404."""
    found = [
        window
        for window in reports.between(connection, model, since, since + 1, 2 * _MOST_REFERENCES)
        if window.since == since and window.reference.startswith(digest)
    ]
    told = [
        (window, column) for window in found for column in window.columns if (column.part, column.name) == (part, name)
    ]
    if not told:
        raise ProblemError(NOT_FOUND, f"no window that was judged begins at {since} and has the {part} {name!r}")
    window, report = told[-1]
    reference = references.whole(window.reference)
    columns = None if reference is None else reference.features if part == "feature" else reference.outputs
    return ColumnInWindow(
        window,
        report,
        read_settings(connection, model),
        None if columns is None else columns.get(name),
        _counted(connection, model, window, part, name),
    )


def _counted(connection: Connection, model: Model, window: JudgedWindow, part: str, name: str) -> ColumnProfile | None:
    group = Group(*model, window.reference, window.until - window.since, window.since)
    held = windows.held(connection, group)
    total = reduce(add, (one.counted for one in held), Counted())
    column = (total.features if part == "feature" else total.outputs).get(name)
    return None if column is None else column.profile
