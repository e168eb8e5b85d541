"""Judges one window: counts of all versions of a reference against it, and, to inform, against the window before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import ColumnReference, Reference
from modelloop_core.drift.statistics import compare_all
from modelloop_core.drift.verdicts import judge
from modelloop_core.wire.reports import ColumnReport
from modelloop_core.wire.settings import DriftSettings
from modelloop_monitor.counts import Counted
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.store.windows import Group, Held

_MOST_NAMED = 10


def judge_window(
    group: Group,
    held: Sequence[Held],
    previous: Sequence[Held],
    reference: Reference,
    settings: DriftSettings,
    *,
    design_effect: float,
) -> JudgedWindow:
    """What is to be said of a window that holds something; its streaks are still those of no window before it."""
    counted = _total(held)
    unseen = {
        name: sorted(column.unseen, key=lambda level: -column.unseen[level])[:_MOST_NAMED]
        for name, column in counted.features.items()
        if column.unseen
    }
    verdict = judge(reference, counted.profile(reference), settings, design_effect=design_effect, unseen=unseen)
    moved = _moved(reference, counted, _total(previous)) if previous else {}
    return JudgedWindow(
        reference=group.reference,
        since=group.since,
        until=group.until,
        versions={one.version: one.rows for one in held},
        rows=counted.rows,
        verdict=verdict.level,
        columns=tuple(_with_previous(column, moved) for column in verdict.columns),
        message=verdict.message,
    )


def _total(held: Sequence[Held]) -> Counted:
    return reduce(add, (one.counted for one in held), Counted())


def _moved(reference: Reference, counted: Counted, previous: Counted) -> dict[tuple[str, str], float | None]:
    """The PSI of each column against the window before, by part and name."""
    now, then = counted.profile(reference), previous.profile(reference)
    found = {}
    for part, columns, current, past in (
        ("feature", reference.features, now.features, then.features),
        ("output", reference.outputs, now.outputs, then.outputs),
    ):
        as_references = {name: _as_reference(column, past[name]) for name, column in columns.items()}
        for name, statistics in compare_all(as_references, current, 1.0).items():
            found[part, name] = statistics.psi
    return found


def _as_reference(column: ColumnReference, past: ColumnProfile) -> ColumnReference:
    return column.model_copy(
        update={
            "counts": tuple(past.counts.tolist()),
            "sums": tuple(past.sums.tolist()),
            "null": past.null,
            "positive_infinite": past.positive_infinite,
            "negative_infinite": past.negative_infinite,
        }
    )


def _with_previous(column: ColumnReport, moved: dict[tuple[str, str], float | None]) -> ColumnReport:
    return column.model_copy(update={"psi_previous": moved.get((column.part, column.name))})
