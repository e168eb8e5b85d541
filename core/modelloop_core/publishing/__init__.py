"""`publish`: a model and rows that show what it takes become a new version of a registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from modelloop_core.card import CardNotes
from modelloop_core.feature_schema import Signature, Task
from modelloop_core.manifest import Lineage
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing.contract import About, Declared
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.mlflow_folder import MlflowModel, from_mlflow
from modelloop_core.publishing.precision import Precision
from modelloop_core.publishing.publish import Published, publish_model
from modelloop_core.publishing.schema import Schema, parse_preprocessing, parse_schema
from modelloop_core.registry import Registry
from modelloop_core.storage.open import open_store
from modelloop_core.versions import Version

__all__ = [
    "About",
    "Declared",
    "MlflowModel",
    "Precision",
    "PublishError",
    "Published",
    "Schema",
    "from_mlflow",
    "name_in",
    "parse_preprocessing",
    "parse_schema",
    "publish",
    "publish_model",
    "read_frame",
]


def publish(
    model: Any,
    frame: pd.DataFrame | Mapping[str, Any] | str | Path | None,
    *,
    registry: Registry | str,
    schema: Schema | Signature | None = None,
    preprocessing: Preprocessing | None = None,
    version: Version | str | None = None,
    task: Task | str | None = None,
    label: str | None = None,
    threshold: float | None = None,
    targets: Sequence[str] = (),
    heads: Sequence[str] = (),
    precision: Precision | str | None = None,
    max_difference: float | None = None,
    metrics: Mapping[str, float] | None = None,
    lineage: Lineage | None = None,
    reason: str = "",
    **card: Any,
) -> Published:
    """Publish `model` as a new version, or raise an error that says why not and write nothing.

    That is PublishError, RegistryError or StoreError, InvalidCard for `card` and InvalidVersion for `version`.

    `model` is a torch module, an exported or scripted program, the path of a .pt2, TorchScript or ONNX file, or what
    `from_mlflow(folder)` gives, for which `frame` may be None if MLflow saved an input example with it; it takes
    float32 [rows, columns], one column for each feature after `preprocessing`, and answers [rows] or [rows, values].
    Where it gives several outputs, `heads` says which make the answer; `targets` names the values of a regression that
    has several. `precision` stores a torch module or an ONNX file in fewer bits ("int8", "fp16"), if no answer then
    differs by more than `max_difference` (0.02: of a probability, or of the values' standard deviation). `frame` (or
    the path of a Parquet file) shows what callers send; without a `schema` its columns are the features, but for
    `label` and `targets`. `card` fills the model card: model_id, training_date, training_data, intended_use,
    limitations, owner.
    """
    declared = Declared(
        schema=Schema(inputs=schema.inputs, output=schema.output) if isinstance(schema, Signature) else schema,
        preprocessing=preprocessing or Preprocessing(),
        task=_task(task),
        label=label,
        threshold=threshold,
        targets=_names("targets", targets),
        heads=_names("heads", heads),
        precision=_precision(precision),
        max_difference=max_difference,
    )
    if isinstance(registry, str):
        card = {"model_id": name_in(registry), **card}
    about = About(notes=CardNotes.from_fields(card), metrics=metrics or {}, lineage=lineage or Lineage(), reason=reason)
    return publish_model(
        model,
        None if frame is None else read_frame(frame),
        Registry(open_store(registry)) if isinstance(registry, str) else registry,
        declared=declared,
        about=about,
        version=Version.parse(version) if isinstance(version, str) else version,
    )


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise PublishError(f"{what} is the text {names!r}", f"give a list: {what}=[{names!r}]")
    return tuple(names)


def _precision(name: Precision | str | None) -> Precision | None:
    try:
        return None if name is None else Precision(name)
    except ValueError as error:
        raise PublishError(f"there is no precision {str(name)!r}", f"give one of {', '.join(Precision)}") from error


def _task(name: Task | str | None) -> Task | None:
    try:
        return None if name is None else Task(name)
    except ValueError as error:
        raise PublishError(f"there is no task {str(name)!r}", f"give one of {', '.join(Task)}") from error


def name_in(uri: str) -> str | None:
    """The name that a registry's address suggests for its model: `churn` for `s3://models/churn`."""
    return uri.rstrip("/").rpartition("/")[2] or None


def read_frame(frame: pd.DataFrame | Mapping[str, Any] | str | Path) -> pd.DataFrame:
    """The table itself, or that of a Parquet file; raises PublishError when it cannot be read."""
    if isinstance(frame, pd.DataFrame):
        return frame
    if not isinstance(frame, str | Path):
        return pd.DataFrame(frame)
    if not Path(frame).exists():
        raise PublishError(f"there is no reference {str(frame)!r}", "give a Parquet file of rows that the model takes")
    try:
        # Nullable types: else an integer column with one null would come as a float.
        return pd.read_parquet(frame, dtype_backend="numpy_nullable")
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise PublishError(f"{str(frame)!r} is no Parquet file: {said}", "give a Parquet file") from error
