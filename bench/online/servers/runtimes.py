"""The model as mosec and KServe run it here: a function from float32 [n, 20] to [n], frozen and on one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[[Any], Any]


def load(path: str) -> Run:
    """A TorchScript or ONNX file, ready and warm; imports only the runtime that it needs."""
    import numpy as np

    run = _onnx(path) if path.endswith(".onnx") else _torch(path)
    for rows in (1, 1, 1, 16, 16, 16, 32, 32, 32, 64, 64, 64):
        run(np.zeros((rows, 20), np.float32))
    return run


def _torch(path: str) -> Run:
    import torch

    torch.set_num_threads(1)
    program = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.load(path).eval()))

    def run(matrix: Any) -> Any:
        with torch.inference_mode():
            return program(torch.from_numpy(matrix)).numpy()

    return run


def _onnx(path: str) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name

    def run(matrix: Any) -> Any:
        return session.run(None, {source: matrix})[0].reshape(-1)

    return run
