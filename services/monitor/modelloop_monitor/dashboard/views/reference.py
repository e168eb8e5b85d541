"""What a reference says of a version, in words."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.drift.reference import ColumnReference
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output
from modelloop_monitor.dashboard.queries.references import UsedReference
from modelloop_monitor.dashboard.wording import number

_NAMED = 6


@dataclass(frozen=True)
class Described:
    """A feature or output: of what kind, what its values were, and the share that was missing."""

    name: str
    kind: str
    values: str
    missing: float


@dataclass(frozen=True)
class ReferenceView:
    """One reference."""

    versions: tuple[str, ...]
    last: float
    digest: str
    rows: int
    answers: str
    columns: tuple[Described, ...]


def reference_view(used: UsedReference) -> ReferenceView:
    """The view of a reference."""
    reference = used.reference
    columns = [*reference.outputs.items(), *reference.features.items()]
    return ReferenceView(
        versions=used.versions,
        last=used.last,
        digest=used.digest,
        rows=reference.rows,
        answers=answers(reference.output),
        columns=tuple(_described(name, column) for name, column in columns),
    )


def answers(output: Output) -> str:
    """What a model answers."""
    match output:
        case BinaryOutput():
            return "a probability"
        case MulticlassOutput(classes=classes):
            return f"one of {len(classes)} classes: {_listed(classes)}"
        case _:
            return "a number" if len(output.names) < 2 else f"{len(output.names)} numbers: {_listed(output.names)}"


def _described(name: str, column: ColumnReference) -> Described:
    rows = column.profile.rows
    if column.bins.kind == "categorical":
        kind, values = "categorical", f"{len(column.bins.levels)} levels: {_listed(column.bins.levels)}"
    else:
        finite = sum(column.counts)
        mean = sum(column.sums) / finite if finite else None
        kind, values = f"numeric, {column.dtype}", f"mean {number(mean)}, standard deviation {number(column.sd)}"
    return Described(name, kind, values, column.null / rows if rows else 0.0)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
