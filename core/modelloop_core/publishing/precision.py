"""Stores a float model in fewer bits, and measures by how much its answers then differ; none is stored unmeasured."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from modelloop_core.feature_schema import RegressionOutput, Signature
from modelloop_core.inference import Float64s, InferenceError, Model, Scorer
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.models import ModelFile, first_line, store_model

if TYPE_CHECKING:
    import torch

MAX_DIFFERENCE = 0.02
"""What an answer may differ by unless the caller says otherwise; see `Difference`."""

_ALONE = 32
_WITHOUT = "publish it without --precision"


class Precision(StrEnum):
    """int8: matrix products in 8-bit integers, for CPUs. fp16: everything in 16-bit floats, for GPUs."""

    INT8 = "int8"
    FP16 = "fp16"


@dataclass(frozen=True)
class Difference:
    """Between the answers of two models: probabilities as they are, values in standard deviations of the original's."""

    precision: Precision
    largest: float
    mean: float

    def metrics(self) -> dict[str, float]:
        """As the manifest and the card have it."""
        return dict(zip(metric_names(self.precision), (self.largest, self.mean), strict=True))


def metric_names(precision: Precision) -> tuple[str, str]:
    """What the largest and the mean difference are called in a manifest."""
    return f"{precision}_max_difference", f"{precision}_mean_difference"


def store_in(precision: Precision, model: Any, stored: ModelFile, columns: int, folder: Path) -> ModelFile:
    """`stored` with fewer bits, made in `folder` from the ONNX file or, for torch, from the module `model`.

    Raises PublishError for a program whose layers are gone, and for one that has nothing to gain.
    """
    if stored.format is ModelFormat.ONNX:
        return _onnx(precision, stored, folder)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    if isinstance(model, str | Path) or kind.startswith(("torch.export.", "torch.jit.")):
        raise PublishError(
            f"a {stored.format.value} is a program whose layers cannot be told any more",
            f"give the torch module itself (modelloop.publish(module, …, precision='{precision}')), or an ONNX file",
        )
    ready = copy.deepcopy(model).cpu().eval()
    return _int8_module(ready, folder) if precision is Precision.INT8 else _fp16_module(ready, columns, folder)


def measure(
    precision: Precision,
    original: Model,
    smaller: Model,
    rows: Float64s,
    signature: Signature,
    preprocessing: Preprocessing,
) -> Difference:
    """How much the smaller model's answers differ on `rows` [n, features], together and (the first 32) alone.

    Alone as well, because a batch's int8 activations share one scale, that of the largest: answers depend on the batch.
    """
    before, after = (Scorer(signature, preprocessing, model) for model in (original, smaller))
    try:
        expected = before.predict(rows)
        few = range(min(_ALONE, len(rows)))
        alone = np.concatenate([after.predict(rows[position : position + 1]) for position in few])
        found = np.concatenate([after.predict(rows), alone])
    except InferenceError as error:
        raise PublishError(f"the {precision} model does not answer: {error}", _WITHOUT) from error
    scale = expected.std(axis=0) if isinstance(signature.output, RegressionOutput) else np.ones(1)
    apart = np.abs(found - np.concatenate([expected, expected[: len(few)]])) / np.where(scale > 0, scale, 1.0)
    return Difference(precision, float(apart.max()), float(apart.mean()))


def check_difference(difference: Difference, allowed: float | None) -> None:
    """Raise PublishError when the answers differ by more than is allowed."""
    limit = MAX_DIFFERENCE if allowed is None else allowed
    if difference.largest > limit:
        raise PublishError(
            f"the {difference.precision} model's answers differ by up to {difference.largest:.3g} "
            f"(mean {difference.mean:.3g}) from the original's, and {limit:g} is allowed",
            f"{_WITHOUT}, or allow more (--max-difference)",
        )


def _onnx(precision: Precision, stored: ModelFile, folder: Path) -> ModelFile:
    import onnx

    target = folder / ModelFormat.ONNX.value
    try:
        match precision:
            case Precision.INT8:
                _int8_graph(stored.path, target)
            case Precision.FP16:
                _fp16_graph(stored.path, target)
            case _:
                assert_never(precision)
        nodes = {node.op_type for node in onnx.load(str(target), load_external_data=False).graph.node}
    except Exception as error:
        # protobuf, onnx and ONNX Runtime each raise their own.
        raise PublishError(f"the graph cannot be made {precision}: {first_line(error)}", _WITHOUT) from error
    if precision is Precision.INT8 and "DynamicQuantizeLinear" not in nodes:
        raise _nothing()
    return ModelFile(target, ModelFormat.ONNX, stored.notes)


def _int8_graph(path: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # it recommends, by the root logger, a step that only convolutions gain from
    try:
        quantize_dynamic(str(path), str(target), weight_type=QuantType.QInt8)
    finally:
        root.setLevel(level)


def _fp16_graph(path: Path, target: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(path)), keep_io_types=True), str(target))


def _int8_module(ready: torch.nn.Module, folder: Path) -> ModelFile:
    import torch

    quantize: Any = torch.ao.quantization.quantize_dynamic  # untyped in torch
    quantized = quantize(ready, {torch.nn.Linear}, dtype=torch.qint8)
    if not any(isinstance(layer, torch.ao.nn.quantized.dynamic.Linear) for layer in quantized.modules()):
        raise _nothing()
    target = folder / ModelFormat.TORCHSCRIPT.value
    try:
        script: Any = torch.jit.script  # untyped in torch
        # Not torch.export: it keeps no packed int8 weights.
        script(quantized).save(str(target))
    except Exception as error:
        found = f"the int8 module cannot be scripted: {first_line(error)}"
        raise PublishError(found, "export it to ONNX and publish that") from error
    return ModelFile(target, ModelFormat.TORCHSCRIPT)


def _fp16_module(ready: torch.nn.Module, columns: int, folder: Path) -> ModelFile:
    from modelloop_core.publishing.half import Half

    return store_model(Half(ready), columns, folder)


def _nothing() -> PublishError:
    return PublishError("the model has no layer that int8 would make quicker", _WITHOUT)
