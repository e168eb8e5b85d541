"""Opens a verified version's folder and proves that it answers; whatever cannot be served is refused here."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from modelloop_core.feature_schema import CategoricalFeature, Feature, Signature
from modelloop_core.inference import Float64s, Scorer, load_model
from modelloop_core.manifest import MANIFEST_NAME, Manifest
from modelloop_core.preprocessing import PREPROCESSING_NAME, Preprocessing, PreprocessingError
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.answers import AnswerWriter
from modelloop_predictor.fallback import FallbackAnswers, FallbackMisfit
from modelloop_predictor.fast_rows import FastReader
from modelloop_predictor.parsing import Envelope
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.quick import QuickCodec, quick_codec
from modelloop_predictor.v2.rest import RestCodec
from modelloop_predictor.validation import RowReader

if TYPE_CHECKING:
    from modelloop_predictor.older_version import OlderVersion

CARD_NAME = "card.yaml"
QUICK_SECONDS = 0.002
"""Longest that a batch may take on the event loop."""

Cell = float | str | None


class UnusableVersion(Exception):
    """The version's files are whole, but can never be served like this; `reason` is one word."""

    retriable = False

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class LoadedVersion:
    """A version that can answer: its manifest and card, and the pieces from a request's rows to an answer.

    `fingerprint` (64 bytes) is that of everything that decides about an answer. `quick` says that a batch is sure to be
    over in a moment, so that it needs no thread of its own. `reference` is its reference.json, where there is a monitor
    to count for.
    """

    manifest: Manifest
    card: str | None
    preprocessing: Preprocessing
    scorer: Scorer
    rows: RowReader
    fast: FastReader
    answers: AnswerWriter
    contract: Contract
    rest: RestCodec
    fingerprint: bytes
    infer: QuickCodec | None
    fallback: FallbackAnswers | OlderVersion | None = None
    quick: bool = False
    unseen: UnseenLevels = NOT_NOTED
    reference: bytes | None = None

    @property
    def example(self) -> dict[str, Cell]:
        """One valid row by feature name: the manifest's example, or one made from the signature."""
        return _example(self.manifest)


def open_version(folder: Path, settings: PredictorEnvironment) -> LoadedVersion:
    """Load the version in `folder`; raises UnusableVersion or InferenceError."""
    manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    signature = manifest.signature
    if settings.task is not None and settings.task != signature.task:
        raise UnusableVersion(
            "TaskMismatch", f"version {manifest.version} answers {signature.task}, but the task is {settings.task}"
        )
    preprocessing = _preprocessing(folder, manifest)
    model = load_model(
        folder / manifest.model_file,
        manifest.format,
        heads=manifest.heads,
        device=settings.device,
        threads=settings.threads,
    )
    try:
        scorer = Scorer(signature, preprocessing, model)
    except PreprocessingError as error:
        raise UnusableVersion("PreprocessingInvalid", str(error)) from error
    served_name = Version.parse(manifest.version).served_name
    fallback = _fallback(signature, settings)
    unseen = UnseenLevels(_told_levels(signature, settings))
    contract = Contract(signature, settings.served_model, served_name, settings.entity_key, unseen)
    return LoadedVersion(
        manifest=manifest,
        card=_text(folder, manifest, CARD_NAME),
        preprocessing=preprocessing,
        scorer=scorer,
        rows=RowReader(signature, unseen),
        fast=FastReader(signature, settings.entity_key, unseen=unseen),
        answers=AnswerWriter(signature.output, served_name),
        contract=contract,
        rest=RestCodec(contract),
        fingerprint=hashlib.blake2b(f"{settings.device} {manifest.model_dump_json()}".encode()).digest(),
        infer=quick_codec(signature, contract),
        fallback=fallback,
        unseen=unseen,
        reference=_reference(folder, manifest) if settings.monitor_url else None,
    )


