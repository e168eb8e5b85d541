"""Opens a version's model file with the runtime of its format, importing no other."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from modelloop_core.inference.archive import check_archive
from modelloop_core.inference.errors import ModelUnreadable, RuntimeMissing
from modelloop_core.inference.model import Model
from modelloop_core.manifest import ModelFormat


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: what importing makes is none, and looking takes a twentieth of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load_model(
    path: Path, model_format: ModelFormat, *, heads: Sequence[str] = (), device: str = "cpu", threads: int = 1
) -> Model:
    """A model ready to predict on `device` (cpu or cuda) with `threads` threads; raises LoadError.

    `heads` are the outputs to answer with, side by side, where the program gives several: an ONNX graph's by name, a
    torch program's by key or by position from 0. Of several outputs none is left out unless `heads` says so.
    The file is data: weights and pickles are refused (NotAModel), nothing in it is unpickled or executed as Python.
    """
    if not path.is_file():
        raise ModelUnreadable(f"there is no model file {path.name}")
    check_archive(path, model_format)
    try:
        if model_format is ModelFormat.ONNX:
            from modelloop_core.inference.onnx_model import load_onnx

            return load_onnx(path, heads, device=device, threads=threads)
        # Importing torch takes a second of a cold start, so only its formats pay for it.
        with _uncollected():
            from modelloop_core.inference.torch_model import load_torch
    except ImportError as error:
        raise RuntimeMissing(f"{path.name} needs {error.name}, which is not installed here") from error
    return load_torch(path, model_format, heads, device=device, threads=threads)
