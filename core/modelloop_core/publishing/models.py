"""Whatever the caller has (a file, a module, a program) as a file of a servable format."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelloop_core.inference import LoadError, ModelUnreadable
from modelloop_core.inference.archive import check_archive
from modelloop_core.manifest import ModelFormat
from modelloop_core.publishing.errors import PublishError

if TYPE_CHECKING:
    import torch

WHAT_TO_GIVE = "give a .pt2 file (torch.export), a TorchScript file, an .onnx file, or the torch module itself"
_BY_SUFFIX = {".onnx": ModelFormat.ONNX, ".pt2": ModelFormat.TORCH_EXPORT}


@dataclass(frozen=True)
class ModelFile:
    """A model as it will be stored; `notes` say what was done on the way."""

    path: Path
    format: ModelFormat
    notes: tuple[str, ...] = ()


def store_model(model: Any, columns: int, folder: Path) -> ModelFile:
    """Put `model`, which takes float32 [rows, columns], into `folder` under its format's name; raises PublishError."""
    if isinstance(model, str | Path):
        return _copy(Path(model), folder)
    if isinstance(model, dict):
        raise PublishError("a state_dict holds weights and no model", WHAT_TO_GIVE)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    # By name first: whoever publishes an ONNX file or a scikit-learn model by mistake needs no torch to be told.
    if not any(base.__module__.startswith("torch.") for base in type(model).__mro__):
        raise PublishError(f"a {kind} cannot be published", WHAT_TO_GIVE)
    return _store_torch(model, kind, columns, folder)


def _copy(path: Path, folder: Path) -> ModelFile:
    if not path.is_file():
        raise PublishError(f"there is no file {str(path)!r}", WHAT_TO_GIVE)
    model_format = _format_of(path)
    target = folder / model_format.value
    if model_format is ModelFormat.ONNX:
        return ModelFile(target, model_format, _copy_onnx(path, target))
    shutil.copyfile(path, target)
    return ModelFile(target, model_format)


def _format_of(path: Path) -> ModelFormat:
    known = _BY_SUFFIX.get(path.suffix.lower())
    candidates = [known] if known else [ModelFormat.TORCH_EXPORT, ModelFormat.TORCHSCRIPT]
    for candidate in candidates:
        try:
            check_archive(path, candidate)
        except ModelUnreadable as error:
            refusal: LoadError = error
        except LoadError as error:
            message, _, hint = str(error).partition(". ")
            raise PublishError(message, hint or WHAT_TO_GIVE) from error
        else:
            return candidate
    raise PublishError(f"{path.name} is no model that can be served: {refusal}", WHAT_TO_GIVE) from refusal


def _copy_onnx(path: Path, target: Path) -> tuple[str, ...]:
    """torch's exporter keeps large weights in a second file; a version holds one."""
    try:
        import onnx
    except ImportError:
        shutil.copyfile(path, target)
        return ()
    try:
        graph = onnx.load(str(path), load_external_data=False)
        if not any(onnx.external_data_helper.uses_external_data(tensor) for tensor in graph.graph.initializer):
            shutil.copyfile(path, target)
            return ()
        onnx.save(onnx.load(str(path)), str(target))
    except Exception as error:
        # protobuf, onnx and the disk each raise their own.
        said = f"{path.name} is no ONNX model, or its data file is missing: {first_line(error)}"
        raise PublishError(said, WHAT_TO_GIVE) from error
    return ("the weights beside the ONNX file were put into it",)


def _store_torch(model: Any, kind: str, columns: int, folder: Path) -> ModelFile:
    import torch

    if isinstance(model, torch.export.ExportedProgram):
        return _save_exported(model, folder)
    if isinstance(model, torch.jit.ScriptModule):
        return _save_script(model, folder)
    if isinstance(model, torch.nn.Module):
        return _export(model, columns, folder)
    raise PublishError(f"a {kind} cannot be published", WHAT_TO_GIVE)


def _export(model: torch.nn.Module, columns: int, folder: Path) -> ModelFile:
    import torch

    # A copy, so that the caller's model stays in training mode and on its device.
    ready = copy.deepcopy(model).cpu().eval()
    example = torch.zeros(2, columns)
    try:
        with torch.no_grad():
            ready(example)
    except Exception as error:
        raise PublishError(
            f"the module failed on a float32 tensor of shape [2, {columns}]: {first_line(error)}",
            "it must take one matrix with a column for each feature after preprocessing; is the label among them?",
        ) from error
    shapes = ({0: torch.export.Dim("rows", min=1)},)
    try:
        return _save_exported(torch.export.export(ready, (example,), dynamic_shapes=shapes), folder)
    except Exception as error:  # noqa: BLE001 - torch.export raises whatever its compiler raises
        return _script(
            ready, folder, f"torch.export could not take the module ({first_line(error)}); TorchScript could"
        )


def _script(ready: torch.nn.Module, folder: Path, note: str) -> ModelFile:
    import torch

    try:
        scripted = torch.jit.script(ready)
    except Exception as error:
        raise PublishError(
            f"the module can be neither exported nor scripted: {first_line(error)}",
            f"export it yourself and {WHAT_TO_GIVE}",
        ) from error
    return _save_script(scripted, folder, note)


def _save_exported(program: Any, folder: Path) -> ModelFile:
    import torch

    target = folder / ModelFormat.TORCH_EXPORT.value
    torch.export.save(program, str(target))
    return ModelFile(target, ModelFormat.TORCH_EXPORT)


def _save_script(script: Any, folder: Path, *notes: str) -> ModelFile:
    target = folder / ModelFormat.TORCHSCRIPT.value
    script.save(str(target))
    return ModelFile(target, ModelFormat.TORCHSCRIPT, notes)


def first_line(error: BaseException) -> str:
    """What a foreign error says, in one line."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip() if lines else 'no message'}"[:300]
