"""Folders that MLflow itself saved become versions; what an MLmodel does not say is asked for, never assumed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import yaml

from modelloop_core.feature_schema import CategoricalFeature, NumericFeature, RegressionOutput
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Encode, Preprocessing
from modelloop_core.publishing import Published, PublishError, from_mlflow, parse_schema, publish
from modelloop_core.registry import Registry
from support import model_files
from support.memory_store import MemoryStore
from support.versions import Clock

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

ROWS = pd.DataFrame({"a": [0.5, -1.0, 2.0], "b": [1, 2, 3]})
MATRIX = np.ones((3, 2), dtype=np.float32)
Edit = Callable[..., Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model saved by MLflow in each way it knows."""
    folder = tmp_path_factory.mktemp("mlflow")
    columns = mlflow.models.infer_signature(ROWS, pd.DataFrame({"y": [0.1, 0.2, 0.3]}))
    matrix = mlflow.models.infer_signature(MATRIX, MATRIX[:, 0])
    model = model_files.Logistic().eval()
    common: dict[str, Any] = {"pip_requirements": []}
    by_name = {**common, "signature": columns, "input_example": ROWS}
    mlflow.pytorch.save_model(torch.jit.script(model), folder / "script", serialization_format="pickle", **by_name)
    mlflow.pytorch.save_model(model, folder / "pickle", serialization_format="pickle", **by_name)
    mlflow.pytorch.save_model(
        model, folder / "pt2", serialization_format="pt2", signature=matrix, input_example=MATRIX, **common
    )
    graph = onnx.load(model_files.onnx_logistic(folder / "m.onnx", 2))
    mlflow.onnx.save_model(graph, folder / "onnx", **by_name)
    return folder


@pytest.fixture
def edited(saved: Path, tmp_path: Path) -> Edit:
    """Copies a saved folder and changes its MLmodel; None removes a key."""

    def edit(name: str, **changes: Any) -> Path:
        folder = shutil.copytree(saved / name, tmp_path / name)
        document = yaml.safe_load((folder / "MLmodel").read_text())
        document.update(changes)
        kept = {key: value for key, value in document.items() if value is not None}
        (folder / "MLmodel").write_text(yaml.safe_dump(kept))
        return folder

    return edit


def _signature(*inputs: dict[str, Any], outputs: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}


def _column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def _publish(folder: Path, frame: pd.DataFrame | None = None, **given: Any) -> Published:
    return publish(from_mlflow(folder), frame, registry=Registry(MemoryStore(), now=Clock()), **given)


@pytest.mark.parametrize(
    ("name", "model_format"),
    [("script", ModelFormat.TORCHSCRIPT), ("onnx", ModelFormat.ONNX)],
)
def test_the_signature_and_the_example_are_those_of_the_folder(
    saved: Path, name: str, model_format: ModelFormat
) -> None:
    published = _publish(saved / name, task="binary")
    assert published.manifest.format is model_format
    assert published.manifest.signature.inputs == (
        NumericFeature(name="a", dtype="float64"),
        NumericFeature(name="b", dtype="int64"),
    )
    assert published.manifest.example == (0.5, 1.0)
    assert [note.split(";")[0] for note in published.notes[:-1]] == [
        "tried on the 3 row(s) of MLflow's input example",
        "the threshold is 0.5, since the MLmodel has none",
    ]


def test_a_matrix_takes_its_names_from_the_reference(saved: Path) -> None:
    published = _publish(saved / "pt2", ROWS.assign(left=[0, 1, 0]), label="left")
    assert published.manifest.format is ModelFormat.TORCH_EXPORT
    assert published.manifest.signature.feature_names == ("a", "b")


def test_the_history_names_the_model_and_its_run(edited: Edit) -> None:
    registry = Registry(MemoryStore(), now=Clock())
    folder = edited("onnx", run_id="r1", model_uuid="m1")
    publish(from_mlflow(folder), None, registry=registry, task="binary")
    assert [event.reason for event in registry.history()] == ["imported from MLflow model m1 of run r1"]


def test_types_and_levels_come_from_the_folder_and_the_reference(edited: Edit) -> None:
    signature = _signature(_column("a", "float", required=False), _column("city", "string", required=True))
    frame = pd.DataFrame({"a": [0.5, 1.0, 2.0], "city": ["rome", "oslo", "rome"]})
    folder = edited("onnx", signature=signature)
    steps = Preprocessing(features={"city": (Encode(method="ordinal"),)})
    inputs = _publish(folder, frame, task="binary", preprocessing=steps).manifest.signature.inputs
    assert inputs == (
        NumericFeature(name="a", dtype="float32", nullable=True),
        CategoricalFeature(name="city", levels=("oslo", "rome")),
    )


