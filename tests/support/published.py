"""Publishes small real versions into a folder registry, as `modelloop publish` would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from modelloop_core.drift.reference import REFERENCE_NAME, Reference, build_reference
from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
)
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.preprocessing import Encode, Impute, Preprocessing, Scale
from modelloop_core.registry import Files, Registry, describe
from modelloop_core.storage.directory import DirectoryStore
from support import model_files

AGE = NumericFeature(name="age", dtype="int64", minimum=0, maximum=120)
INCOME = NumericFeature(name="income", nullable=True)
MEMBER = NumericFeature(name="member", dtype="bool")
REGION = CategoricalFeature(name="region", levels=("north", "south", "3"))
DEVICE = CategoricalFeature(name="device", levels=("phone", "desktop"), open=True, nullable=True)

PEOPLE = Signature(inputs=(AGE, INCOME, MEMBER, REGION, DEVICE), output=BinaryOutput())
"""Every kind of feature; eight columns after PEOPLE_STEPS."""

PEOPLE_STEPS = Preprocessing(
    features={
        "age": (Scale(center=40, scale=10),),
        "income": (Impute(value=0), Scale(center=0, scale=1000)),
        "region": (Encode(method="one-hot"),),
        "device": (Encode(method="one-hot"),),
    }
)
PEOPLE_COLUMNS = 8
PERSON = (31, 2500.0, True, "north", "phone")


def pair(output: Output | None = None) -> Signature:
    """Two plain numbers in, by default a probability out."""
    inputs = (NumericFeature(name="first"), NumericFeature(name="second"))
    return Signature(inputs=inputs, output=output or BinaryOutput())


THREE_CLASSES = MulticlassOutput(classes=("red", "green", "blue"))
A_VALUE = RegressionOutput()
TWO_VALUES = RegressionOutput(names=("mean", "largest"))


def publish(
    registry: Path,
    model: Path,
    signature: Signature,
    *,
    number: str = "1.2.3",
    preprocessing: Preprocessing | None = None,
    example: tuple[float | str | None, ...] = (),
    more_files: Mapping[str, bytes] | None = None,
    heads: tuple[str, ...] = (),
) -> Manifest:
    """Make version `number` of the model file exist below the folder `registry`."""
    files: Files = {model.name: model, **(more_files or {})}
    if preprocessing is not None:
        files = {**files, "preprocessing.json": preprocessing.model_dump_json().encode()}
    manifest = Manifest(
        version=number,
        format=ModelFormat(model.name),
        signature=signature,
        heads=heads,
        files=describe(files),
        example=example,
        metrics={"auc": 0.9},
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    Registry(DirectoryStore(registry)).publish(manifest, files)
    return manifest


def publish_people(
    registry: Path, scratch: Path, *, reference: Reference | None = None, number: str = "1.2.3"
) -> Manifest:
    """A TorchScript model over PEOPLE with all its preprocessing and a card, perhaps with a reference."""
    model = model_files.torchscript(model_files.Logistic(), scratch / ModelFormat.TORCHSCRIPT.value)
    files = {"card.yaml": b"model_id: people\ntraining_date: 2026-03-01\n"}
    if reference is not None:
        files[REFERENCE_NAME] = reference.to_json()
    return publish(registry, model, PEOPLE, number=number, preprocessing=PEOPLE_STEPS, example=PERSON, more_files=files)


def people_reference(rows: int = 500) -> Reference:
    """What people looked like when the version was published: drawn, not real."""
    drawn = np.random.default_rng(20261127)
    income = np.where(drawn.random(rows) < 0.1, np.nan, drawn.lognormal(8, 1, rows))
    columns = [drawn.integers(18, 90, rows), income, drawn.integers(0, 2, rows), drawn.integers(0, 3, rows)]
    matrix = np.column_stack([*columns, drawn.integers(0, 2, rows)]).astype(np.float64)
    return build_reference(PEOPLE, matrix, drawn.random(rows))
