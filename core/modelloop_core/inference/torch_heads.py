"""Which of the tensors that a torch program returns make the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from modelloop_core.inference.errors import BadOutput


def chosen(answer: Any, heads: Sequence[str]) -> list[torch.Tensor]:
    """The tensors at `heads` (keys of a dict, else positions from 0), without heads the only one; raises BadOutput."""
    if isinstance(answer, torch.Tensor) and not heads:
        return [answer]
    named = _named(answer)
    if not heads and len(named) == 1:
        heads = tuple(named)
    strange = [head for head in heads if not isinstance(named.get(head), torch.Tensor)]
    if strange or not heads:
        asked = f"{', '.join(map(repr, strange))} is no tensor among them" if strange else "choose among them (--head)"
        raise BadOutput(f"the model answered with {_described(answer, named)}; {asked}")
    return [named[head] for head in heads]


def _named(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return {str(key): value for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return {str(position): value for position, value in enumerate(answer)}
    return {"0": answer}


def _described(answer: Any, named: Mapping[str, Any]) -> str:
    if not isinstance(answer, Mapping | list | tuple):
        return f"a {type(answer).__name__}"
    outputs = ", ".join(f"{name}: {type(value).__name__}" for name, value in named.items())
    return f"a {type(answer).__name__} of {len(named)} ({outputs})"
