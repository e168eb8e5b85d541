"""What becomes of one label or event, from what is known of its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from modelloop_core.drift.quality_labels import Label, WrongLabel, label_values
from modelloop_core.feature_schema import Output
from modelloop_monitor.outcomes.items import Item
from modelloop_monitor.store.outcomes import LoggedRow


@dataclass(frozen=True)
class Joined:
    """Its prediction is known."""

    prediction: LoggedRow


@dataclass(frozen=True)
class Waits:
    """No prediction has its id by now; one may come later."""


@dataclass(frozen=True)
class Already:
    """The same was told before."""


@dataclass(frozen=True)
class Refused:
    """It cannot be kept, and why."""

    reason: str


Outcome: TypeAlias = Joined | Waits | Already | Refused


def decide_label(item: Item, held: str | None, logged: Sequence[LoggedRow], outputs: Mapping[str, Output]) -> Outcome:
    """Decide on a label, `held` being what is kept of the same row as JSON; `outputs` are by reference."""
    found = {row.row: row for row in logged}.get(int(item.distinct[0]))
    output = None if found is None or found.reference is None else outputs.get(found.reference)
    if output is not None and (reason := _wrong(output, item.value)):
        return Refused(reason)
    if held is not None:
        return _compare(orjson.loads(held), item.value, output)
    if found is not None:
        return Joined(found)
    if logged:
        rows = ", ".join(str(row.row) for row in logged[:5]) + (", …" if len(logged) > 5 else "")
        return Refused(f"request {item.request_id!r} was logged with row {rows}, and not with row {item.distinct[0]}")
    return Waits()


def decide_event(item: Item, held: float | None, logged: Sequence[LoggedRow]) -> Outcome:
    """Decide on an event, `held` being the value that is kept of the same one."""
    if held is not None and held != item.value:
        hint = "several of one name need an id each"
        return Refused(f"event {item.distinct[0]!r} of this request has the value {held:g}, not {item.value!r}; {hint}")
    if held is not None:
        return Already()
    return Joined(logged[0]) if logged else Waits()


def _wrong(output: Output, label: Label) -> str:
    try:
        label_values(output, label)
    except WrongLabel as error:
        return str(error)
    return ""


def _compare(held: Label, label: Label, output: Output | None) -> Outcome:
    if held == label or (output is not None and _same(output, held, label)):
        return Already()
    return Refused(f"this row has the label {held!r}, which was told first and is kept, not {label!r}")


def _same(output: Output, held: Label, label: Label) -> bool:
    try:
        return label_values(output, held) == label_values(output, label)
    except WrongLabel:
        return False
