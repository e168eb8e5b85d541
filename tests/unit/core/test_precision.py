"""A model in fewer bits is published only after its answers were held against the original's, alone and together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from modelloop_core.inference import load_model
from modelloop_core.manifest import ModelFormat
from modelloop_core.publishing import Published, PublishError, publish
from modelloop_core.registry import Registry
from support import model_files
from support.memory_store import MemoryStore
from support.versions import Clock

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.*:DeprecationWarning")

ROWS = np.random.default_rng(7).normal(size=(64, 4)).astype(np.float32)
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))


def _network(*last: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1), *last).eval()


@pytest.fixture
def registry() -> Registry:
    return Registry(MemoryStore(), now=Clock())


def _served(registry: Registry, published: Published, folder: Path) -> np.ndarray[Any, Any]:
    model_format = published.manifest.format
    (folder / model_format.value).write_bytes(registry.read(published.version, model_format.value))
    return np.asarray(load_model(folder / model_format.value, model_format).predict(ROWS), dtype=np.float64)


def test_a_module_becomes_an_int8_torchscript_with_its_difference(registry: Registry, tmp_path: Path) -> None:
    model = _network(torch.nn.Sigmoid())
    published = publish(model, FRAME, registry=registry, task="binary", precision="int8", metrics={"auc": 0.9})
    assert published.manifest.format is ModelFormat.TORCHSCRIPT
    with torch.no_grad():
        expected = model(torch.from_numpy(ROWS)).numpy()[:, 0]
    apart = np.abs(_served(registry, published, tmp_path) - expected)
    metrics = published.card.metrics
    assert metrics == published.manifest.metrics
    assert 0 < apart.max() <= metrics["int8_max_difference"] < 0.02
    assert 0 < metrics["int8_mean_difference"] < metrics["int8_max_difference"]
    assert metrics["auc"] == 0.9
    assert "int8: " in published.notes[0]


def test_the_largest_difference_is_what_is_limited(registry: Registry) -> None:
    model = _network(torch.nn.Sigmoid())
    measured = publish(model, FRAME, registry=registry, task="binary", precision="int8").manifest.metrics
    largest, mean = measured["int8_max_difference"], measured["int8_mean_difference"]
    publish(model, FRAME, registry=registry, task="binary", precision="int8", max_difference=largest)
    with pytest.raises(PublishError, match="is allowed"):
        publish(model, FRAME, registry=registry, task="binary", precision="int8", max_difference=(largest + mean) / 2)


def test_an_onnx_file_becomes_a_smaller_one(registry: Registry, tmp_path: Path) -> None:
    path = model_files.onnx_network(tmp_path / "m.onnx", 4, 256)
    published = publish(path, FRAME, registry=registry, task="regression", precision="int8", max_difference=0.2)
    assert published.manifest.format is ModelFormat.ONNX
    assert published.manifest.files["model.onnx"].size < path.stat().st_size / 2
    assert 0 < published.manifest.metrics["int8_max_difference"] < 0.2


def test_the_difference_of_values_is_in_their_standard_deviations(registry: Registry) -> None:
    class Scaled(torch.nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.network, self.factor = _network(), factor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x) * self.factor

    small, large = (
        publish(
            Scaled(factor), FRAME, registry=registry, task="regression", precision="int8", max_difference=1
        ).manifest.metrics["int8_max_difference"]
        for factor in (1.0, 1000.0)
    )
    assert large == pytest.approx(small, rel=1e-3)


@pytest.mark.parametrize("give", ["module", "onnx"])
def test_fp16_computes_in_half_and_speaks_in_single_precision(registry: Registry, tmp_path: Path, give: str) -> None:
    model = _network() if give == "module" else model_files.onnx_network(tmp_path / "m.onnx", 4, 64)
    plain = publish(model, FRAME, registry=registry, task="regression").manifest
    half = publish(model, FRAME, registry=registry, task="regression", precision="fp16")
    assert half.manifest.format is plain.format
    assert half.manifest.signature == plain.signature
    assert 0 < half.card.metrics["fp16_max_difference"] < 0.02
    assert np.isfinite(_served(registry, half, tmp_path)).all()


def test_heads_keep_their_places_in_fp16(registry: Registry) -> None:
    model = model_files.NamedHeads()
    targets = ["mean", "largest"]
    published = publish(model, FRAME, registry=registry, heads=targets, targets=targets, precision="fp16")
    assert published.manifest.heads == ("mean", "largest")


@pytest.mark.parametrize(
    ("give", "given", "told", "hint"),
    [
        (lambda _: _network(torch.nn.Sigmoid()), {"max_difference": 1e-9}, "and 1e-09 is allowed", "--max-difference"),
        (lambda _: model_files.Logistic(), {}, "no layer that int8 would make quicker", "without"),
        (lambda folder: model_files.onnx_logistic(folder / "m.onnx", 4), {}, "no layer that int8", "without"),
        (
            lambda folder: model_files.exported(_network(torch.nn.Sigmoid()), folder / "m.pt2", 4),
            {},
            "layers",
            "module",
        ),
        (lambda folder: model_files.torchscript(_network(), folder / "m.pt"), {}, "layers", "module"),
        (lambda _: torch.jit.script(_network()), {}, "a model.ts.pt is a program", "module"),
        (lambda _: _network(), {"precision": None, "max_difference": 0.1}, "but no other precision", "int8"),
        (lambda _: _network(), {"max_difference": float("nan")}, "is nan, which is none", "number"),
        (lambda _: _network(), {"max_difference": -1.0}, "is -1.0, which is none", "number"),
        (lambda _: _network(), {"precision": "int4"}, "there is no precision 'int4'", "int8"),
        (lambda _: _network(), {"metrics": {"int8_max_difference": 0.0}}, "is measured here", "leave it out"),
    ],
    ids=[
        "a difference beyond what is allowed",
        "a module without layers",
        "a graph without products",
        "an exported program",
        "a TorchScript file",
        "a script",
        "a limit without a precision",
        "a limit that is no number",
        "a limit below zero",
        "an unknown precision",
        "a metric of the same name",
    ],
)
def test_what_cannot_be_made_smaller_honestly_is_refused(
    registry: Registry, tmp_path: Path, give: Any, given: dict[str, Any], told: str, hint: str
) -> None:
    with pytest.raises(PublishError, match=re.escape(told)) as caught:
        publish(give(tmp_path), FRAME, registry=registry, **{"precision": "int8", "task": "regression", **given})
    assert hint in caught.value.hint
    assert registry.versions() == ()
