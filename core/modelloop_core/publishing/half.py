"""A torch module that computes in 16-bit floats and, as every served model, takes and gives 32-bit ones."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree


class Half(torch.nn.Module):
    """`module` in fp16 behind a float32 face."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module.half()

    def forward(self, x: torch.Tensor) -> Any:
        """float32 [n, k] to what the module returns, its tensors in float32."""
        return pytree.tree_map(torch.Tensor.float, self.module(x.half()))
