"""Reads the folder that MLflow saves a model in, without MLflow: which file holds it, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from modelloop_core.publishing.errors import PublishError

MLMODEL_NAME = "MLmodel"
_TORCH_FILES = ("model.pt2", "model.pth")
_LOG_AGAIN = (
    "log it again as a program: mlflow.onnx.log_model, mlflow.pytorch.log_model of torch.jit.script(model), or with "
    "serialization_format='pt2' and an input example of two rows or more"
)


@dataclass(frozen=True)
class Column:
    """A column that the model takes: MLflow's type (double, float, integer, long, boolean, string)."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Matrix:
    """One tensor of floats that the model takes, with `width` columns without names."""

    width: int


@dataclass(frozen=True)
class MlflowModel:
    """A model of an MLflow folder: its file, what its signature says, its example, and where it came from.

    `inputs` is None, and `outputs` empty, where the MLmodel has no signature; `outputs` are the names, "" for none.
    """

    path: Path
    inputs: tuple[Column, ...] | Matrix | None
    outputs: tuple[str, ...]
    example: pd.DataFrame | None
    origin: str


def from_mlflow(folder: str | Path) -> MlflowModel:
    """Read an MLflow model's folder; raises PublishError for what cannot be served, saying what to do."""
    folder = Path(folder)
    document = _document(folder)
    signature = document.get("signature") or {}
    if _specs(signature, "params"):
        found = "the MLmodel's signature has params, and a served model takes features alone"
        raise PublishError(found, "log it without params")
    return MlflowModel(
        path=_model_file(folder, document.get("flavors") or {}),
        inputs=_inputs(_specs(signature, "inputs")),
        outputs=tuple(str(spec.get("name") or "") for spec in _specs(signature, "outputs")),
        example=_example(folder, document.get("saved_input_example_info")),
        origin=_origin(document),
    )


def _document(folder: Path) -> dict[str, Any]:
    import yaml

    path = folder / MLMODEL_NAME
    hint = f"give the folder that MLflow saved, in which a file {MLMODEL_NAME} lies"
    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise PublishError(
            f"{str(folder)!r} is no folder of an MLflow model: {error.strerror}: {path}", hint
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PublishError(f"{path} is not YAML: {' '.join(str(error).split())}", hint) from error
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise PublishError(f"{path} names no flavors of a model", hint)
    return found


def _model_file(folder: Path, flavors: Mapping[str, Any]) -> Path:
    if "onnx" in flavors:
        return _inside(folder, (flavors["onnx"] or {}).get("data"), "flavors.onnx.data")
    if "pytorch" in flavors:
        data = _inside(folder, (flavors["pytorch"] or {}).get("model_data"), "flavors.pytorch.model_data")
        return _torch_file(data)
    found = ", ".join(sorted(flavors)) or "none"
    raise PublishError(f"the MLmodel's flavors are {found}, and neither onnx nor pytorch is among them", _LOG_AGAIN)


def _torch_file(data: Path) -> Path:
    for name in _TORCH_FILES:
        if (data / name).is_file():
            return data / name
    raise PublishError(f"there is neither {' nor '.join(_TORCH_FILES)} in {data}", "is the folder whole?")


def _inside(folder: Path, relative: Any, key: str) -> Path:
    if not isinstance(relative, str) or not relative:
        raise PublishError(f"the MLmodel's {key} is {relative!r}, expected a path in the folder", "is it whole?")
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PublishError(f"the MLmodel's {key} is {relative!r}, which leads out of the folder", "correct it")
    if not path.exists():
        raise PublishError(f"the MLmodel's {key} is {relative!r}, and there is no {path}", "is the folder whole?")
    return path


def _specs(signature: Any, side: str) -> list[dict[str, Any]]:
    """MLflow writes each side of a signature as JSON inside its YAML."""
    text = signature.get(side) if isinstance(signature, dict) else signature
    if text is None:
        return []
    try:
        specs = json.loads(text)
    except (TypeError, ValueError) as error:
        raise PublishError(f"the MLmodel's signature.{side} is no JSON: {error}", "log the model again") from error
    if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
        raise PublishError(f"the MLmodel's signature.{side} is no list of columns or tensors", "log the model again")
    return specs


def _inputs(specs: list[dict[str, Any]]) -> tuple[Column, ...] | Matrix | None:
    if not specs:
        return None
    if any(spec.get("type") == "tensor" for spec in specs):
        return _matrix(specs)
    unnamed = [spec for spec in specs if not isinstance(spec.get("name"), str)]
    if unnamed:
        raise PublishError(
            f"{len(unnamed)} of the {len(specs)} columns of the MLmodel's signature have no name",
            "log it with named columns, or as one tensor",
        )
    return tuple(Column(spec["name"], str(spec.get("type")), spec.get("required") is not False) for spec in specs)


def _matrix(specs: list[dict[str, Any]]) -> Matrix:
    about = specs[0].get("tensor-spec") or {}
    shape, dtype = about.get("shape") or [], str(about.get("dtype"))
    fits = len(shape) == 2 and type(shape[1]) is int and shape[1] > 0
    if len(specs) != 1 or not fits or dtype not in ("float32", "float64"):
        found = ", ".join(f"{(spec.get('tensor-spec') or {})}" for spec in specs)
        raise PublishError(f"the MLmodel's signature takes {found}", "served is what takes one float matrix [rows, n]")
    return Matrix(shape[1])


def _example(folder: Path, info: Any) -> pd.DataFrame | None:
    """The input example where it is a table with named columns; other forms show no feature by its name."""
    if not isinstance(info, dict) or info.get("type") != "dataframe" or info.get("pandas_orient") != "split":
        return None
    path = _inside(folder, info.get("artifact_path"), "saved_input_example_info.artifact_path")
    try:
        content = json.loads(path.read_bytes())
        # Beside parameters of a call, the table lies one level deeper.
        table = content.get("inputs", content)
        return pd.DataFrame(table["data"], columns=table["columns"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishError(f"the input example {path} cannot be read: {error!r}", "give a reference") from error


def _origin(document: Mapping[str, Any]) -> str:
    name = document.get("model_id") or document.get("model_uuid") or "without an id"
    run = document.get("run_id")
    return f"imported from MLflow model {name}" + (f" of run {run}" if run else "")
