"""Makes an exported program quick to call: torch's own module spends most of a small call outside the operators."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.export.passes import move_to_device_pass
from torch.utils import _pytree as pytree

from modelloop_core.inference.archive import WHAT_TO_SAVE
from modelloop_core.inference.errors import ModelUnreadable, NotAModel
from modelloop_core.inference.torch_freezing import frozen

_UNLIMITED = 2**31
_HOW_TO_EXPORT = (
    "export it with a batch of 2 or more and "
    "`dynamic_shapes=({0: torch.export.Dim('batch')},)`, taking one float32 tensor [batch, columns]"
)


def load_exported(path: Path, device: torch.device) -> tuple[Any, int | None]:
    """The callable program and the most rows it takes at once (None: any); raises ModelUnreadable."""
    _check_sample_inputs(path)
    program = torch.export.load(str(path))
    columns, max_rows = _input_shape(program, path.name)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    module = program.module(check_guards=False)
    if not _is_traceable(program.graph):
        return module, max_rows
    return _traced(module, columns, device) or module, max_rows


def _check_sample_inputs(path: Path) -> None:
    """Refuse sample inputs that are more than tensors: torch would fall back to unpickling them."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "/data/sample_inputs/" not in name:
                continue
            try:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
                raise NotAModel(f"{path.name} has sample inputs that are not plain tensors. {WHAT_TO_SAVE}") from error


def _input_shape(program: torch.export.ExportedProgram, name: str) -> tuple[int, int | None]:
    users = set(program.graph_signature.user_inputs)
    inputs = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in users]
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or inputs[0].ndim != 2:
        raise ModelUnreadable(f"{name} takes {len(inputs)} input(s) and not one matrix; {_HOW_TO_EXPORT}")
    rows, columns = inputs[0].shape
    if isinstance(rows, int) or not isinstance(columns, int):
        raise ModelUnreadable(f"{name} takes exactly {rows} row(s) at a time; {_HOW_TO_EXPORT}")
    upper = program.range_constraints[rows.node.expr].upper
    return columns, int(upper) if upper < _UNLIMITED else None


def _is_traceable(graph: torch.fx.Graph) -> bool:
    """Whether every step is a plain operator on tensors: a trace would freeze sizes and branches at the example's."""
    return all(
        isinstance(node.target, torch._ops.OpOverload) and isinstance(node.meta.get("val"), torch.Tensor)
        for node in graph.nodes
        if node.op == "call_function"
    )


def _traced(module: Any, columns: int, device: torch.device) -> Any | None:
    """The program as frozen TorchScript (about a seventh of the call), or None when it does not answer the same."""
    random = torch.Generator(device="cpu").manual_seed(0)
    try:
        examples = [torch.randn(rows, columns, generator=random).to(device) for rows in (2, 1, 7)]
        trace: Any = torch.jit.trace  # untyped in torch
        traced = frozen(trace(module, examples[0], check_trace=False, strict=False).eval(), device)
        same = all(_agree(module(example), traced(example)) for example in examples)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None
    return traced if same else None


def _agree(expected: Any, found: Any) -> bool:
    pairs = list(zip(pytree.tree_leaves(expected), pytree.tree_leaves(found), strict=True))
    return all(
        one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
        for one, other in pairs
    )
