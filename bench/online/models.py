"""Writes what a run serves: two models as TorchScript and ONNX, their registries, and rows with the right answers.

A process of its own, `python -m bench.online.models FOLDER`: the bench must not have torch loaded while it measures
memory, or the two would share libtorch's pages.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.online.wires import FEATURES, VERSION
from modelloop_core.drift.reference import REFERENCE_NAME, build_reference
from modelloop_core.feature_schema import BinaryOutput, NumericFeature, Signature
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Files, Registry, describe
from modelloop_core.storage.directory import DirectoryStore

ROWS = 2048
SEED = 20260101
SIGNATURE = Signature(
    inputs=tuple(NumericFeature(name=f"f{number:02d}") for number in range(FEATURES)), output=BinaryOutput()
)
WIDTHS = {"small": (64, 32), "large": (2048, 2048)}


class Score(torch.nn.Module):
    """A multi-layer perceptron that ends in one probability for each row."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = (FEATURES, *widths)
        layers: list[torch.nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.layers(x)).squeeze(1)


def main(folder: Path) -> None:
    """Write everything below `folder`."""
    torch.manual_seed(SEED)
    rows = _rows(np.random.default_rng(SEED))
    answers = {}
    for size, widths in WIDTHS.items():
        model = Score(widths).eval()
        with torch.no_grad():
            answers[size] = model(torch.from_numpy(rows.astype(np.float32))).numpy()
        scripted: Any = torch.jit.script(model)
        scripted.save(str(folder / f"{size}.pt"))
        _export(model, folder / f"{size}.onnx")
        reference = build_reference(SIGNATURE, rows, answers[size].astype(np.float64)).to_json()
        _publish(folder / f"{size}-torch", folder / f"{size}.pt", ModelFormat.TORCHSCRIPT, reference)
        _publish(folder / f"{size}-onnx", folder / f"{size}.onnx", ModelFormat.ONNX, reference)
    np.savez(folder / "pool.npz", rows=rows, **answers)


def _rows(random: np.random.Generator) -> Any:
    """Standardised columns, amounts and rates, each with as many digits as a source would write: 1 to 17 characters."""
    scales = np.array([1.0, 1.0, 30.0, 0.1])[np.arange(FEATURES) % 4]
    values = random.normal(size=(ROWS, FEATURES)) * scales
    digits = random.choice([0, 1, 2, 4, 6, 17], size=values.shape, p=[0.1, 0.1, 0.25, 0.2, 0.2, 0.15])
    rounded = [round(float(value), int(digit)) for value, digit in zip(values.flat, digits.flat, strict=True)]
    return np.array(rounded).reshape(values.shape)


def _export(model: torch.nn.Module, path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            model, (torch.zeros(2, FEATURES),), str(path), input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False,
        )  # fmt: skip


def _publish(registry: Path, model: Path, model_format: ModelFormat, reference: bytes) -> None:
    files: Files = {model_format.value: model, REFERENCE_NAME: reference}
    manifest = Manifest(
        version=VERSION,
        format=model_format,
        signature=SIGNATURE,
        files=describe(files),
        created=datetime.now(UTC),
    )
    Registry(DirectoryStore(registry)).publish(manifest, files)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
