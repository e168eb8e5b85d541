"""From a model and a table to a new version: infer, try, describe, write."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from modelloop_core.card import CARD_NAME, ModelCard
from modelloop_core.drift.reference import REFERENCE_NAME
from modelloop_core.feature_schema import Output, Signature
from modelloop_core.inference import Float64s, InferenceError, Model, load_model
from modelloop_core.manifest import Manifest
from modelloop_core.preprocessing import PREPROCESSING_NAME
from modelloop_core.publishing.agreement import (
    check_output,
    check_precision,
    check_schema,
    check_targets,
    check_threshold,
    finite_metrics,
)
from modelloop_core.publishing.contract import About, Declared
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.mlflow_folder import MlflowModel
from modelloop_core.publishing.mlflow_import import join
from modelloop_core.publishing.models import ModelFile, store_model
from modelloop_core.publishing.numbering import Numbering
from modelloop_core.publishing.precision import Difference, Precision, check_difference, measure, store_in
from modelloop_core.publishing.reference import Observed
from modelloop_core.publishing.schema import infer_inputs
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
class Published:
    """The version that now exists; `notes` say what was decided on the caller's behalf."""

    version: Version
    manifest: Manifest
    card: ModelCard
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """What is to become a version, complete as far as the caller and an MLmodel can say."""

    model: Any
    frame: pd.DataFrame
    declared: Declared
    about: About
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Tried:
    """A model that answered, with the contract that its answers keep and what it was observed to answer."""

    model: ModelFile
    observed: Observed
    signature: Signature
    example: tuple[float | str | None, ...]
    notes: tuple[str, ...]
    metrics: Mapping[str, float]


def publish_model(
    model: Any,
    frame: pd.DataFrame | None,
    registry: Registry,
    *,
    declared: Declared | None = None,
    about: About | None = None,
    version: Version | None = None,
) -> Published:
    """Make `model` a new version of `registry`, tried on rows of `frame`; nothing is written unless it answers.

    Only an MlflowModel, which may have an example, can do without a `frame`. Without `version` the next number is
    taken: a minor when callers of the newest version are served as before, else a major. Raises PublishError,
    RegistryError (VersionTaken for a number that was given) and StoreError.
    """
    declared, about = declared or Declared(), about or About()
    finite_metrics(about.metrics)
    check_threshold(declared.threshold)
    check_precision(declared.precision, declared.max_difference, about.metrics)
    check_targets(declared.targets, declared.task, declared.label)
    check_schema(declared.schema, declared.not_features)
    source = _source(model, frame, declared, about)
    with tempfile.TemporaryDirectory(prefix="modelloop-publish-") as folder:
        tried = _try(source, Path(folder))
        numbering = Numbering.read(registry, tried.signature)
        if version is not None:
            numbering.check(version)
            return _write(registry, version, tried, source)
        for _ in range(_RACES):
            version = numbering.next()
            try:
                return _write(registry, version, tried, source)
            except VersionTaken:
                numbering = Numbering.read(registry, tried.signature).beyond(version)
    raise PublishError(f"{_RACES} numbers in a row were taken by other writers", "try again later")


def _source(model: Any, frame: pd.DataFrame | None, declared: Declared, about: About) -> _Source:
    if isinstance(model, MlflowModel):
        imported = join(model, frame, declared)
        about = about if about.reason else replace(about, reason=model.origin)
        return _Source(model.path, imported.frame, imported.declared, about, imported.notes)
    if frame is None:
        raise PublishError("there is no reference", "give rows that the model takes")
    return _Source(model, frame, declared, about)


def _try(source: _Source, folder: Path) -> _Tried:
    model, frame, declared = source.model, source.frame, source.declared
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
    metrics: dict[str, float] = {}
    if declared.precision is not None:
        stored, difference = _in_fewer_bits(declared.precision, source, stored, loaded, rows, signature)
        metrics = difference.metrics()
        loaded = _load(stored, declared.heads)
    observed = Observed(signature, declared.preprocessing, loaded, frame)
    notes = (*source.notes, *stored.notes, *([note] if note else []), *observed.notes)
    return _Tried(stored, observed, signature, example_of(inputs, sample), notes, metrics)


def _in_fewer_bits(
    precision: Precision,
    source: _Source,
    stored: ModelFile,
    original: Model,
    rows: Float64s,
    signature: Signature,
) -> tuple[ModelFile, Difference]:
    declared = source.declared
    folder = stored.path.parent / precision.value
    folder.mkdir()
    columns = len(encoder_of(signature.inputs, declared.preprocessing).columns)
    small = store_in(precision, source.model, stored, columns, folder)
    loaded = _load(small, declared.heads)
    difference = measure(precision, original, loaded, rows, signature, declared.preprocessing)
    check_difference(difference, declared.max_difference)
    before, after = (file.path.stat().st_size for file in (stored, small))
    apart = f"answers differ by up to {difference.largest:.3g}, {difference.mean:.3g} on average"
    note = f"{precision}: {after} bytes instead of {before}; {apart}"
    return replace(small, notes=(*small.notes, note)), difference


def _write(registry: Registry, version: Version, tried: _Tried, source: _Source) -> Published:
    declared, about = source.declared, source.about
    metrics = finite_metrics({**about.metrics, **tried.metrics})
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
        REFERENCE_NAME: tried.observed.reference(registry, version).to_json(),
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
