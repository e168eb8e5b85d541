"""From a model and a table to a new version: infer, try, describe, write."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from modelloop_core.card import CARD_NAME, CardNotes, ModelCard
from modelloop_core.feature_schema import Output, Signature, Task
from modelloop_core.history import Identity
from modelloop_core.inference import InferenceError, Model, load_model
from modelloop_core.manifest import Lineage, Manifest
from modelloop_core.preprocessing import PREPROCESSING_NAME, Preprocessing
from modelloop_core.publishing.agreement import (
    check_output,
    check_schema,
    check_targets,
    check_threshold,
    finite_metrics,
)
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.models import ModelFile, store_model
from modelloop_core.publishing.numbering import Numbering
from modelloop_core.publishing.schema import Schema, infer_inputs
from modelloop_core.publishing.trial import (
    check_answers,
    encoder_of,
    example_of,
    infer_output,
    raw_answers,
    sample_rows,
)
from modelloop_core.registry import Files, Registry, describe
from modelloop_core.registry_errors import VersionTaken
from modelloop_core.versions import Version

_RACES = 10


@dataclass(frozen=True)
class Declared:
    """What the caller says about the model's contract; whatever is None or empty is inferred from the reference.

    `targets` names the values of a regression that has several: columns of the reference with these names are no
    features. `heads` names which of a program's several outputs make the answer.
    """

    schema: Schema | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    task: Task | None = None
    label: str | None = None
    threshold: float | None = None
    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()

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


@dataclass(frozen=True)
class Published:
    """The version that now exists; `notes` say what was decided on the caller's behalf."""

    version: Version
    manifest: Manifest
    card: ModelCard
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Tried:
    """A model that answered, with the contract that its answers keep."""

    model: ModelFile
    signature: Signature
    example: tuple[float | str | None, ...]
    notes: tuple[str, ...]


def publish_model(
    model: Any,
    frame: pd.DataFrame,
    registry: Registry,
    *,
    declared: Declared | None = None,
    about: About | None = None,
    version: Version | None = None,
) -> Published:
    """Make `model` a new version of `registry`, tried on rows of `frame`; nothing is written unless it answers.

    Without `version` the next number is taken: a minor when callers of the newest version are served as before, else a
    major. Raises PublishError, RegistryError (VersionTaken for a number that was given) and StoreError.
    """
    declared, about = declared or Declared(), about or About()
    finite_metrics(about.metrics)
    check_threshold(declared.threshold)
    check_targets(declared.targets, declared.task, declared.label)
    check_schema(declared.schema, declared.not_features)
    with tempfile.TemporaryDirectory(prefix="modelloop-publish-") as folder:
        tried = _try(model, frame, declared, Path(folder))
        numbering = Numbering.read(registry, tried.signature)
        if version is not None:
            numbering.check(version)
            return _write(registry, version, tried, declared, about)
        for _ in range(_RACES):
            version = numbering.next()
            try:
                return _write(registry, version, tried, declared, about)
            except VersionTaken:
                numbering = Numbering.read(registry, tried.signature).beyond(version)
    raise PublishError(f"{_RACES} numbers in a row were taken by other writers", "try again later")


def _try(model: Any, frame: pd.DataFrame, declared: Declared, folder: Path) -> _Tried:
    label = _label(frame, declared.label)
    inputs = declared.schema.inputs if declared.schema else infer_inputs(frame, declared.not_features)
    encoder = encoder_of(inputs, declared.preprocessing)
    sample, rows = sample_rows(inputs, frame)
    stored = store_model(model, len(encoder.columns), folder)
    loaded = _load(stored, declared.heads)
    output: Output | None = declared.schema.output if declared.schema else None
    note = None
    if output is None:
        answers = raw_answers(loaded, encoder, rows)
        output, note = infer_output(
            answers, task=declared.task, label=label, threshold=declared.threshold, targets=declared.targets
        )
    signature = Signature(inputs=inputs, output=output)
    check_output(output, task=declared.task, threshold=declared.threshold, label=label, targets=declared.targets)
    check_answers(signature, declared.preprocessing, loaded, rows)
    notes = (*stored.notes, *([note] if note else []))
    return _Tried(stored, signature, example_of(inputs, sample), notes)


def _write(registry: Registry, version: Version, tried: _Tried, declared: Declared, about: About) -> Published:
    metrics = finite_metrics(about.metrics)
    card = ModelCard.of(
        about.notes,
        model_id=about.identity.name or "model",
        version=version,
        signature=tried.signature,
        metrics=metrics,
    )
    files: Files = {
        tried.model.format.value: tried.model.path,
        PREPROCESSING_NAME: declared.preprocessing.model_dump_json(indent=2).encode(),
        CARD_NAME: card.to_yaml().encode(),
        **about.files,
    }
    manifest = Manifest(
        version=str(version),
        format=tried.model.format,
        signature=tried.signature,
        heads=declared.heads,
        files=describe(files),
        example=tried.example,
        metrics=metrics,
        lineage=about.lineage,
        created=registry.now(),
    )
    registry.publish(manifest, files, reason=about.reason, identity=about.identity)
    return Published(version, manifest, card, tried.notes)


def _load(stored: ModelFile, heads: tuple[str, ...]) -> Model:
    try:
        return load_model(stored.path, stored.format, heads=heads)
    except InferenceError as error:
        raise PublishError(f"the model cannot be loaded as it will be served: {error}") from error


def _label(frame: pd.DataFrame, name: str | None) -> pd.Series | None:
    if name is None:
        return None
    if name not in frame.columns:
        columns = ", ".join(map(str, frame.columns[:20]))
        raise PublishError(f"the reference has no label column {name!r}", f"its columns are {columns}")
    return frame[name]
