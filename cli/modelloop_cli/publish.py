"""`modelloop publish`: a model file and a table become a new version."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.options import (
    CAFileOption,
    EndpointOption,
    NewVersionOption,
    OutputOption,
    RegionOption,
    RegistryOption,
    open_registry,
)
from modelloop_cli.output import Output, print_json, print_lines
from modelloop_core.feature_schema import Task

if TYPE_CHECKING:
    from modelloop_core.publishing import About, Declared, Published


class Precision(StrEnum):
    """What publishing can store a model in; said here too, so that --help loads no numerics."""

    INT8 = "int8"
    FP16 = "fp16"


def _file(explanation: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, help=explanation)


def publish(
    registry: RegistryOption,
    model: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A .pt2, TorchScript or ONNX file.")
    ] = None,
    from_mlflow: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, metavar="FOLDER", help="Instead of MODEL: a model saved by MLflow."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Parquet: rows that show what callers send, and perhaps the label. Needed, but for a model saved by "
            "MLflow with an input example.",
        ),
    ] = None,
    schema: Annotated[Path | None, _file("YAML with inputs (and output); absent means inferred.")] = None,
    preprocessing: Annotated[Path | None, _file("YAML with the steps of each feature.")] = None,
    version: NewVersionOption = None,
    label: Annotated[str | None, typer.Option(help="Column of the reference that is predicted, not given.")] = None,
    task: Annotated[Task | None, typer.Option(help="What a prediction is; absent means inferred.")] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Binary: positive from here on.")] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One of the values of a regression with several; repeated.")
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An output to serve, of a model that gives several; may be repeated."),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Store an ONNX model in fewer bits, after measuring what that changes.")
    ] = None,
    max_difference: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="With --precision: what an answer may differ by, as probability or in standard deviations; 0.02.",
        ),
    ] = None,
    card: Annotated[Path | None, _file("YAML: model_id, training_data, intended_use, owner …")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A metric; may be repeated.")] = None,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a model on rows of a reference and write it as a new version."""
    metrics = _metrics(metric or [])
    if (model is None) == (from_mlflow is None):
        raise typer.BadParameter("give a model file, or --from-mlflow with a folder; one of the two")
    if reference is None and model is not None:
        raise typer.BadParameter("a model file needs one; give rows that the model takes", param_hint="--reference")
    # Late: this loads pandas, which no other command needs.
    from modelloop_core import publishing

    published = publishing.publish_model(
        publishing.from_mlflow(from_mlflow) if from_mlflow else model,
        publishing.read_frame(reference) if reference else None,
        open_registry(registry, endpoint, region, ca_file),
        declared=_declared(
            schema,
            preprocessing,
            task=task,
            label=label,
            threshold=threshold,
            targets=tuple(target or ()),
            heads=tuple(head or ()),
            precision=precision,
            max_difference=max_difference,
        ),
        about=_about(card, metrics, registry),
        version=version,
    )
    _show(published, registry, output)


def _declared(schema: Path | None, preprocessing: Path | None, **said: Any) -> Declared:
    from modelloop_core import publishing

    if schema:
        said["schema"] = publishing.parse_schema(schema.read_bytes())
    if preprocessing:
        said["preprocessing"] = publishing.parse_preprocessing(preprocessing.read_bytes())
    if said["precision"]:
        said["precision"] = publishing.Precision(said["precision"].value)
    return publishing.Declared(**said)


def _about(card: Path | None, metrics: dict[str, float], registry: str) -> About:
    from modelloop_core.card import CardNotes
    from modelloop_core.publishing import About, name_in

    notes = CardNotes.from_yaml(card.read_bytes()) if card else CardNotes()
    named = notes.model_copy(update={"model_id": notes.model_id or name_in(registry)})
    return About(notes=named, metrics=metrics)


def _metrics(texts: list[str]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name or not math.isfinite(number):
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE with a finite number", param_hint="--metric")
        if name in metrics:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint="--metric")
        metrics[name] = number
    return metrics


def _show(published: Published, registry: str, output: Output) -> None:
    manifest = published.manifest
    if output is Output.JSON:
        document: dict[str, Any] = {"version": str(published.version), "notes": list(published.notes)}
        print_json({**document, "manifest": manifest.model_dump(mode="json")})
        return
    inputs = ", ".join(manifest.signature.feature_names[:8]) + (", …" if len(manifest.signature.inputs) > 8 else "")
    print_lines(
        f"published {published.version} to {registry}",
        f"  {manifest.signature.task} model in {manifest.format.value}, takes {inputs}",
        *(f"  note: {note}" for note in published.notes),
        f"  try it: modelloop serve --registry {registry} --version {published.version}",
    )
