"""Runs ONNX files with ONNX Runtime; torch is never imported on this path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelloop_core.inference.arrays import Float32s, Floats
from modelloop_core.inference.errors import ModelFailed, ModelUnreadable, OutOfMemory, RuntimeMissing
from modelloop_core.inference.output import join

_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_PROBABILITIES = "probabilities"
_CHOOSE = "name the float tensors to serve (--head)"
_ERRORS_ONLY = 3
# Nodes that loop, and nodes whose output can be as large as a value says.
_OPEN_ENDED = (
    b"Loop", b"Scan", b"SequenceMap",
    b"Range", b"Expand", b"Tile", b"ConstantOfShape", b"OneHot", b"Pad", b"Resize", b"Upsample",
)  # fmt: skip
# `op_type` as protobuf writes it: field 4, length, text. A file that has these bytes by chance is taken for one that
# has the node, which costs it a little speed and nothing else.
_MARKS = tuple(b"\x22" + bytes([len(name)]) + name for name in _OPEN_ENDED)


class OnnxModel:
    """One inference session with one matrix in and its heads out."""

    def __init__(self, session: Any, *, source: str, dtype: Any, targets: list[str], open_ended: bool = False) -> None:
        self.open_ended = open_ended
        self._session = session
        self._source = source
        self._dtype = dtype
        self._targets = targets

    def predict(self, matrix: Float32s) -> Floats:
        """float32 [n, k] to floats [n] or [n, values]; raises ModelFailed, BadOutput or OutOfMemory."""
        try:
            answers = self._session.run(self._targets, {self._source: matrix.astype(self._dtype, copy=False)})
        except MemoryError as error:
            raise OutOfMemory(f"no memory for {len(matrix)} row(s)") from error
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise ModelFailed(f"the model raised on {len(matrix)} row(s): {str(error)[:500]}") from error
        return join([np.asarray(answer) for answer in answers], len(matrix))


def load_onnx(path: Path, heads: Sequence[str], *, device: str, threads: int) -> OnnxModel:
    """Open a session; raises ModelUnreadable, or RuntimeMissing when the device is not here."""
    provider = _PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeMissing(f"device {device!r} was asked, but this ONNX Runtime has no {provider}")
    try:
        session = onnxruntime.InferenceSession(str(path), _options(threads), providers=[provider])
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        raise ModelUnreadable(f"{path.name} cannot be loaded: {str(error)[:500]}") from error
    source, dtype = _input(session, path.name)
    targets, open_ended = _targets(session, path.name, heads), _is_open_ended(path)
    return OnnxModel(session, source=source, dtype=dtype, targets=targets, open_ended=open_ended)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # A spinning pool burns a core between requests, which a pod's CPU limit then takes from serving.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _is_open_ended(path: Path) -> bool:
    content = path.read_bytes()
    return any(mark in content for mark in _MARKS)


def _input(session: Any, name: str) -> tuple[str, Any]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _DTYPES or len(inputs[0].shape) != 2:
        found = ", ".join(f"{item.name}: {item.type} {item.shape}" for item in inputs)
        raise ModelUnreadable(f"{name} takes ({found}), expected one float matrix [batch, columns]")
    if isinstance(inputs[0].shape[0], int):
        rows = inputs[0].shape[0]
        raise ModelUnreadable(f"{name} takes exactly {rows} row(s) at a time; export it with a dynamic batch dimension")
    return inputs[0].name, _DTYPES[inputs[0].type]


def _targets(session: Any, name: str, heads: Sequence[str]) -> list[str]:
    types = {item.name: item.type for item in session.get_outputs()}
    chosen = list(heads) or _only(types)
    strange = [head for head in chosen if types.get(head) not in _DTYPES]
    if not chosen or strange:
        found = ", ".join(f"{output}: {kind}" for output, kind in types.items())
        asked = f"{', '.join(map(repr, strange))} is not a float tensor among them" if strange else _CHOOSE
        raise ModelUnreadable(f"{name} gives ({found}); {asked}")
    return chosen


def _only(types: Mapping[str, str]) -> list[str]:
    """The one output that says all there is; empty when somebody has to choose."""
    if len(types) == 1:
        return list(types)
    # A classifier of skl2onnx: its label is that of the largest probability.
    return [_PROBABILITIES] if set(types) == {"label", _PROBABILITIES} else []
