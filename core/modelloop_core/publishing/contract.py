"""What a caller says about a model that is to be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelloop_core.card import CardNotes
from modelloop_core.feature_schema import Task
from modelloop_core.history import Identity
from modelloop_core.manifest import Lineage
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing.precision import Precision
from modelloop_core.publishing.schema import Schema


@dataclass(frozen=True)
class Declared:
    """What the caller says about the model's contract; whatever is None or empty is inferred from the reference.

    `targets` names the values of a regression that has several: columns of the reference with these names are no
    features. `heads` names which of a program's several outputs make the answer. `precision` asks for fewer bits,
    whose answers may differ from the original's by `max_difference` at the most.
    """

    schema: Schema | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    task: Task | None = None
    label: str | None = None
    threshold: float | None = None
    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    precision: Precision | None = None
    max_difference: float | None = None

    @property
    def not_features(self) -> tuple[str, ...]:
        """Columns of the reference that are predicted, not given."""
        return self.targets if self.label is None else (self.label, *self.targets)


@dataclass(frozen=True)
class About:
    """What goes with a version besides the model: card, metrics, where it came from, and more files by name."""

    notes: CardNotes = field(default_factory=CardNotes)
    metrics: Mapping[str, float] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    reason: str = ""
    identity: Identity = field(default_factory=Identity)
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
