"""Small real model files for tests, written with torch and onnx; each takes a float32 matrix [n, columns]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper


class Logistic(torch.nn.Module):
    """sigmoid(mean of the columns)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x.mean(dim=1))


class Mean(torch.nn.Module):
    """Mean of the columns, as [n, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1, keepdim=True)


class MeanAndLargest(torch.nn.Module):
    """The mean and the largest of the columns, as [n, 2]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.mean(dim=1), x.max(dim=1).values], dim=1)


class Heads(torch.nn.Module):
    """The mean [n] and the largest [n, 1] of the columns, as a pair."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.mean(dim=1), x.max(dim=1, keepdim=True).values


class NamedHeads(torch.nn.Module):
    """The mean [n] and the largest [n, 1] of the columns, by name."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"mean": x.mean(dim=1), "largest": x.max(dim=1, keepdim=True).values}


class ThreeClasses(torch.nn.Module):
    """softmax over the first two columns and the lesser of them less one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        least = x.min(dim=1, keepdim=True).values - 1
        return torch.softmax(torch.cat([x[:, :2], least], dim=1), dim=1)


class NaNAboveHundred(torch.nn.Module):
    """sigmoid(mean), but NaN in a row whose first column exceeds 100."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer = torch.sigmoid(x.mean(dim=1))
        return torch.where(x[:, 0] > 100, torch.full_like(answer, float("nan")), answer)


class RaisesAboveHundred(torch.nn.Module):
    """sigmoid(mean), but raises when the first value of a batch exceeds 100."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x[0, 0] > 100):
            raise ValueError("this model does not like large numbers")
        return torch.sigmoid(x.mean(dim=1))


class SlowAboveHundred(torch.nn.Module):
    """sigmoid(mean), but works for minutes (bounded) when the first value of a batch exceeds 100."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turns = 0
        if bool(x[0, 0] > 100):
            turns = 200000000
        answer = x.mean(dim=1)
        for _ in range(turns):
            answer = answer * 1.0000001
        return torch.sigmoid(answer)


def torchscript(model: torch.nn.Module, path: Path) -> Path:
    """Save as TorchScript."""
    script: Any = torch.jit.script
    script(model.eval()).save(str(path))
    return path


def exported(model: torch.nn.Module, path: Path, columns: int, *, dynamic: bool = True, **bounds: int) -> Path:
    """Save with torch.export, by default with a dynamic batch."""
    shapes = ({0: torch.export.Dim("batch", **bounds)},) if dynamic else None
    program = torch.export.export(model.eval(), (torch.randn(4, columns),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def state_dict(path: Path, columns: int = 2) -> Path:
    """Save weights alone, which nothing can serve."""
    torch.save(torch.nn.Linear(columns, 1).state_dict(), path)
    return path


def onnx_logistic(path: Path, columns: int, *, batch: int | str = "batch") -> Path:
    """sigmoid(mean of the columns) as ONNX, [n, 1]."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sigmoid", ["mean"], ["y"]),
    ]
    return _onnx(path, nodes, columns, batch=batch)


def onnx_heads(path: Path, columns: int) -> Path:
    """The mean and the largest of the columns, [n, 1] each, and `which`, an int64 of where the largest is."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("ReduceMax", ["x", "axes"], ["largest"], keepdims=1),
        helper.make_node("ArgMax", ["x"], ["which"], axis=1, keepdims=1),
    ]
    return _onnx(path, nodes, columns, outputs=("mean", "largest", "which"))


def onnx_network(path: Path, columns: int, width: int) -> Path:
    """A seeded linear layer to `width`, a ReLU and one to a value, as ONNX, [n, 1]."""
    random = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
        for name, shape in (("first", (columns, width)), ("second", (width, 1)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["y"]),
    ]
    return _onnx(path, nodes, columns, weights=weights)


def onnx_constant_nan(path: Path, columns: int) -> Path:
    """log of a negative number in every row, as ONNX."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Abs", ["mean"], ["positive"]),
        helper.make_node("Neg", ["positive"], ["negative"]),
        helper.make_node("Sub", ["negative", "one"], ["below"]),
        helper.make_node("Log", ["below"], ["y"]),
    ]
    return _onnx(path, nodes, columns)


def _onnx(
    path: Path,
    nodes: list[Any],
    columns: int,
    *,
    batch: int | str = "batch",
    outputs: tuple[str, ...] = ("y",),
    weights: Sequence[Any] = (),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, columns])],
        [helper.make_tensor_value_info(name, _type(name), [batch, 1]) for name in outputs],
        [
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
            helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
            *weights,
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _type(output: str) -> int:
    return int(TensorProto.INT64 if output == "which" else TensorProto.FLOAT)
