"""What publishing infers, what it refuses and how it says so; nothing is written unless the model answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from modelloop_core.card import CARD_NAME, InvalidCard, ModelCard
from modelloop_core.drift.reference import REFERENCE_NAME, Reference
from modelloop_core.feature_schema import CategoricalFeature, MulticlassOutput, NumericFeature, RegressionOutput, Task
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Encode, Impute, Preprocessing
from modelloop_core.publishing import PublishError, Schema, parse_preprocessing, parse_schema, publish, read_frame
from modelloop_core.publishing.schema import infer_inputs
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import VersionExists
from modelloop_core.storage.port import InvalidKey
from modelloop_core.versions import Version
from support.memory_store import MemoryStore
from support.model_files import (
    Heads,
    Logistic,
    Mean,
    MeanAndLargest,
    NaNAboveHundred,
    ThreeClasses,
    exported,
    onnx_constant_nan,
    onnx_heads,
    onnx_logistic,
    state_dict,
    torchscript,
)
from support.versions import Clock, a_version

# torch.jit announces its end; what was saved with it is still served.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

FRAME = pd.DataFrame({"a": [0.5, -1.0, 2.0, 0.1], "b": [1, 2, 3, 4], "left": [0, 1, 1, 0]})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> Registry:
    clock = Clock()
    return Registry(store, now=clock, wait=clock.wait)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return onnx_logistic(tmp_path / "some name.onnx", 2)


def test_a_model_becomes_a_version_with_all_that_belongs_to_it(registry: Registry, model: Path) -> None:
    published = publish(model, FRAME, registry=registry, label="left", metrics={"auc": 0.9}, owner="me", model_id="m")
    one = Version(1, 0, 0)
    assert published.version == one
    assert registry.manifest(one) == published.manifest
    assert sorted(published.manifest.files) == ["card.yaml", "model.onnx", "preprocessing.json", "reference.json"]
    assert published.manifest.example == (0.5, 1.0)
    assert registry.read(one, "model.onnx") == model.read_bytes()
    card = ModelCard.from_yaml(registry.read(one, CARD_NAME))
    assert (card.owner, card.model_id, card.metrics, card.version) == ("me", "m", {"auc": 0.9}, "1.0.0")
    assert [event.event.value for event in registry.history()] == ["registered"]


def test_inputs_are_inferred_by_what_a_column_holds() -> None:
    frame = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "small": pd.Series([1, 2, 3], dtype="uint8"),
            "holes": pd.Series([1, None, 3], dtype="Int64"),
            "real": [0.5, None, 1.5],
            "single": pd.Series([0.5, 1.0, 1.5], dtype="float32"),
            "flag": [True, False, True],
            "city": ["rome", "oslo", None],
            "size": pd.Categorical(["s", "l", "s"], categories=["s", "m", "l"]),
            "code": pd.Categorical([3, 20, 3]),
        }
    )
    assert infer_inputs(frame) == (
        NumericFeature(name="whole", dtype="int64"),
        NumericFeature(name="small", dtype="int64"),
        NumericFeature(name="holes", dtype="int64", nullable=True),
        NumericFeature(name="real", dtype="float64", nullable=True),
        NumericFeature(name="single", dtype="float32"),
        NumericFeature(name="flag", dtype="bool"),
        CategoricalFeature(name="city", levels=("oslo", "rome"), nullable=True),
        CategoricalFeature(name="size", levels=("s", "m", "l")),
        CategoricalFeature(name="code", levels=("3", "20")),
    )


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([f"user {number}" for number in range(200)], "looks like an identifier"),
        ([None] * 200, "holds only nulls"),
        (pd.date_range("2026-01-01", periods=200), "is of type datetime64"),
        ([[1, 2]] * 200, "is of type object"),
    ],
    ids=["identifier", "nulls", "time", "list"],
)
def test_a_column_that_is_no_feature_is_named_with_what_to_do(column: Any, told: str) -> None:
    with pytest.raises(PublishError, match=rf"column 'x'.*{told}") as caught:
        infer_inputs(pd.DataFrame({"x": column}))
    assert "leave it out" in caught.value.hint


def test_an_empty_reference_is_refused(registry: Registry, model: Path) -> None:
    with pytest.raises(PublishError, match="0 rows and 2 feature columns"):
        publish(model, FRAME.iloc[:0], registry=registry, label="left")


@pytest.mark.parametrize(
    ("module", "frame", "options", "task"),
    [
        (Logistic(), FRAME, {"label": "left"}, Task.BINARY),
        (Logistic(), FRAME[["a", "b"]], {}, Task.BINARY),
        (Logistic(), FRAME, {"label": "left", "task": "regression"}, Task.REGRESSION),
        (Mean(), FRAME[["a", "b"]], {}, Task.REGRESSION),
        (Mean(), FRAME.assign(left=[0.1, 0.4, 0.3, 0.2]), {"label": "left"}, Task.REGRESSION),
        (ThreeClasses(), FRAME[["a", "b"]], {}, Task.MULTICLASS),
        (ThreeClasses(), FRAME.assign(left=["x", "y", "z", "x"]), {"label": "left"}, Task.MULTICLASS),
    ],
    ids=["two labels", "answers in 0..1", "task given", "any answers", "real label", "classes", "labelled classes"],
)
def test_the_output_is_inferred(
    registry: Registry,
    tmp_path: Path,
    module: torch.nn.Module,
    frame: pd.DataFrame,
    options: dict[str, Any],
    task: Task,
) -> None:
    published = publish(torchscript(module, tmp_path / "m.pt"), frame, registry=registry, **options)
    assert published.manifest.signature.task is task
    guessed = any("taken for binary" in note for note in published.notes)
    assert guessed == (task is Task.BINARY and not options)
    output = published.manifest.signature.output
    if isinstance(output, MulticlassOutput):
        assert output.classes == (("x", "y", "z") if options else ("0", "1", "2"))


def test_categories_go_through_the_declared_preprocessing(registry: Registry, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.5, None, 1.5], "city": ["rome", "oslo", "paris"]})
    steps = Preprocessing(features={"a": (Impute(value=1.0),), "city": (Encode(method="one-hot"),)})
    model = onnx_logistic(tmp_path / "m.onnx", 4)
    published = publish(model, frame, registry=registry, preprocessing=steps)
    assert published.manifest.example == (0.5, "rome")
    stored = registry.read(published.version, "preprocessing.json")
    assert Preprocessing.model_validate_json(stored) == steps


@pytest.mark.parametrize(
    ("file", "expected"),
    [("m.pt2", ModelFormat.TORCH_EXPORT), ("m.ts.pt", ModelFormat.TORCHSCRIPT), ("m.onnx", ModelFormat.ONNX)],
)
def test_a_file_is_known_by_its_content(registry: Registry, tmp_path: Path, file: str, expected: ModelFormat) -> None:
    path = tmp_path / file
    if expected is ModelFormat.TORCH_EXPORT:
        path = exported(Logistic(), path, 2).rename(tmp_path / "renamed.pt")
    elif expected is ModelFormat.TORCHSCRIPT:
        torchscript(Logistic(), path)
    else:
        onnx_logistic(path, 2)
    assert publish(path, FRAME, registry=registry, label="left").manifest.format is expected


def test_a_module_is_exported_in_evaluation_mode_and_left_as_it_was(registry: Registry) -> None:
    module = torch.nn.Sequential(
        torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5), torch.nn.Linear(2, 1), torch.nn.Sigmoid()
    )
    published = publish(module, FRAME, registry=registry, label="left")
    assert published.manifest.format is ModelFormat.TORCH_EXPORT
    assert module.training


def test_a_module_that_cannot_be_exported_is_scripted_with_a_note(registry: Registry) -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.sum()) > 1000:
                return torch.sigmoid(x.sum(dim=1) * 0)
            return torch.sigmoid(x.mean(dim=1))

    published = publish(Branching(), FRAME, registry=registry, label="left")
    assert published.manifest.format is ModelFormat.TORCHSCRIPT
    assert "torch.export could not take the module" in published.notes[0]


def test_weights_beside_an_onnx_file_are_put_into_it(registry: Registry, tmp_path: Path) -> None:
    graph = onnx.load(onnx_logistic(tmp_path / "plain.onnx", 2))
    for tensor in graph.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(graph, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").exists()
    published = publish(tmp_path / "m.onnx", FRAME, registry=registry, label="left")
    assert published.notes[0] == "the weights beside the ONNX file were put into it"


@pytest.mark.parametrize(
    ("give", "told", "hint"),
    [
        (lambda folder: torch.nn.Linear(2, 1).state_dict(), "a state_dict holds weights and no model", "torch.export"),
        (lambda folder: state_dict(folder / "w.pt"), "holds weights", "torch.export.save"),
        (lambda folder: folder / "absent.pt2", "there is no file", "torch.export"),
        (lambda folder: _text(folder / "m.onnx"), "no ONNX model", "torch.export"),
        (lambda folder: _text(folder / "m.pkl"), "no model that can be served", "torch.export"),
        (lambda folder: _text(folder / "m.pkl", b"\x80\x04pickle"), "is a Python pickle", "torch.export.save"),
        (lambda folder: object(), "a builtins.object cannot be published", "torch module"),
        (lambda folder: torch.zeros(3), "a torch.Tensor cannot be published", "torch module"),
        (lambda folder: torch.nn.Linear(3, 1), r"failed on a float32 tensor of shape \[2, 2\]", "label"),
        (lambda folder: onnx_logistic(folder / "m.onnx", 3), "of 2 columns", "label"),
        (lambda folder: onnx_constant_nan(folder / "m.onnx", 2), "not finite", "correct the model"),
        (lambda folder: torchscript(Mean(), folder / "m.pt"), "answered .* probabilities in", "correct the model"),
        (lambda folder: torchscript(ThreeClasses(), folder / "m.pt"), "3 values a row, but the label has 2", "class"),
    ],
    ids=[
        "weights", "weights file", "no file", "no onnx", "text", "pickle", "object", "tensor", "module of other width",
        "file of other width", "not finite", "no probability", "other classes",
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_with_what_to_do(
    registry: Registry, store: MemoryStore, tmp_path: Path, give: Any, told: str, hint: str
) -> None:
    with pytest.raises(PublishError, match=told) as caught:
        publish(give(tmp_path), FRAME, registry=registry, label="left")
    assert hint in caught.value.hint
    assert not store.objects


def test_nulls_that_the_model_cannot_take_are_refused_with_what_to_do(registry: Registry, model: Path) -> None:
    frame = FRAME.assign(a=[0.5, None, 1.0, 2.0])
    with pytest.raises(PublishError, match="not finite") as caught:
        publish(model, frame, registry=registry, label="left")
    assert caught.value.hint == "impute nulls in the preprocessing"


def test_a_row_deep_in_the_reference_is_tried_too(registry: Registry, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0] * 300 + [101.0], "b": 0.0})
    with pytest.raises(PublishError, match="not finite"):
        publish(torchscript(NaNAboveHundred(), tmp_path / "m.pt"), frame, registry=registry, task="binary")


def test_a_model_that_answers_otherwise_in_a_batch_is_refused(registry: Registry, tmp_path: Path) -> None:
    class OfTheBatch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x.mean(dim=1) - x.mean())

    with pytest.raises(PublishError, match="a row alone"):
        publish(torchscript(OfTheBatch(), tmp_path / "m.pt"), FRAME, registry=registry, label="left")


def test_a_declared_schema_is_obeyed(registry: Registry, model: Path) -> None:
    schema = parse_schema(
        """
        inputs: [{kind: numeric, name: b, minimum: 2}, {kind: numeric, name: a}]
        output: {task: binary, threshold: 0.7}
        """
    )
    published = publish(model, FRAME, registry=registry, schema=schema)
    assert published.manifest.signature.feature_names == ("b", "a")
    assert published.manifest.example == (2.0, -1.0)
    again = publish(model, FRAME, registry=registry, schema=published.manifest.signature)
    assert again.manifest.signature == published.manifest.signature


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ((NumericFeature(name="c"),), "lacks the columns 'c' of the schema"),
        (
            (NumericFeature(name="a", minimum=50), NumericFeature(name="b")),
            "none of the 4 rows .* column 'a' is not in 4",
        ),
        ((CategoricalFeature(name="a", levels=("x",)), NumericFeature(name="b")), "none of the 4 rows"),
    ],
    ids=["missing column", "outside the range", "other levels"],
)
def test_a_schema_that_the_reference_contradicts_is_refused(
    registry: Registry, model: Path, inputs: Any, told: str
) -> None:
    with pytest.raises(PublishError, match=told):
        publish(model, FRAME, registry=registry, schema=Schema(inputs=inputs))


@pytest.mark.parametrize(
    ("parse", "text", "told"),
    [
        (parse_schema, "inputs: [", "schema is not YAML"),
        (parse_schema, "inputs: [{kind: number, name: a}]", "schema's inputs.0"),
        (parse_schema, "", "schema's content"),
        (parse_preprocessing, "features: {a: [{step: twist}]}", "preprocessing's features.a.0"),
        (parse_preprocessing, "features: [", "preprocessing is not YAML"),
    ],
)
def test_what_is_written_wrongly_is_named(parse: Any, text: str, told: str) -> None:
    with pytest.raises(PublishError, match=told):
        parse(text)


def test_preprocessing_that_does_not_fit_is_named(registry: Registry, model: Path) -> None:
    steps = Preprocessing(features={"zip": (Impute(value=1.0),)})
    with pytest.raises(PublishError, match="zip"):
        publish(model, FRAME, registry=registry, label="left", preprocessing=steps)


def test_numbers_follow_from_the_signature(registry: Registry, tmp_path: Path, model: Path) -> None:
    wider = onnx_logistic(tmp_path / "wide.onnx", 3)
    numbers = [
        publish(model, FRAME, registry=registry, label="left").version,
        publish(model, FRAME, registry=registry, label="left").version,
        publish(wider, FRAME.assign(c=1.0), registry=registry, label="left").version,
        publish(wider, FRAME.assign(c=1.0), registry=registry, label="left").version,
        publish(model, FRAME, registry=registry, label="left", version="1.1.1").version,
        publish(wider, FRAME.assign(c=1.0), registry=registry, label="left", version="2.2.0-rc.1").version,
    ]  # fmt: skip
    assert [str(number) for number in numbers] == ["1.0.0", "1.1.0", "2.0.0", "2.1.0", "1.1.1", "2.2.0-rc.1"]


def test_a_number_that_would_surprise_callers_is_refused(registry: Registry, tmp_path: Path, model: Path) -> None:
    publish(model, FRAME, registry=registry, label="left")
    wider = onnx_logistic(tmp_path / "wide.onnx", 3)
    with pytest.raises(PublishError, match=r"1\.1\.0 would change .* with c") as caught:
        publish(wider, FRAME.assign(c=1.0), registry=registry, label="left", version="1.1.0")
    assert caught.value.hint == "publish it as 2.0.0"


def test_whole_numbers_with_nulls_in_a_file_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "reference.parquet"
    columns = {"whole": [1, None, 3], "real": [0.5, None, 2.0], "flag": [True, None, False], "city": ["a", None, "b"]}
    pq.write_table(pa.table(columns), path)
    assert infer_inputs(read_frame(path)) == (
        NumericFeature(name="whole", dtype="int64", nullable=True),
        NumericFeature(name="real", dtype="float64", nullable=True),
        NumericFeature(name="flag", dtype="bool", nullable=True),
        CategoricalFeature(name="city", levels=("a", "b"), nullable=True),
    )


def test_a_file_with_nulls_is_published(registry: Registry, tmp_path: Path, model: Path) -> None:
    path = tmp_path / "reference.parquet"
    pq.write_table(pa.table({"a": [1, None, 3, 4], "b": [1.0, 0.5, 2.0, 3.0], "left": [0, 1, 0, 1]}), path)
    steps = Preprocessing(features={"a": (Impute(value=2.0),)})
    published = publish(model, path, registry=registry, label="left", preprocessing=steps)
    assert published.manifest.example == (1.0, 1.0)
    assert published.manifest.signature.inputs[0] == NumericFeature(name="a", dtype="int64", nullable=True)


def test_a_number_that_would_refuse_what_callers_send_is_refused_and_says_what(
    registry: Registry, tmp_path: Path
) -> None:
    before = Schema(inputs=(NumericFeature(name="a", minimum=0), NumericFeature(name="b", nullable=True)))
    after = Schema(inputs=(NumericFeature(name="a", minimum=1), NumericFeature(name="b")))
    model = onnx_logistic(tmp_path / "m.onnx", 2)
    publish(model, FRAME, registry=registry, label="left", schema=before)
    with pytest.raises(PublishError, match=r"fewer values of a \(only \[1, \], not \[0, \]\), b \(no null\)"):
        publish(model, FRAME, registry=registry, label="left", schema=after, version="1.1.0")
    assert str(publish(model, FRAME, registry=registry, label="left", schema=after).version) == "2.0.0"


def test_a_number_that_is_given_is_taken_or_told(registry: Registry, model: Path) -> None:
    publish(model, FRAME, registry=registry, label="left", version="1.4.0")
    with pytest.raises(VersionExists):
        publish(model, FRAME, registry=registry, label="left", version="1.4.0")


def test_a_writer_without_a_number_takes_the_next_when_another_was_first(
    registry: Registry, store: MemoryStore, model: Path
) -> None:
    other = Registry(store, now=registry.now, wait=lambda seconds: None)

    def overtake(verb: str, key: str) -> None:
        if key.startswith("claims/1.0.0/"):
            store.before = lambda verb, key: None
            other.publish(*a_version("1.0.0"))

    store.before = overtake
    published = publish(model, FRAME, registry=registry, label="left")
    assert str(published.version) == "2.0.0"
    assert [str(version) for version in registry.versions()] == ["1.0.0", "2.0.0"]


def test_a_registry_is_named_by_its_address(tmp_path: Path, model: Path) -> None:
    published = publish(model, FRAME, registry=str(tmp_path / "models" / "churn"), label="left")
    assert published.card.model_id == "churn"
    assert (tmp_path / "models" / "churn" / "versions" / "1.0.0" / "manifest.json").is_file()
    with pytest.raises(InvalidKey, match="no address of a store"):
        publish(model, FRAME, registry="ftp://models", label="left")


def test_a_reference_may_be_a_file_or_columns(registry: Registry, tmp_path: Path, model: Path) -> None:
    FRAME.to_parquet(tmp_path / "train.parquet")
    publish(model, tmp_path / "train.parquet", registry=registry, label="left")
    publish(model, {"a": np.zeros(3), "b": np.ones(3)}, registry=registry)
    with pytest.raises(PublishError, match="no Parquet file"):
        publish(model, _text(tmp_path / "train.csv"), registry=registry)
    with pytest.raises(PublishError, match="no label column 'right'"):
        publish(model, FRAME, registry=registry, label="right")


def _text(path: Path, content: bytes = b"a,b\n1,2\n") -> Path:
    path.write_bytes(content)
    return path


BINARY = "inputs: [{kind: numeric, name: a}, {kind: numeric, name: b}]\noutput: {task: binary, threshold: 0.7}"
CLASSES = BINARY.replace("binary, threshold: 0.7", "multiclass, classes: [x, y, z]")


@pytest.mark.parametrize(
    ("give", "declared", "told"),
    [
        (Logistic, {"metrics": {"auc": float("nan")}}, "metric 'auc' is nan, which is no finite number"),
        (Logistic, {"metrics": {"loss": float("inf")}}, "metric 'loss' is inf, which is no finite number"),
        (Logistic, {"metrics": {"auc": "high"}}, "metric 'auc' is 'high', which is no finite number"),
        (Logistic, {"threshold": float("nan")}, "the threshold is nan"),
        (Logistic, {"threshold": 1.5}, "the threshold is 1.5"),
        (Logistic, {"threshold": 0.7, "task": "regression"}, "a regression model, which has none"),
        (Mean, {"threshold": 0.7, "label": None}, "a regression model, which has none"),
        (ThreeClasses, {"threshold": 0.7, "label": None}, "a multiclass model, which has none"),
        (Logistic, {"threshold": 0.6, "schema": parse_schema(BINARY)}, "has the threshold 0.7, but 0.6 was given"),
        (Logistic, {"task": "regression", "schema": parse_schema(BINARY)}, "output is binary, but the task is"),
        (Logistic, {"label": "a", "schema": parse_schema(BINARY)}, "'a' is the label and also an input"),
        (Logistic, {"label": "town", "schema": parse_schema(BINARY)}, "'town' has 4 different values"),
        (Logistic, {"label": "town", "task": "regression"}, "'town' holds 'p', and a regression model predicts a num"),
        (ThreeClasses, {"label": "town", "schema": parse_schema(CLASSES)}, "'town' holds 'p', 'q', 'r', 's', which"),
        (Logistic, {"task": "guessing"}, "there is no task 'guessing'"),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, dict) else None,
)
def test_what_is_declared_is_obeyed_or_refused(
    registry: Registry, give: Any, declared: dict[str, Any], told: str
) -> None:
    given = {"label": "left", **declared}
    columns = [name for name in dict.fromkeys(("a", "b", given["label"])) if name]
    frame = FRAME.assign(town=list("pqrs"))[columns]
    with pytest.raises(PublishError, match=re.escape(told)):
        publish(give(), frame, registry=registry, **given)
    assert registry.versions() == ()


TARGETS = FRAME.assign(mean=1.0, largest=2.0)[["a", "b", "mean", "largest"]]


def test_a_regression_of_several_values_takes_their_names(registry: Registry) -> None:
    published = publish(MeanAndLargest(), TARGETS, registry=registry, targets=["mean", "largest"])
    assert published.manifest.signature.output == RegressionOutput(names=("mean", "largest"))
    assert published.manifest.signature.feature_names == ("a", "b")
    turned = publish(MeanAndLargest(), TARGETS, registry=registry, targets=["largest", "mean"])
    assert str(turned.version) == "2.0.0"


def test_the_heads_that_are_served_are_written_down(registry: Registry, tmp_path: Path) -> None:
    model, frame = onnx_heads(tmp_path / "m.onnx", 2), FRAME[["a", "b"]]
    both = publish(model, frame, registry=registry, heads=["mean", "largest"], targets=["mean", "largest"])
    assert registry.manifest(both.version).heads == ("mean", "largest")
    one = publish(model, frame, registry=registry, heads=["largest"], task="regression")
    assert one.manifest.signature.output == RegressionOutput()
    assert publish(Mean(), frame, registry=registry).manifest.model_dump().get("heads") is None


@pytest.mark.parametrize(
    ("model", "given", "told"),
    [
        (MeanAndLargest, {"task": "regression"}, "gives 2 value(s) a row, and they have no names"),
        (MeanAndLargest, {"targets": ["a", "b", "c"]}, "and 3 targets were named: a, b, c"),
        (Mean, {"targets": ["mean", "largest"]}, "gives 1 value(s) a row, and 2 targets were named"),
        (MeanAndLargest, {"targets": ["mean"]}, "the targets are 'mean'"),
        (MeanAndLargest, {"targets": ["mean", "mean"]}, "the targets are 'mean', 'mean'"),
        (MeanAndLargest, {"targets": ["mean", "largest"], "task": "binary"}, "but the task is binary"),
        (MeanAndLargest, {"targets": ["mean", "largest"], "label": "mean"}, "both a label ('mean') and targets"),
        (MeanAndLargest, {"targets": "mean"}, "targets is the text 'mean'"),
        (Heads, {}, "answered with a tuple of 2"),
        (Mean, {"heads": ["1"]}, "'1' is no tensor among them"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_values_and_heads_are_named_each_or_refused(
    registry: Registry, model: Any, given: dict[str, Any], told: str
) -> None:
    frame = TARGETS if "targets" in given else FRAME[["a", "b"]]
    with pytest.raises(PublishError, match=re.escape(told)):
        publish(model(), frame, registry=registry, **given)
    assert registry.versions() == ()


def test_a_card_of_the_caller_is_read_as_strictly_as_a_file(model: Path, registry: Registry) -> None:
    with pytest.raises(InvalidCard, match="the model card's author"):
        publish(model, FRAME, registry=registry, label="left", author="me")


@pytest.mark.parametrize(
    ("give", "declared"),
    [
        (Logistic, {"threshold": 0.7, "schema": parse_schema(BINARY)}),
        (Logistic, {"schema": parse_schema(BINARY), "task": "binary"}),
        (Logistic, {"threshold": 0.2}),
    ],
    ids=["twice the same threshold", "twice the same task", "a threshold alone"],
)
def test_what_agrees_is_published(registry: Registry, give: Any, declared: dict[str, Any]) -> None:
    output = publish(give(), FRAME, registry=registry, label="left", **declared).manifest.signature.output
    assert output.task == Task.BINARY
    assert output.threshold == declared.get("threshold", 0.7)


def test_a_version_keeps_what_the_reference_and_its_answers_looked_like(registry: Registry, model: Path) -> None:
    frame = pd.concat([FRAME] * 200, ignore_index=True)
    published = publish(model, frame, registry=registry, label="left")
    reference = Reference.model_validate_json(registry.read(published.version, REFERENCE_NAME))
    assert list(reference.features) == list(published.manifest.signature.feature_names)
    assert reference.rows == len(frame)
    column = reference.features["a"]
    assert sum(column.counts) + column.null == len(frame)
    assert sum(column.sums) == pytest.approx(frame["a"].sum())
    assert sum(reference.outputs["prediction"].counts) == len(frame)


def test_values_of_a_later_version_are_counted_in_the_bins_of_the_first(registry: Registry, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600)})
    first, second = (
        publish(
            onnx_logistic(tmp_path / f"{part}.onnx", 2), frame.iloc[part::2], registry=registry, task=Task.REGRESSION
        )
        for part in (0, 1)
    )
    bins = [
        Reference.model_validate_json(registry.read(one.version, REFERENCE_NAME)).outputs["prediction"].bins
        for one in (first, second)
    ]
    assert bins[0] == bins[1]
    assert bins[0].size > 50


def test_rows_that_the_schema_does_not_allow_are_left_out_of_the_reference(registry: Registry, model: Path) -> None:
    inputs = (NumericFeature(name="a", dtype="float64", maximum=0.5), NumericFeature(name="b", dtype="float64"))
    published = publish(model, FRAME, registry=registry, schema=Schema(inputs=inputs), task=Task.BINARY, label="left")
    reference = Reference.model_validate_json(registry.read(published.version, REFERENCE_NAME))
    assert reference.rows == int((FRAME["a"] <= 0.5).sum())
    assert any("rows of the reference are not in it" in note for note in published.notes)
