from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from modelloop_core.feature_schema import Output
from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_inside import Predictor, Start, settings_for
from support.published import pair, publish, publish_people


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    """A predictor that serves a model over every kind of feature."""
    folder = tmp_path_factory.mktemp("people")
    publish_people(folder / "registry", folder)
    with Predictor(settings_for(folder)) as predictor:
        assert predictor.load(folder / "registry") is None
        yield predictor


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts predictors for a module over two numbers."""
    running: list[Predictor] = []

    def start(model: torch.nn.Module, output: Output | None = None, **changes: object) -> Predictor:
        path = model_files.torchscript(model, tmp_path / ModelFormat.TORCHSCRIPT.value)
        publish(tmp_path / "registry", path, pair(output), example=(1.0, 2.0))
        running.append(Predictor(settings_for(tmp_path, **changes)))
        assert running[-1].load(tmp_path / "registry") is None
        return running[-1]

    yield start
    for predictor in running:
        predictor.__exit__(None, None, None)
