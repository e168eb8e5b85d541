from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from modelloop_core.inference import load_model
from modelloop_core.manifest import ModelFormat
from modelloop_predictor.version import open_version, warm_up
from support import model_files
from support.predictor_inside import settings_for
from support.published import pair, publish


class _Heavy(torch.nn.Module):
    """sigmoid(mean) after some 30 milliseconds of products for 64 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.square = torch.nn.Parameter(torch.zeros(2500, 2500))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.mean(dim=1, keepdim=True).expand(-1, 2500)
        return torch.sigmoid((wide + wide @ self.square @ self.square @ self.square).mean(dim=1))


class _AsLargeAsAValue(torch.nn.Module):
    """As many zeros as the first value says."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x.mean(dim=1)) + torch.zeros(int(x[0, 0])).sum()


def _onnx_range(path: Path) -> Path:
    """y = the mean of x, plus the sum of the numbers below the largest value of x."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Range", ["zero", "top", "one"], ["numbers"]),
        helper.make_node("ReduceSum", ["numbers"], ["total"], keepdims=0),
        helper.make_node("ReduceMean", ["x", "columns"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "total"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "range",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
            helper.make_tensor("columns", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _onnx_loop(path: Path) -> Path:
    """y = x, once around a Loop."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ["n", 2]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ["n", 2]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)],
        "loop",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor("turns", TensorProto.INT64, [], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def test_a_program_that_may_loop_is_known_by_its_nodes(tmp_path: Path) -> None:
    script, plain = ModelFormat.TORCHSCRIPT, ModelFormat.ONNX
    looping = model_files.torchscript(model_files.SlowAboveHundred(), tmp_path / "loops.pt")
    straight = model_files.torchscript(model_files.RaisesAboveHundred(), tmp_path / "straight.pt")
    assert load_model(looping, script, device="cpu", threads=1).open_ended
    assert not load_model(straight, script, device="cpu", threads=1).open_ended
    assert load_model(_onnx_loop(tmp_path / "loop.onnx"), plain, device="cpu", threads=1).open_ended
    straight = model_files.onnx_logistic(tmp_path / "s.onnx", 2)
    assert not load_model(straight, plain, device="cpu", threads=1).open_ended


def test_a_program_whose_sizes_are_values_is_known_by_its_nodes(tmp_path: Path) -> None:
    growing = model_files.torchscript(_AsLargeAsAValue(), tmp_path / "growing.pt")
    assert load_model(growing, ModelFormat.TORCHSCRIPT, device="cpu", threads=1).open_ended
    assert load_model(_onnx_range(tmp_path / "range.onnx"), ModelFormat.ONNX, device="cpu", threads=1).open_ended


@pytest.mark.parametrize("model", [model_files.SlowAboveHundred, _Heavy], ids=["it may loop", "it takes long"])
def test_a_model_that_may_take_long_is_not_run_on_the_event_loop(tmp_path: Path, model: type[torch.nn.Module]) -> None:
    publish(tmp_path / "registry", model_files.torchscript(model(), tmp_path / ModelFormat.TORCHSCRIPT.value), pair())
    opened = open_version(tmp_path / "registry" / "versions" / "1.2.3", settings_for(tmp_path))
    assert not warm_up(opened, 64).quick
