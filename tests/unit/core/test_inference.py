from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelloop_core.feature_schema import (
    BinaryOutput,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
)
from modelloop_core.inference import (
    BadOutput,
    Float32s,
    Floats,
    ModelFailed,
    ModelUnreadable,
    NotAModel,
    RuntimeMissing,
    Scorer,
    load_model,
)
from modelloop_core.inference.torch_freezing import frozen
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Preprocessing
from support import model_files

PT2, TORCHSCRIPT, ONNX = ModelFormat.TORCH_EXPORT, ModelFormat.TORCHSCRIPT, ModelFormat.ONNX
ROWS = np.array([[0.0, 0.0], [2.0, 4.0], [-1.0, 1.0]], dtype=np.float32)
EXPECTED = 1 / (1 + np.exp(-ROWS.mean(axis=1, dtype=np.float64)))


def _file(folder: Path, model_format: ModelFormat) -> Path:
    path = folder / model_format.value
    match model_format:
        case ModelFormat.ONNX:
            return model_files.onnx_logistic(path, 2)
        case ModelFormat.TORCHSCRIPT:
            return model_files.torchscript(model_files.Logistic(), path)
        case _:
            return model_files.exported(model_files.Logistic(), path, 2)


@pytest.mark.parametrize("model_format", list(ModelFormat))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_format_answers_each_row(tmp_path: Path, model_format: ModelFormat, count: int) -> None:
    answer = load_model(_file(tmp_path, model_format), model_format).predict(ROWS[:count])
    assert answer == pytest.approx(EXPECTED[:count], abs=1e-6)


class SizesInside(torch.nn.Module):
    """Uses the batch size as a number, which a trace would freeze."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0] * 2, -1).view(x.shape[0], x.shape[1]).sum(1) / x.shape[0]


class BranchInside(torch.nn.Module):
    """Branches on data, which a trace would freeze."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = torch.cond(x.sum() > 0, lambda x: x.sum(1), lambda x: x.mean(1), (x,))
        return answer


