"""Runs TorchScript and torch.export files; the only module that imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from modelloop_core.inference.arrays import Float32s, Floats
from modelloop_core.inference.errors import (
    InferenceError,
    ModelFailed,
    ModelUnreadable,
    OutOfMemory,
    RuntimeMissing,
)
from modelloop_core.inference.output import join
from modelloop_core.inference.torch_export import load_exported
from modelloop_core.inference.torch_freezing import frozen
from modelloop_core.inference.torch_heads import chosen
from modelloop_core.manifest import ModelFormat

# A loop; a tensor's value as a number, which can become a size; an operator that takes its output's size from values.
_OPEN_ENDED = (
    "prim::Loop", "aten::item", "aten::Int", "aten::IntImplicit", "aten::ScalarImplicit", "aten::repeat_interleave"
)  # fmt: skip


class TorchModel:
    """A frozen program on one device; at most `max_rows` rows go through it at once."""

    def __init__(
        self, program: Any, device: torch.device, max_rows: int | None = None, heads: Sequence[str] = ()
    ) -> None:
        self._heads = tuple(heads)
        self.open_ended = _is_open_ended(program)
        # A script's own method: calling the module looks for hooks first, which takes as long as a small layer.
        self._program = program.forward if isinstance(program, torch.jit.ScriptModule) else program
        self._device = device
        self._max_rows = max_rows

    def predict(self, matrix: Float32s) -> Floats:
        """float32 [n, k] to floats [n] or [n, values]; raises ModelFailed, BadOutput or OutOfMemory."""
        try:
            with torch.inference_mode():
                answers = self._run(torch.from_numpy(matrix).to(self._device))
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(f"no memory for {len(matrix)} row(s): {_first_line(error)}") from error
        except InferenceError:
            raise
        except Exception as error:  # a model is foreign code and may raise anything
            raise ModelFailed(f"the model raised on {len(matrix)} row(s): {_first_line(error)}") from error
        return join([answer.numpy(force=True) for answer in answers], len(matrix))

    def _run(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        if self._max_rows is None or len(inputs) <= self._max_rows:
            return chosen(self._program(inputs), self._heads)
        blocks = [chosen(self._program(block), self._heads) for block in torch.split(inputs, self._max_rows)]
        return [torch.cat(parts) for parts in zip(*blocks, strict=True)]


def load_torch(path: Path, model_format: ModelFormat, heads: Sequence[str], *, device: str, threads: int) -> TorchModel:
    """Load a checked archive; raises ModelUnreadable, or RuntimeMissing when the device is not here."""
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeMissing("device 'cuda' was asked, but torch sees no GPU in this process")
    torch.set_num_threads(threads)
    target = torch.device(device)
    try:
        # The tracer warns about shape guards, and torch about TorchScript's age; neither is news to an operator.
        with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
            if model_format is ModelFormat.TORCHSCRIPT:
                load: Any = torch.jit.load  # untyped in torch
                program = _optimised(load(str(path), map_location=target).eval(), target)
                return TorchModel(program, target, heads=heads)
            program, max_rows = load_exported(path, target)
            return TorchModel(program, target, max_rows, heads)
    except InferenceError:
        raise
    except Exception as error:  # torch's readers raise whatever the damage makes them raise
        raise ModelUnreadable(f"{path.name} cannot be loaded: {_first_line(error)}") from error


def _optimised(module: Any, device: torch.device) -> Any:
    try:
        return frozen(module, device)
    except RuntimeError:
        # Some programs cannot be frozen (submodules called by name, mutation); they run as they are.
        return module


def _is_open_ended(program: Any) -> bool:
    if not isinstance(program, torch.jit.ScriptModule):
        return True
    try:
        graph: Any = program.inlined_graph  # its methods are untyped in torch
        return any(graph.findAllNodes(kind, True) for kind in _OPEN_ENDED)
    except RuntimeError:
        return True


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TorchScript puts the program's own traceback first and the cause last.
    line = lines[-1] if lines and lines[0].startswith("The following operation failed") else (lines or [""])[0]
    return f"{type(error).__name__}: {line}"[:500]
