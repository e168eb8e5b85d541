"""Says what a model file is without loading it, and refuses what would run code of its own while loading.

`torch.export.load` unpickles some members, evaluates shape expressions as Python and resolves operator names anywhere
below `torch`. A model file is data, so an archive that uses any of this beyond plain tensors and operators is refused.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelloop_core.inference.errors import ModelUnreadable, NotAModel
from modelloop_core.manifest import ModelFormat

_TITLES = {ModelFormat.TORCH_EXPORT: "torch.export", ModelFormat.TORCHSCRIPT: "TorchScript", ModelFormat.ONNX: "ONNX"}
WHAT_TO_SAVE = (
    "Save a program instead: `torch.export.save(torch.export.export(model, (example,), dynamic_shapes=...), "
    "'model.pt2')`, or `torch.jit.script(model).save('model.ts.pt')`, or export it to ONNX"
)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized|quantized_decomposed|torchvision)\.[A-Za-z_]\w*(\.\w+)?"
    r"|torch\.sym_\w+|math\.(ceil|floor|trunc|sqrt|pow)"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
_SYMBOL = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)|Integer\(-?\d+\)|\b[a-z]{1,3}\d+\b")
_ARITHMETIC = re.compile(r"([\d\s+\-*/%(),<>=]|\d\.\d|[A-Z][A-Za-z]+\()*")


def check_archive(path: Path, expected: ModelFormat) -> None:
    """Raise NotAModel for weights and pickles, ModelUnreadable for anything that is not `expected`."""
    with path.open("rb") as file:
        head = file.read(4)
    if not zipfile.is_zipfile(path):
        _check_plain(path, head, expected)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            _check_kind(path, members, expected)
            if expected is ModelFormat.TORCH_EXPORT:
                _check_exported(path, archive, members)
    except (zipfile.BadZipFile, OSError, KeyError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ModelUnreadable(f"{path.name} is a damaged archive: {error}") from error


def _check_plain(path: Path, head: bytes, expected: ModelFormat) -> None:
    if head[:1] == b"\x80":
        raise NotAModel(f"{path.name} is a Python pickle, which is never opened. {WHAT_TO_SAVE}")
    if expected is not ModelFormat.ONNX or not head:
        raise ModelUnreadable(f"{path.name} is not a {_TITLES[expected]} file: empty, cut short or something else")


def _check_kind(path: Path, members: dict[str, str], expected: ModelFormat) -> None:
    found = _kind(members)
    if found is expected:
        return
    if found is not None:
        raise ModelUnreadable(f"{path.name} is a {_TITLES[found]} file, expected {_TITLES[expected]}")
    if "data.pkl" in members:
        raise NotAModel(f"{path.name} holds weights (a state_dict) or a pickled module. {WHAT_TO_SAVE}")
    if "serialized_exported_program.json" in members:
        raise ModelUnreadable(f"{path.name} was exported by an old torch; export it again with torch 2.9 or later")
    raise ModelUnreadable(f"{path.name} is an archive but not a {_TITLES[expected]} file")


def _kind(members: dict[str, str]) -> ModelFormat | None:
    if "constants.pkl" in members and any(name.startswith("code/") for name in members):
        return ModelFormat.TORCHSCRIPT
    return ModelFormat.TORCH_EXPORT if "archive_format" in members else None


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Member names without the archive's root folder, to full names."""
    names = archive.namelist()
    roots = {name.split("/", 1)[0] for name in names}
    if len(roots) != 1 or len(set(names)) != len(names):
        raise zipfile.BadZipFile("members repeat or lie in more than one folder")
    return {name.split("/", 1)[-1]: name for name in names}


def _check_exported(path: Path, archive: zipfile.ZipFile, members: dict[str, str]) -> None:
    programs = [name for name in members if name.startswith("models/")]
    if len(programs) != 1:
        raise ModelUnreadable(f"{path.name} holds {len(programs)} exported programs, expected one")
    if any(name.startswith("data/aotinductor/") for name in members):
        raise NotAModel(f"{path.name} holds compiled machine code, which is never loaded. {WHAT_TO_SAVE}")
    for name in members:
        if name.endswith("_config.json") and _has_pickle(json.loads(archive.read(members[name]))):
            raise NotAModel(f"{path.name} holds pickled tensors or objects in {name}. {WHAT_TO_SAVE}")
    program = json.loads(archive.read(members[programs[0]]))
    for key, text in _strings(program):
        _check_string(path, key, text)


def _has_pickle(config: Any) -> bool:
    entries = config.get("config", config).values()
    return any(entry.get("use_pickle") for entry in entries if isinstance(entry, dict))


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value


def _check_string(path: Path, key: str, text: str) -> None:
    if key in ("target", "as_operator") and not _OPERATOR.fullmatch(text):
        raise NotAModel(f"{path.name} calls {text!r}, which is not a tensor operator. {WHAT_TO_SAVE}")
    if key == "expr_str" and not _is_shape(text):
        raise NotAModel(f"{path.name} has a shape expression {text!r} that is not arithmetic. {WHAT_TO_SAVE}")


def _is_shape(text: str) -> bool:
    return bool(_ARITHMETIC.fullmatch(_SYMBOL.sub("1", text)))