def test_several_named_outputs_are_the_values_of_a_regression(edited: Edit, tmp_path: Path) -> None:
    outputs = (_column("mean", "double"), _column("largest", "double"))
    folder = edited("script", signature=_signature(_column("a", "double"), _column("b", "long"), outputs=outputs))
    model_files.torchscript(model_files.MeanAndLargest(), folder / "data" / "model.pth")
    output = _publish(folder, task="regression").manifest.signature.output
    assert output == RegressionOutput(names=("mean", "largest"))


def test_a_folder_without_a_signature_is_like_a_file(edited: Edit) -> None:
    published = _publish(edited("onnx", signature=None), ROWS[["b", "a"]], task="binary")
    assert published.manifest.signature.feature_names == ("b", "a")


def test_a_schema_may_say_more_than_the_folder(saved: Path) -> None:
    text = "inputs: [{kind: numeric, name: a, dtype: float64, minimum: -1}, {kind: numeric, name: b, dtype: int64}]"
    published = _publish(saved / "onnx", schema=parse_schema(text), task="binary")
    assert published.manifest.signature.inputs[0] == NumericFeature(name="a", dtype="float64", minimum=-1)


_A = _column("a", "double")
BINARY = {"task": "binary"}


@pytest.mark.parametrize(
    ("name", "changes", "given", "told", "hint"),
    [
        ("onnx", {}, {}, "does not say what a prediction is", "--task"),
        ("pt2", {}, {"task": "binary"}, "no input example with named columns", "--reference"),
        ("onnx", {"saved_input_example_info": None}, {"task": "binary"}, "there is no reference", "--reference"),
        ("pickle", {}, {"task": "binary"}, "model.pth holds weights (a state_dict) or a pickled module", "jit.script"),
        ("onnx", {"flavors": {"sklearn": {}}}, {}, "flavors are sklearn, and neither onnx nor pytorch", "log it again"),
        ("onnx", {"flavors": {"onnx": {"data": "../m.onnx"}}}, {}, "which leads out of the folder", "correct"),
        ("onnx", {"flavors": {"onnx": {"data": "no.onnx"}}}, {}, "and there is no", "whole"),
        ("onnx", {"flavors": {"onnx": {}}}, {}, "flavors.onnx.data is None", "whole"),
        ("onnx", {"flavors": None}, {}, "names no flavors", "folder that MLflow saved"),
        ("onnx", {"signature": {"inputs": "[{"}}, {}, "signature.inputs is no JSON", "again"),
        ("onnx", {"signature": _signature({"type": "double"})}, {}, "1 of the 1 columns", "named columns"),
        ("onnx", {"signature": {"params": '[{"name": "t"}]'}}, {}, "has params", "without params"),
        (
            "onnx",
            {"signature": _signature(_A, _column("c", "long"))},
            {"task": "binary"},
            "lacks the column 'c'",
            "add",
        ),
        (
            "onnx",
            {"signature": _signature(_column("a", "datetime"))},
            {"task": "binary"},
            "is of type datetime",
            "one of",
        ),
        (
            "onnx",
            {"signature": _signature({"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 2]}})},
            {},
            "takes {'dtype': 'int64', 'shape': [-1, 2]}",
            "one float matrix",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_missing_or_cannot_be_served_is_told_with_what_to_do(
    edited: Edit, name: str, changes: dict[str, Any], given: dict[str, Any], told: str, hint: str
) -> None:
    folder = edited(name, **changes)
    with pytest.raises(PublishError, match=re.escape(told)) as caught:
        _publish(folder, **given)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (
            "{kind: numeric, name: b, dtype: int64}, {kind: numeric, name: a, dtype: float64}",
            "inputs are b, a, but",
        ),
        ("{kind: numeric, name: a}, {kind: numeric, name: b, dtype: int64}", "'a' is float32, the MLmodel double"),
        ("{kind: categorical, name: a, levels: [x]}, {kind: numeric, name: b}", "'a' is string, the MLmodel double"),
    ],
    ids=["another order", "another number", "levels for a number"],
)
def test_a_schema_that_differs_from_the_folder_is_refused(saved: Path, schema: str, told: str) -> None:
    with pytest.raises(PublishError, match=re.escape(told)):
        _publish(saved / "onnx", schema=parse_schema(f"inputs: [{schema}]"), task="binary")


def test_a_matrix_of_another_width_names_the_columns(saved: Path) -> None:
    with pytest.raises(PublishError, match=r"has 2 columns, but the features make 3: a, b, left"):
        _publish(saved / "pt2", ROWS.assign(left=[0, 1, 0]), task="binary")


@pytest.mark.parametrize("content", [None, b"flavors: [", b"\xff"], ids=["no file", "no YAML", "no text"])
def test_what_is_no_folder_of_mlflow_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "MLmodel").write_bytes(content)
    with pytest.raises(PublishError, match=re.escape(str(tmp_path))) as caught:
        from_mlflow(tmp_path)
    assert "MLmodel" in caught.value.hint