def warm_up(version: LoadedVersion, largest_batch: int) -> LoadedVersion:
    """The version once its model has answered its example, alone and in batches; raises UnusableVersion, PredictError.

    It is quick when no value can prolong its program and the largest batch took 2 ms at the most.
    """
    row, seconds = example_row(version), 0.0
    # Several times each: TorchScript compiles for a shape when it sees it for the second time.
    for rows in [size for size in (1, 2, 16, largest_batch) for _ in range(3)]:
        started = time.perf_counter()
        values = version.scorer.predict(np.repeat(row, rows, axis=0)).tolist()
        seconds = time.perf_counter() - started
        version.answers.write(values, many=rows > 1, request_id="warm-up")
    return replace(version, quick=seconds <= QUICK_SECONDS and not version.scorer.open_ended)


def example_row(version: LoadedVersion) -> Float64s:
    """float64 [1, features] of the version's example; raises UnusableVersion."""
    envelope = Envelope(rows=[version.example], many=False, request_id=None, entity=None)
    try:
        return version.rows.read(envelope)
    except ProblemError as error:
        raise UnusableVersion(
            "ExampleInvalid", f"the manifest's example is no valid request: {error.detail}"
        ) from error


def _told_levels(signature: Signature, settings: PredictorEnvironment) -> list[str]:
    """The features of whose unseen levels the monitor is told the names: none that may not be written anywhere."""
    if settings.monitor_url is None:
        return []
    excluded = settings.capture.exclude if settings.capture else ()
    return [one.name for one in signature.inputs if isinstance(one, CategoricalFeature) and one.name not in excluded]


def _reference(folder: Path, manifest: Manifest) -> bytes | None:
    # Here and not above: it costs time of every start that does not need it.
    from modelloop_core.drift.reference import REFERENCE_NAME

    return (folder / REFERENCE_NAME).read_bytes() if REFERENCE_NAME in manifest.files else None


def _fallback(signature: Signature, settings: PredictorEnvironment) -> FallbackAnswers | None:
    # Another version is loaded once this one answers.
    if settings.fallback is None or settings.fallback.version is not None:
        return None
    try:
        return FallbackAnswers(settings.fallback, signature)
    except FallbackMisfit as error:
        version = settings.model_version
        raise UnusableVersion("FallbackInvalid", f"serving.fallback does not fit version {version}: {error}") from error


def _preprocessing(folder: Path, manifest: Manifest) -> Preprocessing:
    text = _text(folder, manifest, PREPROCESSING_NAME)
    if text is None:
        return Preprocessing()
    try:
        return Preprocessing.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise UnusableVersion("PreprocessingInvalid", f"{PREPROCESSING_NAME}: {where}: {fault['msg']}") from error


def _text(folder: Path, manifest: Manifest, name: str) -> str | None:
    if name not in manifest.files:
        return None
    try:
        return (folder / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnusableVersion("NotText", f"{name} is not UTF-8 text: {error}") from error


def _example(manifest: Manifest) -> dict[str, Cell]:
    inputs = manifest.signature.inputs
    if not manifest.example:
        return {feature.name: _valid_cell(feature) for feature in inputs}
    if len(manifest.example) != len(inputs):
        raise UnusableVersion(
            "ExampleInvalid", f"the manifest's example has {len(manifest.example)} values for {len(inputs)} features"
        )
    cells = zip(inputs, manifest.example, strict=True)
    return {feature.name: _written(feature, cell) for feature, cell in cells}


def _valid_cell(feature: Feature) -> Cell:
    if isinstance(feature, CategoricalFeature):
        return feature.levels[0]
    low = feature.minimum if feature.minimum is not None else min(0.0, feature.maximum or 0.0)
    return _written(feature, float(np.ceil(low)) if feature.dtype in ("int64", "bool") else low)


def _written(feature: Feature, cell: Cell) -> Cell:
    """A manifest holds floats; a person writes 3 for a whole number and true for a flag."""
    if isinstance(feature, CategoricalFeature) or not isinstance(cell, float) or not cell.is_integer():
        return cell
    if feature.dtype == "bool":
        return bool(cell)
    return int(cell) if feature.dtype == "int64" else cell