@pytest.mark.parametrize("model", [SizesInside(), BranchInside(), model_files.NaNAboveHundred()])
def test_an_exported_program_answers_as_its_module_does(tmp_path: Path, model: torch.nn.Module) -> None:
    loaded = load_model(model_files.exported(model, tmp_path / "model.pt2", 2), PT2)
    for rows in (ROWS, -ROWS, ROWS[:1], np.tile(ROWS, (40, 1)) + 99):
        expected = model(torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(loaded.predict(rows), expected, rtol=1e-5, atol=1e-6)


def test_a_program_with_a_largest_batch_takes_more_rows_in_parts(tmp_path: Path) -> None:
    loaded = load_model(model_files.exported(model_files.Logistic(), tmp_path / "model.pt2", 2, max=16), PT2)
    rows = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    assert loaded.predict(rows) == pytest.approx(1 / (1 + np.exp(-rows.mean(axis=1))), abs=1e-6)


def _wide(bias: bool) -> torch.nn.Module:
    torch.manual_seed(3)
    middle = torch.nn.Linear(1024, 1024, bias=bias)
    return torch.nn.Sequential(torch.nn.Linear(4, 1024), torch.nn.ReLU(), middle, torch.nn.Linear(1024, 3)).eval()


@pytest.mark.parametrize("save", [model_files.torchscript, partial(model_files.exported, columns=4)], ids=["ts", "pt2"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_a_model_with_a_large_layer_answers_as_its_module_does(
    tmp_path: Path, save: Callable[[torch.nn.Module, Path], Path], bias: bool
) -> None:
    module, path = _wide(bias), tmp_path / "model"
    model = load_model(save(module, path), TORCHSCRIPT if save is model_files.torchscript else PT2)
    for rows in (1, 2, 17, 64):
        matrix = torch.randn(rows, 4)
        np.testing.assert_allclose(model.predict(matrix.numpy()), module(matrix).detach(), rtol=1e-4, atol=1e-5)


def test_of_a_frozen_program_large_layers_alone_are_packed() -> None:
    program = frozen(torch.jit.script(_wide(bias=True)), torch.device("cpu"))
    assert len(program.graph.findAllNodes("mkldnn::_linear_pointwise", True)) == 1
    assert len(program.graph.findAllNodes("aten::matmul", True)) == 2


def test_a_frozen_torchscript_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "model.ts.pt"
    frozen: Any = torch.jit.freeze(torch.jit.script(model_files.Logistic().eval()))
    frozen.save(str(path))
    assert load_model(path, TORCHSCRIPT).predict(ROWS) == pytest.approx(EXPECTED, abs=1e-6)


def test_a_torchscript_saved_in_training_mode_answers_in_evaluation_mode(tmp_path: Path) -> None:
    path = tmp_path / "model.ts.pt"
    model = torch.nn.Sequential(torch.nn.Dropout(0.9), model_files.Logistic()).train()
    scripted: Any = torch.jit.script(model)
    scripted.save(str(path))
    assert load_model(path, TORCHSCRIPT).predict(ROWS) == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_float_widths_are_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    class Cast(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x.mean(dim=1, keepdim=True)).to(dtype)

    answer = load_model(model_files.exported(Cast(), tmp_path / "model.pt2", 2), PT2).predict(ROWS)
    assert answer.shape == (3,)
    assert answer == pytest.approx(EXPECTED, abs=1e-3)


class Payload:
    """Runs a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("open('unpickled', 'w').close()",))


def _pickled_module(path: Path) -> None:
    torch.save(Payload(), path)


@pytest.mark.parametrize("model_format", list(ModelFormat))
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(model_files.state_dict, id="a state_dict"),
        pytest.param(_pickled_module, id="a pickled module"),
        pytest.param(lambda path: path.write_bytes(pickle.dumps(Payload())), id="a pickle"),
    ],
)
def test_weights_and_pickles_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_format: ModelFormat, write: object
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / model_format.value
    write(path)  # type: ignore[operator]
    with pytest.raises(NotAModel, match=r"torch\.export\.save") as refused:
        load_model(path, model_format)
    assert not refused.value.retriable
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("model_format", list(ModelFormat))
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "absent", "flipped"])
def test_a_damaged_file_is_unreadable(tmp_path: Path, model_format: ModelFormat, damage: str) -> None:
    path = _file(tmp_path, model_format)
    whole = path.read_bytes()
    bodies = {"empty": b"", "cut": whole[: len(whole) // 2], "noise": b"not a model at all" * 9}
    bodies["flipped"] = whole[:60] + bytes(byte ^ 0xFF for byte in whole[60:120]) + whole[120:]
    path.unlink() if damage == "absent" else path.write_bytes(bodies[damage])
    with pytest.raises(ModelUnreadable, match=path.name):
        load_model(path, model_format)


@pytest.mark.parametrize(("found", "expected"), [(PT2, TORCHSCRIPT), (TORCHSCRIPT, PT2), (ONNX, PT2), (PT2, ONNX)])
def test_a_file_of_another_format_is_unreadable(tmp_path: Path, found: ModelFormat, expected: ModelFormat) -> None:
    path = _file(tmp_path, found).rename(tmp_path / expected.value)
    with pytest.raises(ModelUnreadable, match=path.name):
        load_model(path, expected)


def test_a_fixed_batch_is_refused_with_what_to_do(tmp_path: Path) -> None:
    exported = model_files.exported(model_files.Logistic(), tmp_path / "model.pt2", 2, dynamic=False)
    with pytest.raises(ModelUnreadable, match=r"exactly 4 row\(s\) at a time; .*dynamic_shapes"):
        load_model(exported, PT2)
    with pytest.raises(ModelUnreadable, match=r"exactly 1 row\(s\) at a time"):
        load_model(model_files.onnx_logistic(tmp_path / "model.onnx", 2, batch=1), ONNX)


def _rewrite(path: Path, member: str, change: object) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, change(body) if name.endswith(member) else body)  # type: ignore[operator]
    return path


@pytest.mark.parametrize(
    ("member", "old", "new"),
    [
        pytest.param("models/model.json", "torch.ops.aten.sigmoid.default", "torch.hub.load", id="a call below torch"),
        pytest.param("models/model.json", "torch.ops.aten.sigmoid.default", "torch.ops.load_library", id="a library"),
        pytest.param("models/model.json", "torch.ops.aten.sigmoid.default", "_operator.call", id="a call of anything"),
        pytest.param("models/model.json", "positive=True", "x=open('unpickled','w')", id="code in a shape"),
        pytest.param("models/model.json", "Symbol('", "().__class__.__base__('", id="attributes in a shape"),
        pytest.param("_weights_config.json", '"use_pickle": false', '"use_pickle": true', id="pickled weights"),
    ],
)
def test_an_export_that_would_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str, old: str, new: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    path = model_files.exported(model, tmp_path / "model.pt2", 2)
    _rewrite(path, member, lambda body: body.replace(old.encode(), new.encode()))
    with pytest.raises(NotAModel):
        load_model(path, PT2)
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_among_the_sample_inputs_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save((Payload(),), tmp_path / "payload")
    path = model_files.exported(model_files.Logistic(), tmp_path / "model.pt2", 2)
    _rewrite(path, "data/sample_inputs/model.pt", lambda _: (tmp_path / "payload").read_bytes())
    with pytest.raises(NotAModel, match="sample inputs"):
        load_model(path, PT2)
    assert not (tmp_path / "unpickled").exists()


def test_a_model_that_raises_says_what_it_raised(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.RaisesAboveHundred(), tmp_path / "model.ts.pt")
    model = load_model(path, TORCHSCRIPT)
    with pytest.raises(ModelFailed, match="does not like large numbers"):
        model.predict(ROWS + 1000)
    assert model.predict(ROWS) == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("model_format", list(ModelFormat))
def test_a_matrix_of_another_width_fails_the_call_only(tmp_path: Path, model_format: ModelFormat) -> None:
    model = load_model(_file(tmp_path, model_format), model_format)
    if model_format is ModelFormat.ONNX:
        with pytest.raises(ModelFailed):
            model.predict(np.zeros((2, 5), dtype=np.float32))
    assert model.predict(ROWS) == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("model_format", list(ModelFormat))
def test_a_gpu_that_is_not_there_is_named(tmp_path: Path, model_format: ModelFormat) -> None:
    if torch.cuda.is_available():
        assert load_model(_file(tmp_path, model_format), model_format, device="cuda").predict(ROWS).shape == (3,)
        return
    with pytest.raises(RuntimeMissing, match="'cuda' was asked"):
        load_model(_file(tmp_path, model_format), model_format, device="cuda")


def test_an_onnx_model_never_imports_torch(tmp_path: Path) -> None:
    path = _file(tmp_path, ONNX)
    program = (
        "import sys, pathlib, numpy; from modelloop_core.inference import load_model; "
        "from modelloop_core.manifest import ModelFormat; "
        "m = load_model(pathlib.Path(sys.argv[1]), ModelFormat.ONNX); m.predict(numpy.zeros((1, 2), 'float32')); "
        "print([name for name in ('torch', 'onnx', 'fastapi', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Answers:
    """A model that answers with what it was given."""

    def __init__(self, answer: object) -> None:
        self.answer = np.asarray(answer)

    def predict(self, matrix: Float32s) -> Floats:
        return self.answer


ABC = MulticlassOutput(classes=("a", "b", "c"))
PAIR = RegressionOutput(names=("mean", "largest"))


def _scored(answer: object, output: Output) -> list[object]:
    signature = Signature(inputs=(NumericFeature(name="x"),), output=output)
    scores = Scorer(signature, Preprocessing(), Answers(answer)).predict(np.zeros((2, 1)))
    assert scores.dtype == np.float64
    listed: list[object] = scores.tolist()
    return listed


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        pytest.param([0.0, 1.0], BinaryOutput(), id="probabilities at the ends"),
        pytest.param([-5.0, 1e30], RegressionOutput(), id="any finite value"),
        pytest.param([[0.2, 0.3, 0.5], [0.0, 0.5, 0.5009]], ABC, id="a sum within 1e-3"),
        pytest.param([[-5.0, 1e30], [2.0, 0.0]], PAIR, id="any finite values"),
    ],
)
def test_an_allowed_answer_passes(answer: list[object], output: Output) -> None:
    assert np.asarray(_scored(answer, output)) == pytest.approx(np.asarray(answer), abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "output", "message"),
    [
        pytest.param([0.5, 1.01], BinaryOutput(), r"1\.01 for row 1.*sigmoid", id="above one"),
        pytest.param([-0.01, 0.5], BinaryOutput(), "row 0.*sigmoid", id="below zero"),
        pytest.param([0.5, np.nan], BinaryOutput(), "row 1, which is not finite", id="not a number"),
        pytest.param([np.inf, 1.0], RegressionOutput(), "row 0, which is not finite", id="infinite"),
        pytest.param(
            [[0.5, 0.5]] * 2, BinaryOutput(), r"shape \[2, 2\]; a binary", id="two columns for one probability"
        ),
        pytest.param([[0.5, 0.5]] * 2, ABC, "2 values a row, the signature 3", id="a class too few"),
        pytest.param([0.1, 0.2], ABC, "3 classes", id="one value for classes"),
        pytest.param([[0.2, 0.3, 0.502]] * 2, ABC, "sum to 1.002", id="a sum beyond 1e-3"),
        pytest.param([[-0.1, 0.6, 0.5]] * 2, ABC, "softmax", id="a negative probability"),
        pytest.param([[1.0, 2.0]] * 2, RegressionOutput(), "one value a row", id="two values for one"),
        pytest.param([1.0, 2.0], PAIR, "names 2 values a row: mean, largest", id="one value for two"),
        pytest.param([[1.0, 2.0, 3.0]] * 2, PAIR, "3 values a row, the signature names 2", id="three values for two"),
        pytest.param([[1.0, np.nan]] * 2, PAIR, "row 0, which is not finite", id="one of two values not a number"),
    ],
)
def test_an_answer_that_the_signature_excludes_is_an_error(answer: list[object], output: Output, message: str) -> None:
    with pytest.raises(BadOutput, match=message):
        _scored(answer, output)


def test_an_answer_for_fewer_rows_is_an_error(tmp_path: Path) -> None:
    class First(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[0]

    model = load_model(model_files.torchscript(First(), tmp_path / "model.ts.pt"), TORCHSCRIPT)
    with pytest.raises(BadOutput, match=r"3 row\(s\) with shape \[2\]"):
        model.predict(ROWS)


MEANS, LARGEST = [0.0, 3.0, 0.0], [0.0, 4.0, 1.0]
_BOTH = np.column_stack([MEANS, LARGEST])


def _with_heads(folder: Path, model_format: ModelFormat, model: torch.nn.Module) -> Path:
    path = folder / model_format.value
    match model_format:
        case ModelFormat.ONNX:
            return model_files.onnx_heads(path, 2)
        case ModelFormat.TORCHSCRIPT:
            return model_files.torchscript(model, path)
        case _:
            return model_files.exported(model, path, 2, max=4)


@pytest.mark.parametrize(
    ("model_format", "model", "names"),
    [
        pytest.param(ONNX, model_files.Heads(), ("mean", "largest"), id="ONNX by name"),
        pytest.param(TORCHSCRIPT, model_files.Heads(), ("0", "1"), id="TorchScript by position"),
        pytest.param(TORCHSCRIPT, model_files.NamedHeads(), ("mean", "largest"), id="TorchScript by key"),
        pytest.param(PT2, model_files.Heads(), ("0", "1"), id="exported by position"),
        pytest.param(PT2, model_files.NamedHeads(), ("mean", "largest"), id="exported by key"),
    ],
)
def test_the_heads_that_are_named_answer_side_by_side(
    tmp_path: Path, model_format: ModelFormat, model: torch.nn.Module, names: tuple[str, str]
) -> None:
    path = _with_heads(tmp_path, model_format, model)
    mean, largest = names
    assert load_model(path, model_format, heads=[mean]).predict(ROWS) == pytest.approx(MEANS)
    assert load_model(path, model_format, heads=[largest]).predict(ROWS) == pytest.approx(LARGEST)
    both = load_model(path, model_format, heads=[mean, largest])
    # Six rows: more than the exported program takes at once.
    assert both.predict(np.tile(ROWS, (2, 1))) == pytest.approx(np.tile(_BOTH, (2, 1)))
    assert load_model(path, model_format, heads=[largest, mean]).predict(ROWS) == pytest.approx(_BOTH[:, ::-1])


@pytest.mark.parametrize("heads", [(), ("neither",), ("which",)], ids=["none named", "no such head", "no float"])
def test_an_onnx_head_is_never_left_out_in_silence(tmp_path: Path, heads: tuple[str, ...]) -> None:
    with pytest.raises(ModelUnreadable, match=r"gives \(mean: .*, largest: .*, which: .*\)"):
        load_model(model_files.onnx_heads(tmp_path / "model.onnx", 2), ONNX, heads=heads)


@pytest.mark.parametrize("model_format", [TORCHSCRIPT, PT2])
@pytest.mark.parametrize(
    ("model", "heads", "told"),
    [
        (model_files.Heads(), (), r"a tuple of 2 \(0: Tensor, 1: Tensor\); choose"),
        (model_files.NamedHeads(), (), r"a dict of 2 \(mean: Tensor, largest: Tensor\); choose"),
        (model_files.Heads(), ("2",), "'2' is no tensor among them"),
    ],
    ids=["a pair", "a dict", "no such position"],
)
def test_a_torch_head_is_never_left_out_in_silence(
    tmp_path: Path, model_format: ModelFormat, model: torch.nn.Module, heads: tuple[str, ...], told: str
) -> None:
    with pytest.raises(BadOutput, match=told):
        load_model(_with_heads(tmp_path, model_format, model), model_format, heads=heads).predict(ROWS)


def test_no_rows_are_scored_without_the_model() -> None:
    signature = Signature(inputs=(NumericFeature(name="x"),), output=ABC)
    assert Scorer(signature, Preprocessing(), Answers("never asked")).predict(np.empty((0, 1))).shape == (0, 3)


def test_the_weights_config_key_is_the_one_torch_writes(tmp_path: Path) -> None:
    """Guards the guard: when torch renames `use_pickle`, the refusal above would go blind."""
    path = model_files.exported(torch.nn.Linear(2, 1), tmp_path / "model.pt2", 2)
    with zipfile.ZipFile(path) as archive:
        config = next(name for name in archive.namelist() if name.endswith("_weights_config.json"))
        assert all("use_pickle" in entry for entry in json.loads(archive.read(config))["config"].values())
